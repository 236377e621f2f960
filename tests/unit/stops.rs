//! Stops and continuations, in a set and of a child.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use childset::{ChildSet, Command, Pidfd, Signal};

use crate::{common, LONG};

pub(crate) fn stops_in_a_set() {
    let set = ChildSet::new().unwrap();
    let keys: Vec<_> = (0..3).map(|tag| set.spawn(Command::new("sleep").arg("60"), tag).unwrap()).collect();
    set.insert(Pidfd::open(std::process::id()).unwrap(), 9).unwrap();
    assert_eq!(set.state_changes().unwrap(), []);
    set.send_signal(keys[1], Signal::STOP).unwrap();
    let change = |key, expected: childset::StateChange| {
        let start = Instant::now();
        loop {
            match &set.state_changes().unwrap()[..] {
                [] => assert!(start.elapsed() < LONG),
                [one] => return assert_eq!(*one, (key, expected)),
                more => panic!("{more:?}"),
            }
        }
    };
    change(keys[1], childset::StateChange::Stopped(Signal::STOP));
    // The set stays as it is: a stop is no exit.
    assert!(!common::readable(set.as_fd(), Duration::ZERO));
    set.send_signal(keys[1], Signal::CONT).unwrap();
    change(keys[1], childset::StateChange::Continued);
    for key in keys {
        set.kill_tree(key).unwrap();
        set.wait(None).unwrap().unwrap().exit.unwrap();
    }
}

/// `SIGCHLD` says when to ask; each change is reported once, the end again and again, and the exit is not taken.
pub(crate) fn stops_of_a_child() {
    // SAFETY: all-zero bytes are a valid set, which the calls fill and read.
    let until_told = unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, libc::SIGCHLD);
        assert_eq!(libc::sigprocmask(libc::SIG_BLOCK, &set, std::ptr::null_mut()), 0);
        move || {
            let long = libc::timespec { tv_sec: LONG.as_secs() as _, tv_nsec: 0 };
            let told = common::again(|| libc::sigtimedwait(&set, std::ptr::null_mut(), &long));
            assert_eq!(told.unwrap(), libc::SIGCHLD);
        }
    };
    let child = Command::new("sleep").arg("60").spawn().unwrap();
    assert_eq!(child.try_wait_state().unwrap(), None);
    for (signal, expected) in [
        (Signal::STOP, childset::StateChange::Stopped(Signal::STOP)),
        (Signal::CONT, childset::StateChange::Continued),
        (Signal::TERM, childset::StateChange::Ended),
    ] {
        child.send_signal(signal).unwrap();
        until_told();
        assert_eq!(child.try_wait_state().unwrap(), Some(expected));
        let again = (signal == Signal::TERM).then_some(expected);
        assert_eq!(child.try_wait_state().unwrap(), again);
    }
    assert_eq!(child.wait().unwrap().signal(), Some(Signal::TERM));
    assert_eq!(child.try_wait_state().unwrap(), Some(childset::StateChange::Ended));
}
