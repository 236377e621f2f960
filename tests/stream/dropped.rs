//! Futures that are dropped, at any point.

use std::task::Poll;
use std::time::{Duration, Instant};

use childset::ChildSet;
use futures_lite::future::{block_on, poll_fn};

use crate::common::{self, exiting, held_by_pipe, Counter};
use crate::{poll, poll_stream, tag};

/// A consumer that was woken and is dropped hands the exit to another one.
#[test]
fn a_dropped_future_passes_its_wake_up_on() {
    let mut seen = 0;
    for _ in 0..50 {
        let set = ChildSet::new().unwrap();
        let (child, hold) = held_by_pipe();
        set.insert(child, ()).unwrap();
        let ((first, first_waker), (second, second_waker)) = (Counter::new(), Counter::new());
        let (mut one, mut two) = (set.next(), set.next());
        assert!(poll(&mut one, &first_waker).is_pending());
        assert!(poll(&mut two, &second_waker).is_pending());
        let start = Instant::now();
        drop(hold);
        first.wait();
        let woken = second.count();
        // Later, the second one is woken in the place of the first, which lies.
        if start.elapsed() < Duration::from_millis(5) {
            assert_eq!(woken, 0, "one exit wakes one consumer");
            seen += 1;
        }
        drop(one);
        second.wait();
        assert!(poll(&mut two, &second_waker).is_ready());
    }
    if seen == 0 {
        common::skipped(
            "each wake-up took longer than a consumer may lie: whether one exit wakes one was not seen",
        );
    }
}

/// Futures that were polled 0, 1, 2 … times, woken or not, are dropped; every exit comes out all the same.
#[test]
fn dropped_futures_lose_nothing_at_any_point() {
    for polls in 0..4 {
        for wake_first in [false, true] {
            let set = ChildSet::new().unwrap();
            let mut tags = Vec::new();
            for round in 0..10 {
                let (child, hold) = held_by_pipe();
                set.insert(child, round).unwrap();
                let (counter, waker) = Counter::new();
                let mut next = set.next();
                let mut got = None;
                for count in 0..polls {
                    if count == 1 {
                        assert!(got.is_none());
                    }
                    if let Poll::Ready(item) = poll(&mut next, &waker) {
                        got = Some(tag(item));
                        break;
                    }
                }
                drop(hold);
                if wake_first && polls > 0 && got.is_none() {
                    counter.wait();
                }
                drop(next);
                tags.extend(got);
            }
            while let Some(item) = block_on(set.next()) {
                tags.push(item.unwrap().tag);
            }
            tags.sort();
            assert_eq!(tags, (0..10).collect::<Vec<_>>());
        }
    }
}

/// A future raced against others and cancelled a thousand times, as `select` does.
#[test]
fn cancelled_again_and_again() {
    block_on(async {
        let children = common::times(200).max(20);
        let set = ChildSet::new().unwrap();
        let mut inserted = 0;
        let mut taken = Vec::new();
        let mut cancelled = 0;
        // It runs until some were cancelled, however fast the others end.
        let (held, stdin) = held_by_pipe();
        let mut stdin = Some(stdin);
        set.insert(held, children).unwrap();
        while taken.len() <= children {
            while set.len() < 8 && inserted < children {
                set.insert(exiting(0), inserted).unwrap();
                inserted += 1;
            }
            let mut patience = taken.len() % 4;
            let given_up = poll_fn(|context| {
                context.waker().wake_by_ref();
                match patience {
                    0 => Poll::Ready(None),
                    _ => {
                        patience -= 1;
                        Poll::Pending
                    }
                }
            });
            match futures_lite::future::or(async { Some(set.next().await) }, given_up).await {
                Some(item) => taken.push(tag(item)),
                None => {
                    cancelled += 1;
                    if cancelled == 20 {
                        stdin = None;
                    }
                    std::thread::yield_now();
                }
            }
        }
        assert!(stdin.is_none() && cancelled >= 20);
        taken.sort();
        assert_eq!(taken, (0..=children).collect::<Vec<_>>());
    });
}

#[test]
fn a_set_dropped_with_a_registered_stream() {
    let (child, _hold) = held_by_pipe();
    let mut set = ChildSet::new().unwrap();
    set.insert(child, ()).unwrap();
    let (counter, waker) = Counter::new();
    assert!(poll_stream(&mut set, &waker).is_pending());
    drop(set);
    assert_eq!(counter.count(), 0);
}
