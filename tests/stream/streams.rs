//! Streams over a set: their end, several tasks, and what is ready all the time.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::task::Poll;

use childset::{ChildSet, Exited};
use futures_lite::future::{block_on, poll_fn, zip};
use futures_lite::{Stream, StreamExt};
use rustix::event::{PollFd, PollFlags};

use crate::common::{self, exiting, held_by_pipe, Counter};
use crate::{poll_stream, tag};

#[test]
fn exits_waits_for_inserts_until_the_set_is_closed() {
    let set = ChildSet::new().unwrap();
    waits_until_closed(&set, set.exits());
}

#[test]
fn into_exits_does_without_borrowing() {
    let set = Arc::new(ChildSet::new().unwrap());
    waits_until_closed(&set, Arc::clone(&set).into_exits());
    assert_eq!(Arc::strong_count(&set), 1);
}

fn waits_until_closed(set: &ChildSet<i32>, mut exits: impl Stream<Item = io::Result<Exited<i32>>> + Unpin) {
    let (counter, waker) = Counter::new();
    assert!(poll_stream(&mut exits, &waker).is_pending(), "empty, but not closed");
    for round in 0..5 {
        set.insert(exiting(0), round).unwrap();
        loop {
            counter.wait();
            if let Poll::Ready(item) = poll_stream(&mut exits, &waker) {
                assert_eq!(tag(item), round);
                break;
            }
        }
        assert!(poll_stream(&mut exits, &waker).is_pending());
    }
    set.close();
    counter.wait();
    assert!(matches!(poll_stream(&mut exits, &waker), Poll::Ready(None)));
}

/// `&ChildSet` has no state of its own, so all its tasks are woken, and none is forgotten.
#[test]
fn streams_over_a_reference_in_several_tasks() {
    let set = ChildSet::new().unwrap();
    let (child, hold) = held_by_pipe();
    set.insert(child, 0).unwrap();
    let tasks: Vec<_> = (0..100).map(|_| Counter::new()).collect();
    for (_, waker) in &tasks {
        assert!(poll_stream(&mut &set, waker).is_pending());
    }
    // With so many, tasks that lost interest are weeded out by waking them: those that are left poll again.
    for (counter, waker) in &tasks {
        if counter.count() > 0 {
            counter.wait();
            assert!(poll_stream(&mut &set, waker).is_pending());
        }
    }
    drop(hold);
    for (counter, _) in &tasks {
        counter.wait();
    }
    assert_eq!(tag(block_on(StreamExt::next(&mut &set))), 0);
}

/// A stream of children that are all ready lets other futures of the task run.
#[test]
fn a_ready_stream_yields_to_the_executor() {
    // More than come in a row.
    let children = common::times(300).max(100);
    let set = ChildSet::new().unwrap();
    for tag in 0..children {
        let child = exiting(0);
        let pidfd = childset::Pidfd::from_child(&child).unwrap();
        let mut fds = [PollFd::new(&pidfd, PollFlags::IN)];
        // A zombie, before any is taken. Other tests' children may interrupt it.
        while rustix::event::poll(&mut fds, None) != Ok(1) {}
        set.insert(child, tag).unwrap();
    }
    let taken = AtomicUsize::new(0);
    let mut longest = 0;
    let mut last = 0;
    block_on(zip(
        async {
            while let Some(exited) = set.next().await {
                exited.unwrap();
                taken.fetch_add(1, Ordering::Relaxed);
            }
        },
        poll_fn(|context| {
            let now = taken.load(Ordering::Relaxed);
            longest = longest.max(now - last);
            last = now;
            context.waker().wake_by_ref();
            if now == children {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        }),
    ));
    assert!((1..=64).contains(&longest), "{longest} exits in a row");
}
