//! How processes end, and what is told of them, through a `Pidfd`.

#![allow(unsafe_code)]
// The lint does not know that a pidfd reaps.
#![allow(clippy::zombie_processes)]

mod common;

use std::fs;
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use childset::{Gone, Pidfd, Signal, State, StatusUnknown};
use common::{held_with, kernel, opened, role, until_ended};

/// This binary in another role, for which it runs the test `another_process`.
fn start(role: &str) -> (Child, ChildStdin, impl FnMut() -> String) {
    let mut command = common::reexec(role);
    command.args(["--ignored", "--exact", "another_process", "--nocapture", "--test-threads=1"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let stdin = child.stdin.take().unwrap();
    // What the harness writes stands before.
    let said = move || lines.find_map(|line| Some(line.unwrap().strip_prefix("said ")?.to_owned())).unwrap();
    (child, stdin, said)
}

fn say(what: &str) {
    println!("\nsaid {what}");
    io::stdout().flush().unwrap();
}

fn hear() {
    common::read(io::stdin(), &mut [0]);
}

#[test]
#[ignore = "what other tests run as another process"]
fn another_process() {
    match role().expect("started by another test").as_str() {
        "leaderless" => leaderless(),
        "parent" => parent(),
        "dumping" => dumping(),
        _ => panic!("no such role"),
    }
}

/// The first thread, in which the harness waits, ends; this one lives until it hears something.
fn leaderless() {
    extern "C" fn end_thread(_signal: i32) {
        // SAFETY: the thread ends where it is. What its stack holds lives on.
        unsafe { libc::syscall(libc::SYS_exit, 0) };
    }
    let me = std::process::id();
    // SAFETY: the handler makes one system call, and is given to the first thread alone.
    unsafe {
        libc::signal(libc::SIGUSR1, end_thread as extern "C" fn(i32) as libc::sighandler_t);
        assert_ne!(libc::gettid() as u32, me);
        assert_eq!(libc::syscall(libc::SYS_tgkill, me, me, libc::SIGUSR1), 0);
    }
    say("started");
    hear();
    // SAFETY: nothing is left to do at the exit.
    unsafe { libc::_exit(5) };
}

/// Has a child, which it reaps when it hears something.
fn parent() {
    let (mut child, stdin) = held_with(9);
    say(&child.id().to_string());
    hear();
    drop(stdin);
    until_ended(opened(&child));
    say("zombie");
    hear();
    child.wait().unwrap();
    say("reaped");
    hear();
    std::process::exit(0);
}

/// Aborts; with a core file, where that is switched on.
fn dumping() {
    say("ready");
    hear();
    std::process::abort();
}

#[test]
fn leader_that_ends_first() {
    let (child, stdin, mut said) = start("leaderless");
    let pidfd = opened(&child);
    assert_eq!(said(), "started");
    common::until_state(child.id(), "Z");
    assert_eq!((pidfd.state().unwrap(), pidfd.try_wait().unwrap()), (State::Running, None));
    pidfd.send_signal(0).unwrap();
    drop(stdin);
    assert_eq!(pidfd.wait().unwrap().code(), Some(5));
}

#[test]
fn info() {
    let (child, stdin) = held_with(6);
    let pidfd = opened(&child);
    let info = match pidfd.info() {
        Ok(info) => info,
        Err(error) => {
            assert!(error.kind() == ErrorKind::Unsupported && kernel() < (6, 13), "{error}");
            assert_eq!(pidfd.pid().unwrap(), Some(child.id()));
            drop(stdin);
            assert_eq!(pidfd.wait().unwrap().code(), Some(6));
            return;
        }
    };
    let me = fs::metadata("/proc/self").unwrap();
    assert_eq!((info.pid(), info.thread()), (Some(child.id()), Some(child.id())));
    assert_eq!(info.parent(), Some(std::process::id()));
    let uids = [info.real_uid(), info.effective_uid(), info.saved_uid(), info.fs_uid()];
    assert_eq!(uids, [Some(me.uid()); 4]);
    let gids = [info.real_gid(), info.effective_gid(), info.saved_gid(), info.fs_gid()];
    assert_eq!(gids, [Some(me.gid()); 4]);
    assert!(info.exit_status().is_none());
    if let Ok(of_us) = Pidfd::open(std::process::id()).unwrap().info() {
        assert_eq!(info.cgroup_id(), of_us.cgroup_id());
        assert_eq!(of_us.parent(), Some(std::os::unix::process::parent_id()));
    }

    drop(stdin);
    until_ended(&pidfd);
    assert!(pidfd.info().unwrap().exit_status().is_none(), "a zombie has none yet");
    pidfd.wait().unwrap();
    match pidfd.info() {
        Ok(info) => {
            assert!(kernel() >= (6, 15));
            assert_eq!(info.exit_status().and_then(|status| status.code()), Some(6));
        }
        Err(error) => {
            assert!(Gone::from_io_error(&error) == Some(Gone::Reaped) && kernel() < (6, 15), "{error}");
        }
    }
}

#[test]
fn stranger() {
    let (mut parent, mut stdin, mut said) = start("parent");
    let stranger = Pidfd::open(said().parse().unwrap()).unwrap();
    assert_eq!(stranger.try_wait().unwrap(), None);
    assert_eq!(stranger.wait_state().unwrap_err().raw_os_error(), Some(libc::ECHILD));
    stranger.set_nonblocking(true).unwrap();
    assert_eq!(stranger.wait().unwrap_err().kind(), ErrorKind::WouldBlock);
    stranger.set_nonblocking(false).unwrap();

    let exit = std::thread::scope(|scope| {
        // Waits while it runs, and while it is a zombie.
        let waiter = scope.spawn(|| stranger.wait());
        stdin.write_all(b"e").unwrap();
        assert_eq!(said(), "zombie");
        assert_eq!(stranger.state().unwrap(), State::Zombie);
        // Where PIDFD_GET_INFO is not known (before 6.13), nothing more will be told.
        match stranger.try_wait() {
            Ok(exit) => assert!(exit.is_none() && kernel() >= (6, 13)),
            Err(error) => assert!(StatusUnknown::from_io_error(&error).is_some() && kernel() < (6, 13)),
        }
        stdin.write_all(b"r").unwrap();
        assert_eq!(said(), "reaped");
        waiter.join().unwrap()
    });
    common::assert_code(&exit, 9);
    assert_eq!(stranger.state().unwrap(), State::Reaped);
    drop(stdin);
    assert!(parent.wait().unwrap().success());
}

/// Each way to end, seen by `std` and by us.
#[test]
fn statuses_as_std_has_them() {
    let script = |script: &'static str| {
        move || Command::new("sh").args(["-c", script]).stdin(Stdio::piped()).spawn().unwrap()
    };
    let dumping = || {
        let (mut child, stdin, mut said) = start("dumping");
        assert_eq!(said(), "ready");
        child.stdin = Some(stdin);
        child
    };
    let ways: [(&dyn Fn() -> Child, ExitStatus); 6] = [
        (&script("read line; exit 0"), ExitStatus::from_raw(0)),
        (&script("read line; exit 1"), ExitStatus::from_raw(1 << 8)),
        (&script("read line; exit 255"), ExitStatus::from_raw(255 << 8)),
        (&script("read line; kill -TERM $$"), ExitStatus::from_raw(libc::SIGTERM)),
        (&script("read line; kill -KILL $$"), ExitStatus::from_raw(libc::SIGKILL)),
        (&dumping, ExitStatus::from_raw(libc::SIGABRT)),
    ];
    for (make, expected) in ways {
        let mut by_std = make();
        drop(by_std.stdin.take());
        let by_std = by_std.wait().unwrap();
        assert_eq!((by_std.code(), by_std.signal()), (expected.code(), expected.signal()));

        let mut child = make();
        let pidfd = opened(&child);
        drop(child.stdin.take());
        let exit = pidfd.wait().unwrap();
        // The whole number, with the bit for a core file.
        assert_eq!(exit.status().into_raw(), by_std.into_raw());
        assert_eq!((exit.code(), exit.signal()), (by_std.code(), by_std.signal().map(Signal::from)));
        assert_eq!(exit.success(), by_std.success());
        // As the kernel tells it to those who come late (6.15).
        if kernel() >= (6, 15) {
            assert_eq!(pidfd.wait().unwrap().status(), by_std);
        }
    }
}

#[test]
fn usage() {
    let burn = Duration::from_millis(100);
    let mut command = Command::new("sh");
    let child = command.args(["-c", "while :; do :; done"]).spawn().unwrap();
    let pidfd = opened(&child);
    let start = Instant::now();
    while common::ticks(child.id()) * 10 < burn.as_millis() as u64 {
        std::thread::yield_now();
    }
    pidfd.kill().unwrap();
    let exit = pidfd.wait().unwrap();
    let used = exit.user_time().unwrap() + exit.system_time().unwrap();
    assert!(used >= Duration::from_millis(90), "{used:?}");
    // It had one processor at most, from its start until we had its exit.
    assert!(used <= start.elapsed() + Duration::from_secs(1), "{used:?}");
    assert!(exit.usage().unwrap().minor_faults > 0);
}
