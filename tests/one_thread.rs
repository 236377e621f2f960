//! A program that polls, or blocks, and awaits nothing has one thread: no reactor, no reaper.

mod common;

use std::os::fd::AsFd;
use std::time::Duration;

use childset::{Child, ChildSet, Pidfd, Signal};
use common::{check_leaks, held, held_with, readable, reap_all_dropped, threads};

fn main() {
    common::main(&[("polling_loop", polling_loop), ("blocking_waits", blocking_waits), ("drops", drops)]);
}

/// Does one step, and looks whether it has made a thread.
fn step<R>(act: impl FnOnce() -> R) -> R {
    let result = act();
    assert_eq!(threads(), 1);
    result
}

fn polling_loop() {
    step(|| ());
    check_leaks(|| {
        let set = step(|| ChildSet::new().unwrap());
        let stdins: Vec<_> = (0..10)
            .map(|code| {
                let (child, stdin) = held_with(code);
                step(|| set.insert(child, code).unwrap());
                stdin
            })
            .collect();
        let key = step(|| set.insert(held(), 10).unwrap());
        assert!(step(|| set.try_wait().unwrap()).is_none());
        drop(stdins);
        step(|| set.send_signal(key, Signal::TERM).unwrap());
        let mut tags = Vec::new();
        while !set.is_empty() {
            assert!(step(|| readable(set.as_fd(), Duration::from_secs(60))));
            if let Some(exited) = step(|| set.try_wait().unwrap()) {
                assert_eq!(exited.exit.unwrap().code(), (exited.tag < 10).then_some(exited.tag.into()));
                tags.push(exited.tag);
            }
        }
        tags.sort_unstable();
        assert_eq!(tags, (0..=10).collect::<Vec<_>>());
        step(|| drop(set));
    });
}

fn blocking_waits() {
    check_leaks(|| {
        let set = ChildSet::new().unwrap();
        let (child, stdin) = held_with(1);
        set.insert(child, ()).unwrap();
        assert!(step(|| set.wait(Some(Duration::from_millis(20))).unwrap()).is_none());
        drop(stdin);
        assert_eq!(step(|| set.wait(None).unwrap()).unwrap().exit.unwrap().code(), Some(1));

        set.insert(held(), ()).unwrap();
        let mut shutdown = step(|| set.shutdown(Duration::from_secs(60)));
        assert_eq!(step(|| shutdown.wait().unwrap()).unwrap().exit.unwrap().signal(), Some(Signal::TERM));

        for nonblocking in [false, true] {
            let (child, stdin) = held_with(2);
            let child = step(|| Child::try_from(child).unwrap());
            step(|| child.pidfd().set_nonblocking(nonblocking).unwrap());
            drop(stdin);
            assert_eq!(step(|| child.wait().unwrap()).code(), Some(2));
        }
        let (child, stdin) = held_with(3);
        let pidfd = step(|| Pidfd::from_child(&child).unwrap());
        drop(stdin);
        assert_eq!(step(|| pidfd.wait().unwrap()).code(), Some(3));
    });
}

fn drops() {
    let mut children = Vec::new();
    for _ in 0..3 {
        let mut child = step(|| Child::try_from(held()).unwrap());
        children.push((child.pidfd().try_clone().unwrap(), child.stdin.take()));
        step(|| drop(child));
        let set = ChildSet::new().unwrap();
        let mut child = held();
        children.push((Pidfd::from_child(&child).unwrap(), child.stdin.take().map(Into::into)));
        set.insert(child, ()).unwrap();
        step(|| drop(set));
    }
    assert_eq!(step(childset::reap_dropped), 6);
    for (pidfd, stdin) in children {
        drop(stdin);
        common::until_ended(&pidfd);
        step(childset::reap_dropped);
    }
    step(reap_all_dropped);
    assert_eq!(common::zombies(), 0);
}
