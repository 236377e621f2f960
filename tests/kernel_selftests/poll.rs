//! The scenarios of `pidfd_poll_test`, and those of `pidfd_test` that poll: when a pidfd is readable.

use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use childset::{Pidfd, Signal, State};

use crate::common::{check_leaks, readable, until_ended, until_state};
use crate::roles::Talking;

pub(crate) fn kills() {
    check_leaks(|| {
        for _ in 0..500 {
            let child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
            let pidfd = Pidfd::from_child(&child).unwrap();
            assert!(!readable(&pidfd, Duration::ZERO));
            pidfd.kill().unwrap();
            until_ended(&pidfd);
            assert_eq!(pidfd.wait().unwrap().signal(), Some(Signal::KILL));
        }
    });
}

/// Waits by readiness, or in a thread that may block. While `alive` runs, the process must not seem to have ended.
fn ends_only_after(mut process: Talking, alive: impl FnOnce(&mut Talking), code: i32) {
    let pidfd = process.pidfd();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| pidfd.wait().unwrap());
        alive(&mut process);
        assert!(!readable(&pidfd, Duration::ZERO));
        assert_eq!((pidfd.state().unwrap(), pidfd.try_wait().unwrap()), (State::Running, None));
        assert!(!waiter.is_finished());
        drop(process);
        assert_eq!(waiter.join().unwrap().code(), Some(code));
    });
    assert_eq!(pidfd.state().unwrap(), State::Reaped);
}

pub(crate) fn exec_in_a_thread() {
    check_leaks(|| {
        let mut process = Talking::role("exec_beside_the_leader");
        assert_ne!(process.said(), process.child.id().to_string());
        ends_only_after(process, Talking::until_exec, 0);
    });
}

pub(crate) fn leader_ends_first() {
    check_leaks(|| {
        let mut process = Talking::role("leader_ends_first");
        process.said();
        let until_leader_ended = |process: &mut Talking| {
            until_state(process.child.id(), "Z");
            process.pidfd().send_signal(0).unwrap();
        };
        ends_only_after(process, until_leader_ended, 5);
    });
}
