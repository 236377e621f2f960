//! What is awaited.

use std::pin::pin;

use async_io::Async;
use childset::{AsyncPidfdExt, Child, ChildSet, Pidfd};
use futures_lite::future::{block_on, poll_once};

use crate::common::{self, check_leaks, held_with, Limit};
use crate::events::{check_child_events, check_events, set_with_talk};
use crate::{each, is_emfile, talkative};

/// The very first await of a process, which makes the reactor too.
pub(crate) fn first_await() {
    for spare in 0..=8 {
        let status = common::reexec(&spare.to_string()).status().unwrap();
        assert!(status.success(), "with {spare} spare descriptors: {status}");
    }
}

pub(crate) fn first_await_with(spare: usize) {
    let set = ChildSet::new().unwrap();
    let (child, stdin) = held_with(8);
    set.insert(child, "tag").unwrap();
    let limit = Limit::with_spare(spare);
    let polled = block_on(poll_once(set.next()));
    drop(limit);
    match polled {
        None => assert!(spare > 0),
        Some(Some(Err(error))) => assert!(is_emfile(&error), "{error}"),
        Some(other) => panic!("{other:?}"),
    }
    drop(stdin);
    let exited = block_on(set.next()).unwrap().unwrap();
    assert_eq!((exited.tag, exited.exit.unwrap().code()), ("tag", Some(8)));
    assert_eq!(common::zombies(), 0);
}

/// The first await of a set, where the reactor runs already.
pub(crate) fn next() {
    each(1, |spare| {
        let set = ChildSet::new().unwrap();
        let (child, stdin) = held_with(8);
        set.insert(child, "tag").unwrap();
        let limit = Limit::with_spare(spare);
        let polled = block_on(poll_once(set.next()));
        drop(limit);
        match polled {
            None => {}
            Some(Some(Err(error))) => assert!(is_emfile(&error) && spare == 0, "{spare}: {error}"),
            Some(other) => panic!("{other:?}"),
        }
        drop(stdin);
        let exited = block_on(set.next()).unwrap().unwrap();
        assert_eq!((exited.tag, exited.exit.unwrap().code()), ("tag", Some(8)));
    });
}

/// The reactor runs from the first await that has to wait.
fn start_reactor() {
    let (mut child, stdin) = held_with(0);
    let pidfd = Async::new(Pidfd::from_child(&child).unwrap()).unwrap();
    assert!(block_on(poll_once(pidfd.exit())).is_none());
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

/// Where the reactor runs, awaiting needs nothing more.
pub(crate) fn set_events_next() {
    start_reactor();
    check_leaks(|| {
        let set = set_with_talk();
        let limit = Limit::with_spare(3);
        let mut events = set.events().unwrap();
        check_events(|| block_on(events.next()));
        drop(limit);
    });
    common::no_child_is_left();
}

pub(crate) fn child_events_next() {
    start_reactor();
    check_leaks(|| {
        let child = Child::try_from(talkative()).unwrap();
        let limit = Limit::with_spare(0);
        let mut events = child.events().unwrap();
        check_child_events(|| block_on(events.next()));
        drop(limit);
    });
    common::no_child_is_left();
}

pub(crate) fn pidfd_wait() {
    check_leaks(|| {
        let (child, stdin) = held_with(9);
        let pidfd = Async::new(Pidfd::from_child(&child).unwrap()).unwrap();
        // The reactor runs from the first await that has to wait.
        assert!(block_on(poll_once(pidfd.exit())).is_none());
        let limit = Limit::with_spare(0);
        let mut wait = pin!(pidfd.exit());
        assert!(block_on(poll_once(&mut wait)).is_none());
        drop(stdin);
        assert_eq!(block_on(wait).unwrap().code(), Some(9));
        drop(limit);
    });
}
