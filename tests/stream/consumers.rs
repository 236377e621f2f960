//! Several consumers: each exit goes to one of them, and nobody is forgotten.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Mutex;
use std::task::Poll;
use std::time::Duration;

use childset::{ChildSet, Exited};
use futures_lite::future::block_on;
use futures_lite::StreamExt;

use crate::common::{self, exiting, held_by_pipe, Counter};
use crate::{poll, tag};

/// One who takes an exit leaves the reactor armed for the others.
#[test]
fn each_of_several_futures_gets_its_exit() {
    let set = ChildSet::new().unwrap();
    let mut holds = Vec::new();
    for tag in 0..8 {
        let (child, hold) = held_by_pipe();
        set.insert(child, tag).unwrap();
        holds.push(hold);
    }
    let mut waiting: Vec<_> = (0..8)
        .map(|_| {
            let (counter, waker) = Counter::new();
            let mut next = set.next();
            assert!(poll(&mut next, &waker).is_pending());
            (counter, waker, next)
        })
        .collect();
    for (hold, (counter, waker, next)) in holds.into_iter().zip(&mut waiting) {
        drop(hold);
        counter.wait();
        // A machine that lets the one before sleep for long has this one woken in its place, for nothing.
        while poll(next, waker).is_pending() {
            counter.wait();
        }
    }
    assert!(set.is_empty());
}

/// Whoever is woken by the end of another's child, the exits of all come out.
#[test]
fn a_thief_by_reap_does_not_strand_a_waiting_future() {
    for _ in 0..50 {
        let set = ChildSet::new().unwrap();
        let (first, first_hold) = held_by_pipe();
        let (second, second_hold) = held_by_pipe();
        set.insert(first, 1).unwrap();
        set.insert(second, 2).unwrap();
        let (counter, waker) = Counter::new();
        let mut next = set.next();
        assert!(poll(&mut next, &waker).is_pending());
        drop(first_hold);
        // Takes it from under the future, before or after its wake-up.
        assert_eq!(set.wait(None).unwrap().unwrap().tag, 1);
        if poll(&mut next, &waker).is_ready() {
            panic!("there was one exit, and it was taken");
        }
        drop(second_hold);
        loop {
            counter.wait();
            if let Poll::Ready(item) = poll(&mut next, &waker) {
                assert_eq!(tag(item), 2);
                break;
            }
        }
    }
}

/// All ways to take an exit, in many threads at once.
#[test]
fn every_exit_goes_to_one_consumer() {
    let children = common::times(400);
    let set = ChildSet::new().unwrap();
    let done = AtomicUsize::new(0);
    let taken = Mutex::new(Vec::new());
    let take = |exited: Exited<usize>| {
        assert_eq!(exited.exit.unwrap().code(), Some((exited.tag % 256) as i32));
        taken.lock().unwrap().push(exited.tag);
        if done.fetch_add(1, Ordering::SeqCst) + 1 == children {
            set.close();
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                block_on(async {
                    let mut exits = set.exits();
                    while let Some(exited) = exits.next().await {
                        take(exited.unwrap());
                    }
                });
            });
            scope.spawn(|| {
                while done.load(Ordering::SeqCst) < children {
                    block_on(async {
                        while let Some(exited) = set.next().await {
                            take(exited.unwrap());
                        }
                    });
                    block_on((&set).for_each(|exited| take(exited.unwrap())));
                    std::thread::yield_now();
                }
            });
            scope.spawn(|| {
                while done.load(Ordering::SeqCst) < children {
                    if let Some(exited) = set.wait(Some(Duration::from_millis(5))).unwrap() {
                        take(exited);
                    }
                }
            });
        }
        for tag in 0..children {
            while set.len() > 32 {
                std::thread::yield_now();
            }
            set.insert(exiting((tag % 256) as i32), tag).unwrap();
        }
    });
    let mut taken = taken.into_inner().unwrap();
    taken.sort();
    assert_eq!(taken, (0..children).collect::<Vec<_>>());
}
