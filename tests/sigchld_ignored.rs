//! This process ignores SIGCHLD, or asks for no zombies (`SA_NOCLDWAIT`): the kernel reaps its children itself.

#![allow(unsafe_code)]

mod common;

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use childset::{Child, ChildSet, Exit, Gone, Pidfd, Signal, State};
use common::{assert_code, check_leaks, held_with, readable, until_reaped, warm_up, zombies};

fn rounds() -> u8 {
    common::times(50) as u8
}

/// Each test runs under each of the two.
const DISPOSITIONS: [fn(); 2] =
    [|| set_sigchld(libc::SIG_IGN, 0), || set_sigchld(libc::SIG_DFL, libc::SA_NOCLDWAIT)];

const TESTS: &[(&str, fn())] = &[
    ("pidfd_wait", pidfd_wait),
    ("pidfd_wait_when_gone", pidfd_wait_when_gone),
    ("pidfd_try_wait", pidfd_try_wait),
    ("child_wait", child_wait),
    ("child_wait_nonblocking", child_wait_nonblocking),
    ("set_wait", set_wait),
    ("set_reap", set_reap),
    ("dropped", dropped),
    #[cfg(feature = "async-io")]
    ("set_next", asynchronous::set_next),
    #[cfg(feature = "async-io")]
    ("pidfd_wait_async", asynchronous::pidfd_wait_async),
];

fn main() {
    common::main_with(TESTS, |_, test| {
        DISPOSITIONS[0]();
        warm_up();
        test();
    });
}

fn set_sigchld(handler: libc::sighandler_t, flags: libc::c_int) {
    // SAFETY: all-zero bytes are a valid `sigaction`, and neither disposition is a function of ours.
    let result = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler;
        action.sa_flags = flags;
        libc::sigaction(libc::SIGCHLD, &action, std::ptr::null_mut())
    };
    assert_eq!(result, 0);
}

/// Runs the test under each disposition.
fn under_each(test: impl Fn()) {
    for set in DISPOSITIONS {
        set();
        check_leaks(&test);
        assert_eq!(zombies(), 0);
    }
}

/// The true status from 6.15 on, else `StatusUnknown::NotKept`; never the resource use.
fn assert_auto_reaped(exit: &io::Result<Exit>, code: u8) {
    assert_code(exit, code);
    if let Ok(exit) = exit {
        assert_eq!(exit.usage(), None);
    }
}

fn one_by_one<C>(prepare: impl Fn(std::process::Child) -> C, take: impl Fn(&C) -> io::Result<Exit>) {
    under_each(|| {
        for code in 0..rounds() {
            let (child, stdin) = held_with(code);
            let child = prepare(child);
            drop(stdin);
            assert_auto_reaped(&take(&child), code);
        }
    });
}

fn all_of_a_set(take: impl Fn(&ChildSet<u8>) -> Option<childset::Exited<u8>>) {
    under_each(|| {
        let set = ChildSet::new().unwrap();
        let mut stdins = Vec::new();
        for code in 0..rounds() {
            let (child, stdin) = held_with(code);
            set.insert(child, code).unwrap();
            stdins.push(stdin);
        }
        drop(stdins);
        let mut tags = Vec::new();
        while let Some(exited) = take(&set) {
            assert_auto_reaped(&exited.exit, exited.tag);
            tags.push(exited.tag);
        }
        tags.sort_unstable();
        assert_eq!(tags, (0..rounds()).collect::<Vec<_>>());
        assert!(set.is_empty());
    });
}

fn pidfd_wait() {
    one_by_one(|child| Pidfd::from_child(&child).unwrap(), Pidfd::wait);
}

fn pidfd_wait_when_gone() {
    one_by_one(
        |child| Pidfd::from_child(&child).unwrap(),
        |pidfd| {
            until_reaped(pidfd);
            assert_eq!(pidfd.state()?, State::Reaped);
            let error = pidfd.send_signal(Signal::KILL).unwrap_err();
            assert_eq!(Gone::from_io_error(&error), Some(Gone::Reaped));
            // Nothing was taken, so that it can be asked for again.
            assert_eq!(pidfd.wait().ok(), pidfd.wait().ok());
            pidfd.wait()
        },
    );
}

fn pidfd_try_wait() {
    one_by_one(
        |child| {
            let pidfd = Pidfd::from_child(&child).unwrap();
            assert_eq!(pidfd.try_wait().unwrap(), None);
            pidfd
        },
        |pidfd| loop {
            if let Some(exit) = pidfd.try_wait()? {
                return Ok(exit);
            }
            std::thread::yield_now();
        },
    );
}

fn child_wait() {
    one_by_one(|child| Child::try_from(child).unwrap(), Child::wait);
}

fn child_wait_nonblocking() {
    let prepare = |child| {
        let child = Child::try_from(child).unwrap();
        child.pidfd().set_nonblocking(true).unwrap();
        child
    };
    one_by_one(prepare, Child::wait);
}

fn set_wait() {
    all_of_a_set(|set| set.wait(None).unwrap());
}

fn set_reap() {
    all_of_a_set(|set| loop {
        match set.try_wait().unwrap() {
            None if !set.is_empty() => assert!(readable(set.as_fd(), Duration::from_secs(60)), "{set:?}"),
            exited => return exited,
        }
    });
}

fn dropped() {
    under_each(|| {
        for code in 0..rounds() {
            let (child, stdin) = held_with(code);
            drop(Child::try_from(child).unwrap());
            drop(stdin);
        }
        common::reap_all_dropped();
    });
}

#[cfg(feature = "async-io")]
mod asynchronous {
    use super::*;

    use async_io::Async;
    use childset::AsyncPidfdExt;
    use futures_lite::future::block_on;

    pub(super) fn set_next() {
        all_of_a_set(|set| block_on(set.next()).transpose().unwrap());
    }

    pub(super) fn pidfd_wait_async() {
        one_by_one(
            |child| Async::new(Pidfd::from_child(&child).unwrap()).unwrap(),
            |pidfd| block_on(pidfd.exit()),
        );
    }
}
