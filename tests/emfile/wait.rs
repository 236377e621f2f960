//! Waiting, with this thread blocked.

use std::time::Duration;

use childset::{Child, ChildSet};

use crate::common::{held_with, Limit};
use crate::{each, is_emfile};

/// Blocking on a set may take a descriptor, the first time; without, nothing is lost.
pub(crate) fn wait() {
    each(1, |spare| {
        let set = ChildSet::new().unwrap();
        let (child, stdin) = held_with(5);
        set.insert(child, "tag").unwrap();
        let limit = Limit::with_spare(spare);
        // Without a descriptor it does not get as far as to block.
        let timeout = if spare == 0 { Duration::from_secs(60) } else { Duration::from_millis(1) };
        let waited = set.wait(Some(timeout));
        drop(limit);
        match waited {
            Ok(exited) => assert!(exited.is_none() && spare >= 1),
            Err(error) => assert!(is_emfile(&error) && spare == 0, "{spare}: {error}"),
        }
        drop(stdin);
        assert_eq!(set.wait(None).unwrap().unwrap().exit.unwrap().code(), Some(5));
    });
}

pub(crate) fn nonblocking_child_wait() {
    each(1, |spare| {
        let (child, stdin) = held_with(6);
        let child = Child::try_from(child).unwrap();
        child.pidfd().set_nonblocking(true).unwrap();
        let limit = Limit::with_spare(spare);
        // It blocks on what the crate has kept since the first child was dropped.
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(20));
                drop(stdin);
            });
            assert_eq!(child.wait().unwrap().code(), Some(6), "with {spare} spare descriptors");
        });
        drop(limit);
    });
}
