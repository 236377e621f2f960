//! Edge-triggered loops: one report, then all must be taken.

use std::os::fd::AsRawFd;
use std::process::Command;
use std::rc::Rc;
use std::time::{Duration, Instant};

use calloop::{Mode, PostAction};
use childset::{ChildSet, Pidfd};
use mio::unix::SourceFd;
use mio::Token;
use polling::{Events, Poller};

use crate::common::{kernel, readable, threads, until_ended};
use crate::{calloop_taking, drain, ended, insert_ended, insert_held, MANY, NOW};

/// A mio loop with a set in it, edge-triggered as always.
struct Mio(mio::Poll, mio::Events);

impl Mio {
    fn with(set: &ChildSet<usize>) -> Mio {
        let poll = mio::Poll::new().unwrap();
        poll.registry().register(&mut SourceFd(&set.as_raw_fd()), Token(0), mio::Interest::READABLE).unwrap();
        Mio(poll, mio::Events::with_capacity(8))
    }

    /// Whether the set is reported at once, or within the time.
    fn reports(&mut self, timeout: Duration) -> bool {
        let start = Instant::now();
        loop {
            match self.0.poll(&mut self.1, Some(timeout.saturating_sub(start.elapsed()))) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                result => break result.unwrap(),
            }
        }
        assert_eq!(threads(), 1);
        !self.1.is_empty()
    }
}

pub(crate) fn reports(poller: &Poller, timeout: Duration) -> bool {
    let mut events = Events::new();
    poller.wait(&mut events, Some(timeout)).unwrap();
    assert_eq!(threads(), 1);
    !events.is_empty()
}

pub(crate) fn edge_reports_once_and_is_drained() {
    let set = Rc::new(ended(MANY));
    let stdin = insert_held(&set, MANY);
    let mut event_loop = calloop_taking(Rc::clone(&set), (Mode::Edge, PostAction::Continue), usize::MAX);
    let mut taken = Vec::new();
    for _ in 0..MANY {
        event_loop.dispatch(NOW, &mut taken).unwrap();
    }
    // Taking may raise an edge by itself: a wake-up that finds nothing.
    assert_eq!((taken[0], taken.iter().sum::<usize>()), (MANY, MANY));
    drop(stdin);
    while !set.is_empty() {
        event_loop.dispatch(None, &mut taken).unwrap();
    }
    assert_eq!(taken.last(), Some(&1));

    let set = ended(MANY);
    let stdin = insert_held(&set, MANY);
    let mut mio = Mio::with(&set);
    assert!(mio.reports(NOW));
    assert_eq!(drain(&set).len(), MANY);
    drop(stdin);
    while !set.is_empty() {
        assert!(mio.reports(Duration::from_secs(60)));
        drain(&set);
    }
}

/// The drain rule. A child leaves the set before it is reaped, since its reaping may make an edge, and that would
/// hide the stall.
pub(crate) fn edge_stalls_if_one_is_left() {
    let set = ended(MANY);
    let child = Command::new("true").spawn().unwrap();
    until_ended(Pidfd::from_child(&child).unwrap());
    let first = set.insert(child, MANY).unwrap();
    let mut mio = Mio::with(&set);
    assert!(mio.reports(NOW));
    set.remove(first).unwrap().0.wait().unwrap();
    assert!(!mio.reports(NOW), "stalled");
    assert!(readable(&set, NOW), "although there are more");
    // What gets it out of that is the next end of a child; then all must be taken.
    insert_ended(&set, MANY);
    assert!(mio.reports(NOW));
    assert_eq!(drain(&set).len(), MANY + 1);
}

/// It hides a stall. Both outcomes are permitted but on 6.18, where the edge was seen: the kernel reports on a pidfd
/// that its process was reaped.
pub(crate) fn try_wait_may_raise_an_edge() {
    let set = ended(MANY);
    let mut mio = Mio::with(&set);
    for left in (0..MANY).rev() {
        let reported = mio.reports(NOW);
        assert!(reported || (left < MANY - 1 && kernel() != (6, 18)));
        set.try_wait().unwrap().unwrap();
    }
}

pub(crate) fn a_wake_up_may_find_nothing() {
    let set = ended(1);
    let mut mio = Mio::with(&set);
    assert!(mio.reports(NOW));
    set.wait(None).unwrap().unwrap();
    assert!(set.try_wait().unwrap().is_none());
}

pub(crate) fn a_dead_child_wakes_the_loop_when_inserted() {
    let set = ended(0);
    let mut mio = Mio::with(&set);
    assert!(!mio.reports(NOW));
    insert_ended(&set, 0);
    assert!(mio.reports(NOW));
    assert_eq!(drain(&set), [0]);
}
