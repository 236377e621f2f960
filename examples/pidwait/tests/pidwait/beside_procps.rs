//! Both programs on the same processes: the same processes found, the same output and exit status, and neither ends
//! before the last process has. Where procps does otherwise, the test says so.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::{Child, Command, Output, Stdio};

use childset::{Pidfd, Signal, State};
use rustix::process::Uid;

use crate::common::{check_leaks, until_state};
use crate::programs::{ours, Ours, Programs, Talking};

fn theirs(args: &[&str]) -> Command {
    let mut command = Command::new("pidwait");
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// How many descriptors its epoll instance watches.
fn watched(process: &Child) -> usize {
    let proc = format!("/proc/{}", process.id());
    let fds = fs::read_dir(format!("{proc}/fd")).unwrap().map(|fd| fd.unwrap());
    let is_epoll = |fd: &fs::DirEntry| {
        fs::read_link(fd.path()).is_ok_and(|link| link.to_string_lossy().contains("eventpoll"))
    };
    let info = fds
        .filter(is_epoll)
        .map(|fd| fs::read_to_string(format!("{proc}/fdinfo/{}", fd.file_name().to_str().unwrap())));
    info.map(|info| info.unwrap_or_default().matches("tfd:").count()).sum()
}

struct Both {
    theirs: Child,
    ours: Ours,
}

impl Both {
    /// Starts both, and returns when they wait for so many processes.
    fn start(args: &[&str], count: usize) -> Both {
        let mut theirs = theirs(&[&["-e"], args].concat()).spawn().unwrap();
        let ours = Ours::start(args, count);
        while theirs.try_wait().unwrap().is_none() && watched(&theirs) < count {
            std::thread::yield_now();
        }
        Both { theirs, ours }
    }

    fn wait_on(&mut self) {
        assert!(self.ours.is_waiting(), "ours has ended");
        assert!(self.theirs.try_wait().unwrap().is_none(), "theirs has ended");
    }

    fn finish_alike(self) -> Output {
        let (ours, theirs) = (self.ours.finish(), self.theirs.wait_with_output().unwrap());
        assert_eq!((&ours.stdout, &ours.stderr), (&theirs.stdout, &theirs.stderr), "{ours:?} {theirs:?}");
        assert_eq!(ours.status, theirs.status);
        ours
    }

    fn finish_with_success(self) {
        assert_eq!(self.finish_alike().status.code(), Some(0));
    }
}

/// Both end at once, and alike but for the wording of what is wrong, and their hints where nothing was found.
fn both_end(args: &[&str], code: i32) {
    let (ours, theirs) = (ours(args).output().unwrap(), theirs(args).output().unwrap());
    assert_eq!((ours.status.code(), theirs.status.code()), (Some(code), Some(code)), "{ours:?} {theirs:?}");
    assert_eq!(ours.stdout, theirs.stdout);
    let is_silent = |output: &Output| output.stderr.is_empty();
    assert!(code == 1 || is_silent(&ours) == is_silent(&theirs), "{ours:?} {theirs:?}");
}

pub(crate) fn one() {
    check_leaks(|| {
        let programs = Programs::new();
        let mut process = programs.cat();
        let mut both = Both::start(&["-x", &programs.name], 1);
        both.wait_on();
        process.end_and_reap();
        both.finish_with_success();
    });
}

pub(crate) fn several() {
    check_leaks(|| {
        let programs = Programs::new();
        let mut processes: Vec<_> = (0..5).map(|_| programs.cat()).collect();
        let mut both = Both::start(&["-x", &programs.name], 5);
        for index in [3, 0, 4, 1] {
            both.wait_on();
            drop(processes[index].stdin.take());
        }
        both.wait_on();
        processes[2].end_and_reap();
        both.finish_with_success();
    });
}

pub(crate) fn none() {
    check_leaks(|| {
        let programs = Programs::new();
        both_end(&["-x", &programs.name], 1);
        both_end(&["-c", "-x", &programs.name], 1);
        // A name is cut, and then not found.
        both_end(&["-x", "no-such-process-with-this-name"], 1);
    });
}

pub(crate) fn part_of_the_name() {
    check_leaks(|| {
        let programs = Programs::new();
        let start = |suffix| Talking::new(&mut Command::new(programs.copy("cat", suffix)));
        let mut processes = [start("a"), start("b"), start("c")];
        both_end(&["-x", &programs.name], 1);
        let pattern = format!("^{}[ab]", programs.name);
        let mut both = Both::start(&[&pattern], 2);
        // Not reaped: see `reaped_late`.
        processes[0].end();
        both.wait_on();
        processes[1].end_and_reap();
        both.finish_with_success();
    });
}

pub(crate) fn command_line() {
    check_leaks(|| {
        let programs = Programs::new();
        let copy = programs.copy("cat", "");
        let start = |arg: &str| Talking::new(Command::new(&copy).arg(arg).arg("-"));
        let (mut wanted, _other) = (start("-u"), start("--"));
        let pattern = format!("{} -u -$", programs.name);
        both_end(&[&pattern], 1);
        let mut both = Both::start(&["-f", &pattern], 1);
        both.wait_on();
        wanted.end_and_reap();
        both.finish_with_success();
    });
}

pub(crate) fn user() {
    check_leaks(|| {
        let programs = Programs::new();
        let mut process = programs.cat();
        let me = fs::metadata("/proc/self").unwrap().uid();
        both_end(&["-u", &(me + 1).to_string(), "-x", &programs.name], 1);
        let users = format!("{},{me}", me + 1);
        let mut both = Both::start(&["-u", &users, "-x", &programs.name], 1);
        both.wait_on();
        process.end_and_reap();
        both.finish_with_success();
    });
}

pub(crate) fn parent() {
    check_leaks(|| {
        let programs = Programs::new();
        let mut process = programs.cat();
        both_end(&["-P", &process.child.id().to_string(), "-x", &programs.name], 1);
        let me = std::process::id().to_string();
        let mut both = Both::start(&["-P", &me, "-x", &programs.name], 1);
        both.wait_on();
        process.end_and_reap();
        both.finish_with_success();
    });
}

pub(crate) fn count() {
    check_leaks(|| {
        let programs = Programs::new();
        let mut processes: Vec<_> = (0..3).map(|_| programs.cat()).collect();
        let mut both = Both::start(&["-c", "-x", &programs.name], 3);
        both.wait_on();
        processes.iter_mut().for_each(Talking::end_and_reap);
        let output = both.finish_alike();
        assert!(output.stdout.starts_with(b"3\n"));
    });
}

pub(crate) fn ignore_case() {
    check_leaks(|| {
        let programs = Programs::new();
        let mut process = programs.cat();
        let name = programs.name.to_uppercase();
        both_end(&["-x", &name], 1);
        let mut both = Both::start(&["-i", "-x", &name], 1);
        both.wait_on();
        process.end_and_reap();
        both.finish_with_success();
    });
}

pub(crate) fn wrong_usage() {
    check_leaks(|| {
        for args in [&[][..], &["("], &["--no-such-option"], &["-u", "no-such-user", "x"]] {
            both_end(args, 2);
        }
    });
}

pub(crate) fn zombie() {
    check_leaks(|| {
        let programs = Programs::new();
        let mut process = programs.cat();
        process.end();
        // It has ended before.
        both_end(&["-e", "-x", &programs.name], 0);
        both_end(&["-e", "-f", &programs.name], 0);
        assert_eq!(Pidfd::from_child(&process.child).unwrap().state().unwrap(), State::Zombie);
    });
}

/// There is one event when it ends, and another one when it is reaped (Linux 6.9): procps 4.0.2 counts the process
/// twice, and ends while another one runs.
pub(crate) fn reaped_late() {
    check_leaks(|| {
        let programs = Programs::new();
        let (mut late, mut other) = (programs.cat(), programs.cat());
        let mut both = Both::start(&["-x", &programs.name], 2);
        late.end();
        both.wait_on();
        late.end_and_reap();
        // Theirs may have ended.
        assert!(both.ours.is_waiting());
        other.end_and_reap();
        both.finish_with_success();
    });
}

pub(crate) fn stopped() {
    check_leaks(|| {
        let programs = Programs::new();
        let process = programs.cat();
        let pidfd = Pidfd::from_child(&process.child).unwrap();
        pidfd.send_signal(Signal::STOP).unwrap();
        pidfd.wait_state().unwrap();
        let mut both = Both::start(&["-x", &programs.name], 1);
        pidfd.send_signal(Signal::CONT).unwrap();
        pidfd.wait_state().unwrap();
        pidfd.send_signal(Signal::STOP).unwrap();
        pidfd.wait_state().unwrap();
        both.wait_on();
        pidfd.kill().unwrap();
        both.finish_with_success();
    });
}

/// It has ended when it is a zombie, though its tracer holds that back from its parent.
pub(crate) fn traced() {
    check_leaks(|| {
        let programs = Programs::new();
        let mut process = programs.cat();
        let mut tracer = Talking::role(&process.child.id().to_string());
        let mut both = Both::start(&["-x", &programs.name], 1);
        both.wait_on();
        process.end();
        assert!(process.child.try_wait().unwrap().is_none());
        both.finish_with_success();
        tracer.end_and_reap();
    });
}

/// Its parent has ended, and its new one may be slow to collect it.
pub(crate) fn orphan() {
    check_leaks(|| {
        let programs = Programs::new();
        let copy = programs.copy("cat", "");
        let mut starter = Talking::new(Command::new("sh").args(["-c", "exec 3<&0; \"$0\" <&3 &"]).arg(copy));
        starter.until_cat();
        starter.child.wait().unwrap();
        let mut both = Both::start(&["-x", &programs.name], 1);
        both.wait_on();
        drop(starter.stdin.take());
        both.finish_with_success();
    });
}

pub(crate) fn leader_ends_first() {
    check_leaks(|| {
        let programs = Programs::new();
        let mut process = Talking::role(&format!("leaderless {}", programs.name));
        until_state(process.child.id(), "Z");
        let mut both = Both::start(&["-x", &programs.name], 1);
        both.wait_on();
        process.end_and_reap();
        both.finish_with_success();
    });
}

pub(crate) fn child_and_parent() {
    check_leaks(|| {
        let programs = Programs::new();
        let mut shell = Command::new(programs.copy("sh", "p"));
        let mut parent = Talking::new(shell.args(["-c", "\"$0\"; read line"]).arg(programs.copy("cat", "c")));
        parent.until_cat();
        let mut both = Both::start(&[&format!("^{}[pc]$", programs.name)], 2);
        both.wait_on();
        parent.end_and_reap();
        both.finish_with_success();
    });
}

pub(crate) fn set_user_id() {
    const NOBODY: u32 = 65534;
    check_leaks(|| {
        let programs = Programs::new();
        let path = programs.copy("cat", "");
        if rustix::fs::chown(&path, Some(Uid::from_raw(NOBODY)), None).is_err() {
            return crate::common::skipped("it takes root to make a file another user's");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o4755)).unwrap();
        let mut process = programs.cat();
        process.until_cat();
        let status = fs::read_to_string(format!("/proc/{}/status", process.child.id())).unwrap();
        let its = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap();
        if its.split_whitespace().nth(1) != Some(&NOBODY.to_string()) {
            return crate::common::skipped("set-user-ID programs do not become another user here");
        }
        both_end(&["-u", "0", "-x", &programs.name], 1);
        let mut both = Both::start(&["-u", &NOBODY.to_string(), "-x", &programs.name], 1);
        both.wait_on();
        process.end_and_reap();
        both.finish_with_success();
    });
}
