//! A child that ends with its parent.

use std::io::{Read, Write};
use std::thread;

use childset::{Command, Signal, Stdio};

use crate::both_ways;

#[test]
fn parent_death_signal() {
    both_ways(|new| {
        // The thread that spawns it is the parent.
        let (child, stdin) = thread::scope(|scope| {
            let spawn = || {
                let mut command = new("cat");
                command.stdin(Stdio::piped()).stdout(Stdio::null()).parent_death_signal(Signal::TERM);
                let mut child = command.spawn().unwrap();
                let stdin = child.stdin.take();
                assert_eq!(child.try_wait().unwrap(), None);
                (child, stdin)
            };
            scope.spawn(spawn).join().unwrap()
        });
        assert_eq!(child.wait().unwrap().signal(), Some(Signal::TERM));
        drop(stdin);
    });
    // From a thread that stays, it lives.
    let mut child = Command::new("cat")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .parent_death_signal(Signal::KILL)
        .spawn()
        .unwrap();
    child.stdin.as_ref().unwrap().blocking().write_all(b"x").unwrap();
    child.stdout.as_ref().unwrap().blocking().read_exact(&mut [0]).unwrap();
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

/// Of two signals, that which cannot be ignored.
#[test]
fn killed_with_the_parent_whatever_signal_it_asks_for() {
    if crate::common::kernel() >= (7, 1) {
        // It then ends with the process, not with the thread.
        return;
    }
    both_ways(|new| {
        let spawn = || {
            let mut command = new("cat");
            // Without standard output it would end at once.
            command.stdin(Stdio::piped()).stdout(Stdio::null());
            command.parent_death_signal(Signal::TERM).kill_with_parent(true);
            command.spawn().unwrap()
        };
        let mut child = thread::scope(|scope| scope.spawn(spawn).join().unwrap());
        let stdin = child.stdin.take();
        assert_eq!(child.wait().unwrap().signal(), Some(Signal::KILL));
        drop(stdin);
    });
}

#[test]
fn a_child_that_is_not_reaped_when_dropped() {
    both_ways(|new| {
        for reap in [false, true] {
            let child = new("sh").args(["-c", "exit 3"]).reap_on_drop(reap).spawn().unwrap();
            let pidfd = child.pidfd().try_clone().unwrap();
            crate::common::until_ended(&pidfd);
            drop(child);
            // A call that reaps what is due.
            assert!(new("true").spawn().unwrap().wait().unwrap().success());
            assert_eq!(crate::common::is_there(&pidfd), !reap);
            if !reap {
                assert_eq!(pidfd.wait().unwrap().code(), Some(3));
            }
        }
    });
}
