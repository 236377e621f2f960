//! What the guide `childset::embedding` says about loops in several threads.

#![allow(unsafe_code)]

mod common;

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use childset::ChildSet;
use common::check_leaks;
use polling::{Event, Events, PollMode, Poller};

const CHILDREN: usize = 200;

/// Runs a loop until all are taken, of which it must be notified; returns the tags that it took, at most so many at a wake-up.
fn run(poller: &Poller, set: &ChildSet<usize>, most: usize, taken: &AtomicUsize) -> Vec<usize> {
    let (mut events, mut tags) = (Events::new(), Vec::new());
    loop {
        events.clear();
        poller.wait(&mut events, None).unwrap();
        if taken.load(Ordering::Relaxed) == CHILDREN {
            return tags;
        }
        for exited in std::iter::from_fn(|| set.try_wait().unwrap()).take(most) {
            assert!(exited.exit.unwrap().success());
            tags.push(exited.tag);
            taken.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// One loop level-triggered, one edge-triggered: each exit goes to one of them, and neither stalls.
#[test]
fn two_loops_share_a_set() {
    check_leaks(|| {
        let set = ChildSet::new().unwrap();
        let taken = AtomicUsize::new(0);
        let pollers = [Poller::new().unwrap(), Poller::new().unwrap()];
        let [level, edge] = &pollers;
        // SAFETY: the set outlives the pollers.
        unsafe {
            level.add_with_mode(&set, Event::readable(0), PollMode::Level).unwrap();
            edge.add_with_mode(&set, Event::readable(0), PollMode::Edge).unwrap();
        }
        let mut tags = std::thread::scope(|scope| {
            let level_tags = scope.spawn(|| run(level, &set, 1, &taken));
            let edge_tags = scope.spawn(|| run(edge, &set, usize::MAX, &taken));
            // They sleep in their loops, on a set that was empty.
            for tag in 0..CHILDREN {
                set.insert(Command::new("true").spawn().unwrap(), tag).unwrap();
            }
            while taken.load(Ordering::Relaxed) < CHILDREN {
                std::thread::yield_now();
            }
            pollers.iter().for_each(|poller| poller.notify().unwrap());
            [level_tags.join().unwrap(), edge_tags.join().unwrap()].concat()
        });
        tags.sort_unstable();
        assert_eq!(tags, (0..CHILDREN).collect::<Vec<_>>());
        pollers.iter().for_each(|poller| poller.delete(&set).unwrap());
    });
}
