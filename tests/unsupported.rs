//! System calls that the kernel does not know or a seccomp filter refuses: an error that says so, nothing lost.

#![allow(unsafe_code)]
// The lint does not know that a pidfd reaps.
#![allow(clippy::zombie_processes)]

mod common;

use std::io::{self, ErrorKind, Read};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use childset::{Child, ChildSet, Gone, Pidfd, Signal, State, StatusUnknown};
use common::seccomp::{filter, Only};
use common::{check_leaks, held, held_with, reap_by_pid, reexec, role, skipped, until_ended, until_reaped};

const TESTS: [(&str, fn()); 10] = [
    ("pidfd_open_enosys", || pidfd_open_is_refused(libc::ENOSYS, "ENOSYS")),
    ("pidfd_open_eperm", || pidfd_open_is_refused(libc::EPERM, "EPERM")),
    ("ioctl_einval", || ioctl_is_refused(libc::EINVAL)),
    ("ioctl_enotty", || ioctl_is_refused(libc::ENOTTY)),
    ("ioctl_eperm", || ioctl_is_refused(libc::EPERM)),
    ("ioctl_enosys", || ioctl_is_refused(libc::ENOSYS)),
    ("theft_without_ioctl", theft_without_ioctl),
    ("stranger_without_ioctl", stranger_without_ioctl),
    ("stranger_ends_while_we_begin_to_wait", stranger_ends_while_we_begin_to_wait),
    ("group_signal", group_signal),
];

fn main() {
    if let Some(role) = role() {
        common::end_after(300);
        return parent(role.parse().unwrap());
    }
    common::main_with(&TESTS, |_, test| match filter(libc::SYS_getpid, None, None) {
        Ok(()) => test(),
        Err(error) => skipped(format_args!("seccomp filters are refused: {error}")),
    });
}

/// Refuses `ioctl(PIDFD_GET_INFO)`, of whatever size.
fn without_info(errno: i32) {
    let only = Only { argument: 1, mask: 0xffff, value: 0xff0b, negate: false };
    filter(libc::SYS_ioctl, Some(errno), Some(only)).unwrap();
}

fn is_unsupported(error: &io::Error, errno: &str) {
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.to_string().contains(errno), "{error}");
}

fn pidfd_open_is_refused(errno: i32, name: &str) {
    let set = ChildSet::new().unwrap();
    let earlier = held();
    let earlier = (Pidfd::from_child(&earlier).unwrap(), earlier);
    filter(libc::SYS_pidfd_open, Some(errno), None).unwrap();
    check_leaks(|| {
        is_unsupported(&Pidfd::open(std::process::id()).unwrap_err(), name);
        let child = held();
        let pid = child.id();
        is_unsupported(&Pidfd::from_child(&child).unwrap_err(), name);
        let refused = set.insert(child, "tag").unwrap_err();
        is_unsupported(&refused.error, name);
        assert_eq!((refused.tag, set.len()), ("tag", 0));
        let refused = Child::try_from(refused.child).unwrap_err();
        is_unsupported(&refused.error, name);
        // The child is as it was, and `std` can still end it.
        let mut child = refused.child;
        assert_eq!(child.id(), pid);
        drop(child.stdin.take().unwrap());
        assert!(child.wait().unwrap().success());
    });
    // Pidfds that are there already serve on.
    let (pidfd, mut child) = earlier;
    set.insert(pidfd, "earlier").unwrap();
    drop(child.stdin.take());
    assert!(set.wait(None).unwrap().unwrap().exit.unwrap().success());
}

fn ioctl_is_refused(errno: i32) {
    common::warm_up();
    without_info(errno);
    check_leaks(|| {
        let (child, stdin) = held_with(3);
        let pidfd = Pidfd::from_child(&child).unwrap();
        assert_eq!(pidfd.info().unwrap_err().kind(), ErrorKind::Unsupported);
        // From /proc.
        assert_eq!(pidfd.pid().unwrap(), Some(child.id()));
        drop(stdin);
        until_ended(&pidfd);
        assert_eq!((pidfd.pid().unwrap(), pidfd.state().unwrap()), (Some(child.id()), State::Zombie));
        assert_eq!(pidfd.wait().unwrap().code(), Some(3));
        assert_eq!(Gone::from_io_error(&pidfd.pid().unwrap_err()), Some(Gone::Reaped));
        assert_eq!(pidfd.info().unwrap_err().kind(), ErrorKind::Unsupported);
        // What is lost is the status that somebody else took.
        assert_not_kept(pidfd.wait());
    });
}

fn assert_not_kept<R: std::fmt::Debug>(result: io::Result<R>) {
    assert_eq!(StatusUnknown::from_io_error(&result.unwrap_err()), Some(StatusUnknown::NotKept));
}

/// Every child comes out all the same, each way.
fn theft_without_ioctl() {
    common::warm_up();
    without_info(libc::ENOTTY);
    let stolen = || {
        let (std, stdin) = held_with(5);
        let pid = std.id();
        let child = Child::try_from(std).unwrap();
        drop(stdin);
        assert_eq!(reap_by_pid(pid), 5 << 8);
        child
    };
    check_leaks(|| {
        assert_not_kept(stolen().wait());
        assert_not_kept(stolen().try_wait());
        let child = stolen();
        child.pidfd().set_nonblocking(true).unwrap();
        assert_not_kept(child.wait());
        assert_not_kept(child.pidfd().wait());
        drop(stolen());
        assert_eq!(childset::reap_dropped(), 0);

        let set = ChildSet::new().unwrap();
        for tag in 0..3 {
            set.insert(stolen(), tag).unwrap();
        }
        assert_eq!(set.len(), 3);
        assert_not_kept(set.wait(None).unwrap().unwrap().exit);
        assert_not_kept(set.try_wait().unwrap().unwrap().exit);
        #[cfg(feature = "async-io")]
        assert_not_kept(futures_lite::future::block_on(set.next()).unwrap().unwrap().exit);
        #[cfg(not(feature = "async-io"))]
        assert_not_kept(set.try_wait().unwrap().unwrap().exit);
        assert!(set.is_empty());
        drop(set);
        #[cfg(feature = "async-io")]
        {
            use childset::AsyncPidfdExt;
            let pidfd = Pidfd::from(std::os::fd::OwnedFd::from(stolen().pidfd().try_clone().unwrap()));
            let pidfd = async_io::Async::new(pidfd).unwrap();
            assert_not_kept(futures_lite::future::block_on(pidfd.exit()));
        }
    });
}

/// Has `count` children that it does not wait for: names each, and kills it when it is told to.
fn parent(count: usize) {
    let mut stdin = io::stdin();
    for _ in 0..count {
        let mut child = held();
        println!("{}", child.id());
        if common::read(&mut stdin, &mut [0]) == 0 {
            break;
        }
        child.kill().unwrap();
    }
    stdin.read_to_end(&mut Vec::new()).unwrap();
}

/// Another process's children, as zombies that stay.
fn strangers(count: usize, mut each: impl FnMut(Pidfd, &mut dyn FnMut())) {
    use std::io::{BufRead, BufReader, Write};
    let mut parent = reexec(&count.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = parent.stdin.take().unwrap();
    let mut lines = BufReader::new(parent.stdout.take().unwrap()).lines();
    for _ in 0..count {
        let pid = lines.next().unwrap().unwrap().parse().unwrap();
        each(Pidfd::open(pid).unwrap(), &mut || stdin.write_all(b"k").unwrap());
    }
    drop(stdin);
    parent.wait().unwrap();
}

/// A zombie and a reaped process are the same to those who may not ask.
fn stranger_without_ioctl() {
    without_info(libc::EINVAL);
    strangers(1, |stranger, kill| {
        assert_eq!(stranger.try_wait().unwrap(), None);
        kill();
        until_ended(&stranger);
        assert_eq!(stranger.state().unwrap(), State::Zombie);
        assert_not_kept(stranger.try_wait());
        assert_not_kept(stranger.wait());
        let set = ChildSet::new().unwrap();
        set.insert(stranger, ()).unwrap();
        assert_not_kept(set.wait(None).unwrap().unwrap().exit);
    });
}

/// `wait` must not sleep until the zombie is reaped, for before 6.9 nothing tells it.
fn stranger_ends_while_we_begin_to_wait() {
    without_info(libc::EINVAL);
    strangers(common::times(400), |stranger, kill| {
        let begin = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                begin.store(true, Ordering::Release);
                assert_not_kept(stranger.wait());
            });
            while !begin.load(Ordering::Acquire) {
                std::hint::spin_loop();
            }
            kill();
        });
    });
}

fn group_signal() {
    check_leaks(|| {
        let mut command = Command::new("cat");
        let mut child = command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let pidfd = Pidfd::from_child(&child).unwrap();
        let known = common::kernel() >= (6, 9);
        match pidfd.send_signal_to_group(0) {
            Ok(()) => assert!(known),
            Err(error) => assert!(!known && error.kind() == ErrorKind::Unsupported, "{error}"),
        }
        // As before 6.9: whatever the flags are, they are not known.
        let flags = Only { argument: 3, mask: u32::MAX, value: 0, negate: true };
        filter(libc::SYS_pidfd_send_signal, Some(libc::EINVAL), Some(flags)).unwrap();
        is_unsupported(&pidfd.send_signal_to_group(Signal::KILL).unwrap_err(), "EINVAL");
        assert_eq!(pidfd.state().unwrap(), State::Running);
        let set = ChildSet::new().unwrap();
        let key = set.insert(pidfd.try_clone().unwrap(), ()).unwrap();
        // Of a child that is in a set nobody takes the number, so kill(2) does.
        set.send_signal_to_group(key, 0).unwrap();
        // Without flags it works.
        pidfd.send_signal(0).unwrap();
        drop(child.stdin.take());
        assert!(set.wait(None).unwrap().unwrap().exit.unwrap().success());
        until_reaped(&pidfd);
    });
}
