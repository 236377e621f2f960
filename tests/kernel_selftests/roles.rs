//! The other processes of the tests: this binary, started by them in a role.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{exit, Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;

use childset::Pidfd;

use crate::{autoreap, common};

pub(crate) fn play(role: &str) {
    common::end_after(60);
    match role {
        "leader_ends_first" => thread_goes_on(true, || exit(5)),
        "exec_after_the_leader" => thread_goes_on(true, exec_cat),
        "exec_beside_the_leader" => thread_goes_on(false, exec_cat),
        "not_dumpable" => not_dumpable(),
        "container" => container(),
        "aborts" => {
            say("ready");
            hear();
            std::process::abort();
        }
        "middle" => autoreap::middle(),
        "without_capabilities" => autoreap::without_capabilities(),
        _ => panic!("no such role: {role}"),
    }
}

/// Says its tid in a second thread, which does `then` when it hears something; the first one ends, or pauses.
fn thread_goes_on(leader_ends: bool, then: fn()) {
    let second = thread::spawn(move || {
        // SAFETY: asking for a number.
        say(&unsafe { libc::gettid() }.to_string());
        hear();
        then();
    });
    if leader_ends {
        // SAFETY: the thread ends where it is. What its stack holds lives on.
        unsafe { libc::syscall(libc::SYS_exit, 0) };
    }
    second.join().unwrap();
}

fn exec_cat() {
    panic!("{}", Command::new("cat").exec());
}

/// Has a file that is in memory alone, says its number, and forbids to trace itself when it hears something.
fn not_dumpable() {
    // SAFETY: the name ends with a zero byte; the descriptor is ours.
    let file = unsafe { OwnedFd::from_raw_fd(libc::memfd_create(c"test".as_ptr(), 0)) };
    say(&file.as_raw_fd().to_string());
    hear();
    // SAFETY: setting a number.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0) }, 0);
    say("not dumpable");
    hear();
}

/// Has a child in namespaces of its own, and says its pid, or `refused`. Both live until the input ends.
fn container() {
    let rest = libc::CLONE_NEWNS
        | libc::CLONE_NEWCGROUP
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWNET
        | libc::CLONE_NEWTIME;
    // SAFETY: this process has one thread; no memory is touched.
    let has_entered = unsafe { libc::unshare(libc::CLONE_NEWUSER | rest) } == 0 && {
        let time = File::open("/proc/self/ns/time_for_children").unwrap();
        // SAFETY: as above.
        unsafe { libc::setns(time.as_raw_fd(), libc::CLONE_NEWTIME) == 0 }
    };
    if !has_entered {
        return say("refused");
    }
    // SAFETY: one thread, which holds no lock.
    match unsafe { libc::fork() } {
        0 => {
            hear();
            exit(0);
        }
        pid => {
            say(&pid.to_string());
            common::reap_by_pid(pid as u32);
        }
    }
}

pub(crate) fn say(line: &str) {
    println!("{line}");
    io::stdout().flush().unwrap();
}

/// Waits for one byte, or the end of the input. Takes no more: the rest is for `cat`.
fn hear() {
    rustix::io::retry_on_intr(|| rustix::io::read(io::stdin(), &mut [0])).unwrap();
}

/// A child of ours that is talked to.
pub(crate) struct Talking {
    pub(crate) child: Child,
    pub(crate) stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Talking {
    pub(crate) fn new(command: &mut Command) -> Talking {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let stdin = child.stdin.take().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Talking { child, stdin, stdout }
    }

    pub(crate) fn role(role: &str) -> Talking {
        Talking::new(&mut common::reexec(role))
    }

    pub(crate) fn pidfd(&self) -> Pidfd {
        Pidfd::from_child(&self.child).unwrap()
    }

    pub(crate) fn said(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    pub(crate) fn tell(&mut self, text: &str) {
        self.stdin.write_all(text.as_bytes()).unwrap();
    }

    /// Makes the thread call `execve`, and waits until it is `cat`.
    pub(crate) fn until_exec(&mut self) {
        self.tell("xcat\n");
        assert_eq!(self.said(), "cat");
    }
}
