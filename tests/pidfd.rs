//! `Pidfd` by itself: opening, waiting, stops, signals to groups. How processes end is in `pidfd_exit.rs`.

#![allow(unsafe_code)]
// The lint does not know that a pidfd reaps.
#![allow(clippy::zombie_processes)]

mod common;

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;

use childset::{Gone, Pidfd, Signal, State, StateChange, StatusUnknown};
use common::{held, held_with, kernel, opened, reap_by_pid, until_ended};

fn errno<R: std::fmt::Debug>(result: io::Result<R>) -> Option<i32> {
    result.unwrap_err().raw_os_error()
}

fn gone<R: std::fmt::Debug>(result: io::Result<R>) -> Option<Gone> {
    Gone::from_io_error(&result.unwrap_err())
}

fn is_would_block<R: std::fmt::Debug>(result: io::Result<R>) -> bool {
    result.unwrap_err().kind() == ErrorKind::WouldBlock
}

#[test]
fn open_errors() {
    assert_eq!(errno(Pidfd::open(0)), Some(libc::EINVAL));
    assert_eq!(errno(Pidfd::open(u32::MAX)), Some(libc::EINVAL));
    // Beyond the kernel's largest pid.
    assert_eq!(gone(Pidfd::open(i32::MAX as u32)), Some(Gone::Reaped));

    let (sender, receiver) = channel();
    std::thread::scope(|scope| {
        let (hold, held) = channel::<()>();
        scope.spawn(move || {
            // SAFETY: gettid(2) touches no memory.
            sender.send(unsafe { libc::gettid() } as u32).unwrap();
            held.recv().unwrap_err();
        });
        let thread = receiver.recv().unwrap();
        let expected = if kernel() >= (6, 16) { libc::ENOENT } else { libc::EINVAL };
        assert_eq!(errno(Pidfd::open(thread)), Some(expected));
        drop(hold);
    });

    let mut child = held();
    drop(child.stdin.take());
    let pidfd = opened(&child);
    until_ended(&pidfd);
    // A zombie can be opened.
    assert_eq!(opened(&child).state().unwrap(), State::Zombie);
    reap_by_pid(child.id());
    assert_eq!(gone(Pidfd::from_child(&child)), Some(Gone::Reaped));
}

#[test]
fn not_a_pidfd() {
    let pidfd = Pidfd::from(OwnedFd::from(fs::File::open("/dev/null").unwrap()));
    assert_eq!(errno(pidfd.wait()), Some(libc::EBADF));
    assert_eq!(errno(pidfd.try_wait()), Some(libc::EBADF));
    assert_eq!(errno(pidfd.wait_state()), Some(libc::EBADF));
    assert_eq!(errno(pidfd.send_signal(0)), Some(libc::EBADF));
    assert_eq!(errno(pidfd.getfd(0)), Some(libc::EBADF));
    assert_eq!(errno(pidfd.pid()), Some(libc::EBADF));
    assert_eq!(pidfd.info().unwrap_err().kind(), ErrorKind::Unsupported);
    // Readable, and no more is looked at.
    assert_eq!(pidfd.state().unwrap(), State::Zombie);
    let set = childset::ChildSet::new().unwrap();
    let refused = set.insert(pidfd, "tag").unwrap_err();
    assert_eq!((refused.error.raw_os_error(), refused.tag), (Some(libc::EBADF), "tag"));
}

#[test]
fn states() {
    let mut child = held();
    let pidfd = opened(&child);
    assert_eq!((pidfd.state().unwrap(), pidfd.try_wait().unwrap()), (State::Running, None));
    drop(child.stdin.take());
    until_ended(&pidfd);
    assert_eq!(pidfd.state().unwrap(), State::Zombie);
    // A zombie takes signals, without effect.
    pidfd.kill().unwrap();
    assert!(pidfd.wait().unwrap().success());
    assert_eq!(pidfd.state().unwrap(), State::Reaped);
    assert_eq!(gone(pidfd.kill()), Some(Gone::Reaped));
    assert_eq!(gone(pidfd.pid()), Some(Gone::Reaped));
}

#[test]
fn nonblocking() {
    for by_open in [false, true] {
        let (child, stdin) = held_with(3);
        let pidfd = match by_open {
            false => opened(&child),
            true => {
                // SAFETY: the call makes a new descriptor, which is ours.
                let fd = unsafe {
                    let fd = libc::syscall(libc::SYS_pidfd_open, child.id(), libc::O_NONBLOCK);
                    assert!(fd >= 0);
                    OwnedFd::from_raw_fd(fd as i32)
                };
                Pidfd::from(fd)
            }
        };
        pidfd.set_nonblocking(true).unwrap();
        assert!(is_would_block(pidfd.wait()));
        assert_eq!(pidfd.try_wait().unwrap(), None);
        assert!(is_would_block(pidfd.wait_state()));
        assert_eq!(pidfd.try_wait_state().unwrap(), None);
        // The clone shares the flag.
        let clone = pidfd.try_clone().unwrap();
        assert!(is_would_block(clone.wait()));
        if by_open {
            clone.set_nonblocking(false).unwrap();
            drop(stdin);
        } else {
            drop(stdin);
            until_ended(&pidfd);
        }
        assert_eq!(pidfd.wait().unwrap().code(), Some(3));
        // What was taken is told again from 6.15 on.
        match clone.try_wait() {
            Ok(exit) => assert_eq!((exit.unwrap().code(), kernel() >= (6, 15)), (Some(3), true)),
            Err(error) => {
                assert_eq!(StatusUnknown::from_io_error(&error), Some(StatusUnknown::NotKept));
                assert!(kernel() < (6, 15));
            }
        }
    }
}

#[test]
fn clones_and_conversions() {
    let mut child = held();
    let pidfd = opened(&child);
    let clone = pidfd.try_clone().unwrap();
    assert_ne!(clone.as_raw_fd(), pidfd.as_raw_fd());
    drop(pidfd);
    let flags = rustix::io::fcntl_getfd(clone.as_fd()).unwrap();
    assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
    let again = Pidfd::from(OwnedFd::from(clone));
    assert_eq!(again.pid().unwrap(), Some(child.id()));
    drop(child.stdin.take());
    assert!(again.wait().unwrap().success());
}

#[test]
fn stops_and_continuations() {
    for nonblocking in [false, true] {
        // A group whose leader's parent is in the same session, and in another group: others ignore SIGTSTP.
        let mut command = Command::new("cat");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).process_group(0).spawn().unwrap();
        let pidfd = opened(&child);
        pidfd.set_nonblocking(nonblocking).unwrap();
        let next = || loop {
            match pidfd.wait_state() {
                Err(error) if nonblocking && error.kind() == ErrorKind::WouldBlock => {
                    std::thread::yield_now()
                }
                change => return change.unwrap(),
            }
        };
        for stop in [Signal::STOP, Signal::TSTP] {
            pidfd.send_signal(stop).unwrap();
            assert_eq!(next(), StateChange::Stopped(stop));
            // Reported once.
            assert_eq!(pidfd.try_wait_state().unwrap(), None);
            assert_eq!((pidfd.state().unwrap(), pidfd.try_wait().unwrap()), (State::Running, None));
            pidfd.send_signal(Signal::CONT).unwrap();
            assert_eq!(next(), StateChange::Continued);
            assert_eq!(pidfd.try_wait_state().unwrap(), None);
        }
        pidfd.send_signal(Signal::STOP).unwrap();
        assert_eq!(next(), StateChange::Stopped(Signal::STOP));
        drop(child.stdin.take());
        pidfd.send_signal(Signal::CONT).unwrap();
        // It may end before it was seen to go on.
        let change = next();
        assert!(matches!(change, StateChange::Continued | StateChange::Ended), "{change:?}");
        assert_eq!(next(), StateChange::Ended);
        // Not reaped yet, and so reported as often as one asks.
        assert_eq!((next(), pidfd.state().unwrap()), (StateChange::Ended, State::Zombie));
        assert!(pidfd.wait().unwrap().success());
        assert_eq!(errno(pidfd.wait_state()), Some(libc::ECHILD));
        assert_eq!(errno(pidfd.try_wait_state()), Some(libc::ECHILD));
    }
}

#[test]
fn group_signals() {
    let member_of = |leader| {
        let mut command = Command::new("cat");
        command.stdin(Stdio::piped()).stdout(Stdio::null()).process_group(leader).spawn().unwrap()
    };
    let mut leader = member_of(0);
    let mut member = member_of(leader.id() as i32);
    let group = opened(&leader);
    let member_pidfd = opened(&member);
    let known = match group.send_signal_to_group(0) {
        Ok(()) => true,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
            false
        }
    };
    assert_eq!(known, kernel() >= (6, 9));
    // A member leads no group.
    if known {
        assert_eq!(errno(group.send_signal_to_group(4711)), Some(libc::EINVAL));
        assert_eq!(gone(member_pidfd.send_signal_to_group(0)), Some(Gone::Reaped));
    }

    drop(leader.stdin.take());
    assert!(group.wait().unwrap().success());
    assert_eq!(gone(group.send_signal(0)), Some(Gone::Reaped));
    assert_eq!(member_pidfd.state().unwrap(), State::Running);
    match group.send_signal_to_group(Signal::TERM) {
        Ok(()) => assert_eq!(member_pidfd.wait().unwrap().signal(), Some(Signal::TERM)),
        Err(error) => {
            assert!(error.kind() == ErrorKind::Unsupported && !known, "{error}");
            drop(member.stdin.take());
            assert!(member_pidfd.wait().unwrap().success());
        }
    }
    let gone = group.send_signal_to_group(0).unwrap_err();
    assert!(Gone::from_io_error(&gone) == Some(Gone::Reaped) || !known, "{gone}");
}

#[test]
fn getfd() {
    let mut command = Command::new("cat");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let pidfd = opened(&child);
    let mut its_stdout = fs::File::from(pidfd.getfd(1).unwrap());
    its_stdout.write_all(b"from us").unwrap();
    let mut text = [0; 7];
    child.stdout.take().unwrap().read_exact(&mut text).unwrap();
    assert_eq!(&text, b"from us");
    for none in [99, -1, -100, i32::MIN, i32::MAX] {
        assert_eq!(errno(pidfd.getfd(none)), Some(libc::EBADF));
    }
    pidfd.kill().unwrap();
    pidfd.wait().unwrap();
    assert_eq!(gone(pidfd.getfd(1)), Some(Gone::Reaped));
}
