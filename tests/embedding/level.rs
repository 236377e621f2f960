//! Loops that report as long as something is left, or once when armed.

use std::rc::Rc;
use std::time::Duration;

use calloop::generic::Generic;
use calloop::timer::{TimeoutAction, Timer};
use calloop::{EventLoop, Mode, PostAction};
use childset::ChildSet;
use polling::{Event, Poller};

use crate::common;
use crate::edge::reports;
use crate::{calloop_taking, drain, ended, insert_held, MANY, NOW};

/// Whatever the loop leaves untaken, level-triggered or armed again after each batch.
pub(crate) fn level_reports_until_all_are_taken() {
    for rule in [(Mode::Level, PostAction::Continue), (Mode::OneShot, PostAction::Reregister)] {
        let set = Rc::new(ended(MANY));
        let stdin = insert_held(&set, MANY);
        let mut event_loop = calloop_taking(Rc::clone(&set), rule, 3);
        let mut taken = Vec::new();
        for _ in 0..MANY {
            event_loop.dispatch(NOW, &mut taken).unwrap();
        }
        assert_eq!(taken, [&[3; MANY / 3][..], &[MANY % 3]].concat(), "no wake-up without an exit");
        drop(stdin);
        event_loop.dispatch(None, &mut taken).unwrap();
        assert_eq!((taken.last(), set.len()), (Some(&1), 0));
    }
}

pub(crate) fn oneshot_reports_what_is_left_when_armed_again() {
    let set = ended(MANY);
    let stdin = insert_held(&set, MANY);
    let poller = Poller::new().unwrap();
    // SAFETY: it is deleted below, before the set is dropped.
    unsafe { poller.add(&set, Event::readable(0)).unwrap() };
    for _ in 0..MANY {
        assert!(reports(&poller, NOW));
        set.try_wait().unwrap().unwrap();
        assert!(!reports(&poller, NOW), "silent until it is armed again");
        poller.modify(&set, Event::readable(0)).unwrap();
    }
    assert!(!reports(&poller, NOW), "armed, and nothing is left");
    drop(stdin);
    assert!(reports(&poller, Duration::from_secs(60)));
    assert_eq!(drain(&set), [MANY]);
    poller.delete(&set).unwrap();
}

/// Exits between two turns of a timer that is always due.
pub(crate) fn timers_run_between_bounded_batches() {
    const BATCH: usize = 16;
    let children = common::times(200).max(2 * BATCH);
    for most in [BATCH, usize::MAX] {
        let set = Rc::new(ended(children));
        let mut event_loop = calloop_taking(Rc::clone(&set), (Mode::Level, PostAction::Continue), most);
        let turn = |_, _: &mut (), taken: &mut Vec<usize>| {
            taken.push(0);
            TimeoutAction::ToDuration(NOW)
        };
        event_loop.handle().insert_source(Timer::immediate(), turn).unwrap();
        let mut taken = Vec::new();
        while !set.is_empty() {
            event_loop.dispatch(NOW, &mut taken).unwrap();
        }
        let in_a_row = taken.split(|&exits| exits == 0).map(|exits| exits.iter().sum::<usize>());
        assert_eq!(in_a_row.max(), Some(most.min(children)));
    }
}

pub(crate) fn a_callback_spawns_into_its_set() {
    let set = Rc::new(ended(1));
    let mut event_loop = EventLoop::<Vec<usize>>::try_new().unwrap();
    let source = Generic::new(Rc::clone(&set), calloop::Interest::READ, Mode::Level);
    let take = |_, set: &mut calloop::generic::NoIoDrop<Rc<ChildSet<usize>>>, tags: &mut Vec<usize>| {
        let tag = set.try_wait()?.unwrap().tag;
        tags.push(tag);
        if tag < 9 {
            set.spawn(&mut childset::Command::new("true"), tag + 1)?;
        }
        Ok(PostAction::Continue)
    };
    event_loop.handle().insert_source(source, take).unwrap();
    let mut tags = Vec::new();
    while !set.is_empty() {
        event_loop.dispatch(None, &mut tags).unwrap();
    }
    assert_eq!(tags, (0..10).collect::<Vec<_>>());
}
