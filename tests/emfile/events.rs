//! Events of a set and of a child.

use std::io;

use childset::{Child, ChildSet, Event, SetEvent};

use crate::common::{self, check_leaks, Limit};
use crate::{each, is_emfile, talkative};

/// A set with the talkative child, which has been told to talk.
pub(crate) fn set_with_talk() -> ChildSet<&'static str> {
    let set = ChildSet::new().unwrap();
    let mut child = talkative();
    let stdin = child.stdin.take();
    set.insert(child, "tag").unwrap();
    drop(stdin);
    set.close();
    set
}

/// All that it says, each line once, and then its end.
pub(crate) fn check_events(mut next: impl FnMut() -> Option<io::Result<SetEvent<&'static str>>>) {
    let mut lines = Vec::new();
    loop {
        match next().unwrap().unwrap() {
            SetEvent::Stdout { tag: "tag", line, .. } | SetEvent::Stderr { tag: "tag", line, .. } => {
                lines.push(line);
            }
            SetEvent::Exited { exited, pipe_open: false, .. } => {
                assert_eq!(exited.exit.unwrap().code(), Some(3));
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    lines.sort();
    assert_eq!(lines, [b"err\n", b"out\n"]);
    assert!(next().is_none());
}

/// An epoll instance, a bell and a timer. With them, nothing more is needed; without, nothing is lost.
pub(crate) fn set_events() {
    each(3, |spare| {
        let set = set_with_talk();
        let limit = Limit::with_spare(spare);
        let made = set.events();
        match made {
            Ok(mut events) => {
                assert!(spare >= 3);
                check_events(|| events.wait().transpose());
                drop(limit);
            }
            Err(error) => {
                assert!(is_emfile(&error) && spare < 3, "{spare}: {error}");
                drop(limit);
                let mut events = set.events().unwrap();
                check_events(|| events.wait().transpose());
            }
        }
    });
    common::no_child_is_left();
}

pub(crate) fn check_child_events(mut next: impl FnMut() -> Option<io::Result<Event>>) {
    let mut lines = Vec::new();
    loop {
        match next().unwrap().unwrap() {
            Event::Stdout(line) | Event::Stderr(line) => lines.push(line),
            Event::Exited { exit, pipe_open } => {
                assert_eq!((exit.code(), pipe_open), (Some(3), false));
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    lines.sort();
    assert_eq!(lines, [b"err\n", b"out\n"]);
    assert!(next().is_none());
}

/// It has all that it needs.
pub(crate) fn child_events() {
    check_leaks(|| {
        let child = Child::try_from(talkative()).unwrap();
        let limit = Limit::with_spare(0);
        // Which closes its input, so that it talks.
        let mut events = child.events().unwrap();
        check_child_events(|| events.wait().transpose());
        drop(limit);
    });
    common::no_child_is_left();
}
