//! How many are woken, and that others get their turn.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use childset::{ChildSet, Command};
use futures_lite::future::{block_on, poll_fn, yield_now};

use crate::common::{self, Counter};
use crate::ways::{Awaiting, WAYS};
use crate::{held, set, PATIENCE};

/// Ends one child after the other, and polls who is woken: returns how many were.
fn wakes(way: fn(&'static ChildSet<usize>) -> Awaiting, consumers: usize, exits: usize) -> usize {
    let set = set();
    let mut waiting: Vec<_> = (0..consumers).map(|_| (way(set), Counter::new())).collect();
    let mut wakes = 0;
    // One is there all the time for those who wait until the set is empty.
    let (last, last_hold) = held();
    set.insert(last, exits).unwrap();
    for (awaiting, (_, waker)) in &mut waiting {
        assert!(awaiting(&mut Context::from_waker(waker)).is_pending());
    }
    // Those that were asked whether they still wait.
    for (awaiting, (counter, waker)) in &mut waiting {
        counter.take();
        assert!(awaiting(&mut Context::from_waker(waker)).is_pending());
    }
    for tag in 0..exits {
        let (child, hold) = held();
        set.insert(child, tag).unwrap();
        drop(hold);
        let deadline = Instant::now() + PATIENCE;
        let mut taken = None;
        while taken.is_none() {
            assert!(Instant::now() < deadline, "a wake-up was lost");
            for (awaiting, (counter, waker)) in &mut waiting {
                let woken = counter.take();
                wakes += woken;
                if woken > 0 {
                    if let Poll::Ready(item) = awaiting(&mut Context::from_waker(waker)) {
                        taken = Some(item.unwrap().unwrap().tag);
                        *awaiting = way(set);
                        assert!(awaiting(&mut Context::from_waker(waker)).is_pending());
                    }
                }
            }
        }
        assert_eq!(taken, Some(tag));
    }
    drop(last_hold);
    wakes
}

/// One exit wakes one consumer. More are woken where that one has no processor for some milliseconds: on a busy machine
/// it may take a few tries to see the rule.
#[test]
fn an_exit_wakes_few() {
    for way in [WAYS[0], WAYS[1], WAYS[2]] {
        let mut tries = (0..20).map(|_| wakes(way, 64, 20)).inspect(|wakes| assert!(*wakes >= 20, "{wakes}"));
        assert!(tries.any(|wakes| wakes < 20 * 16));
    }
}

/// Those who wait until the set is closed are not woken each time that it is empty.
#[test]
fn an_empty_set_wakes_only_those_who_wait_for_that() {
    let set = set();
    let mut exits: Vec<_> = (0..64).map(|_| (WAYS[1](set), Counter::new())).collect();
    for (awaiting, (_, waker)) in &mut exits {
        assert!(awaiting(&mut Context::from_waker(waker)).is_pending());
    }
    let woken = |exits: &Vec<(Awaiting, (Arc<Counter>, Waker))>| {
        exits.iter().map(|(_, (counter, _))| counter.take()).sum::<usize>()
    };
    for _ in 0..10 {
        let key = set.insert(common::held(), 7).unwrap();
        set.remove(key).unwrap().0.kill().unwrap();
    }
    assert_eq!(woken(&exits), 0);
    set.close();
    assert_eq!(woken(&exits), 64);
}

/// All consumers together let other tasks of their executor have a turn, after one batch.
#[test]
fn many_ready_consumers_yield_to_the_executor() {
    // More than come in a row.
    let children = common::times(600).max(200);
    for way in [WAYS[0], WAYS[2]] {
        let set = set();
        for tag in 0..children {
            let child = Command::new("true").spawn().unwrap();
            let zombie = child.pidfd().try_clone().unwrap();
            common::until_ended(&zombie);
            set.insert(child, tag).unwrap();
        }
        let taken = AtomicUsize::new(0);
        let executor = async_executor::LocalExecutor::new();
        for _ in 0..64 {
            let taken = &taken;
            let task = async move {
                loop {
                    let mut awaiting = way(set);
                    match poll_fn(|context| awaiting(context)).await {
                        Some(exited) => drop(exited.unwrap()),
                        None => return,
                    }
                    taken.fetch_add(1, Ordering::Relaxed);
                }
            };
            executor.spawn(task).detach();
        }
        // A task as they are.
        let watching = executor.spawn(async {
            let (mut last, mut longest) = (0, 0);
            while last < children {
                let now = taken.load(Ordering::Relaxed);
                longest = longest.max(now - last);
                last = now;
                yield_now().await;
            }
            longest
        });
        let longest = block_on(executor.run(watching));
        assert!((1..=64).contains(&longest), "{longest} exits in a row");
    }
}
