//! All events of a set, taken in one of several ways, and what came of each child.

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::time::Duration;

use childset::{SetEvent, SetEvents};

use crate::common;

pub(crate) const LONG: Duration = Duration::from_secs(30);

/// How the events are taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Way {
    Block,
    /// As a loop that waits for the descriptor, and takes one event each time.
    Loop,
    #[cfg(feature = "async-io")]
    Await,
}

pub(crate) const WAYS: &[Way] = &[
    Way::Block,
    Way::Loop,
    #[cfg(feature = "async-io")]
    Way::Await,
];

/// Until the end of the set, or of interest.
pub(crate) fn each(
    events: &mut SetEvents<'_, usize>,
    way: Way,
    mut act: impl FnMut(SetEvent<usize>) -> bool,
) {
    loop {
        let event = match way {
            Way::Block => events.wait().unwrap(),
            Way::Loop => {
                assert!(common::readable(events.as_fd(), LONG), "nothing comes");
                match events.try_wait().unwrap() {
                    // At the end it stays readable.
                    None if common::readable(events.as_fd(), Duration::ZERO) => events.wait().unwrap(),
                    None => continue,
                    event => event,
                }
            }
            #[cfg(feature = "async-io")]
            Way::Await => futures_lite::future::block_on(events.next()).transpose().unwrap(),
        };
        match event {
            None => return,
            Some(event) => {
                if !act(event) {
                    return;
                }
            }
        }
    }
}

/// What came of one child.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Came {
    pub(crate) out: Vec<u8>,
    err: Vec<u8>,
    /// The code, and whether a pipe was open.
    pub(crate) end: Option<(Option<i32>, bool)>,
}

impl Came {
    pub(crate) fn new(out: &str, err: &str, code: i32, pipe_open: bool) -> Came {
        Came { out: out.into(), err: err.into(), end: Some((Some(code), pipe_open)) }
    }

    pub(crate) fn add(&mut self, event: SetEvent<usize>) {
        assert!(self.end.is_none(), "nothing comes after the end");
        match event {
            SetEvent::Stdout { line, .. } => self.out.extend(line),
            SetEvent::Stderr { line, .. } => self.err.extend(line),
            SetEvent::Exited { exited, pipe_open, .. } => {
                let has_pipe = exited.child.stdout.is_some() || exited.child.stderr.is_some();
                assert_eq!(has_pipe, pipe_open);
                self.end = Some((exited.exit.unwrap().code(), pipe_open));
            }
            _ => unreachable!(),
        }
    }
}

pub(crate) fn tag_of(event: &SetEvent<usize>) -> usize {
    match event {
        SetEvent::Stdout { tag, .. } | SetEvent::Stderr { tag, .. } => *tag,
        SetEvent::Exited { exited, .. } => exited.tag,
        _ => unreachable!(),
    }
}

/// All until the end, by tag.
pub(crate) fn all(events: &mut SetEvents<'_, usize>, way: Way) -> BTreeMap<usize, Came> {
    let mut came = BTreeMap::<usize, Came>::new();
    each(events, way, |event| {
        came.entry(tag_of(&event)).or_default().add(event);
        true
    });
    came
}
