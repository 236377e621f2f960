//! Consumers that were polled and lie there, hold two futures, or are gone.

use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::Context;

use futures_lite::Stream;

use crate::common::{self, Counter};
use crate::ways::{take, WAYS};
use crate::{held, set};

#[test]
fn one_that_was_polled_and_lies_there_keeps_no_exit_from_others() {
    for lying in WAYS {
        for waking in WAYS {
            let set = set();
            let (child, hold) = held();
            set.insert(child, 7).unwrap();
            // The first one is enough to swallow a wake-up that goes to one; the others come after it.
            let mut liers: Vec<_> = (0..20).map(|_| (lying(set), Counter::new())).collect();
            for (lier, (_, waker)) in &mut liers {
                assert!(lier(&mut Context::from_waker(waker)).is_pending());
            }
            let (counter, waker) = Counter::new();
            let mut awake = waking(set);
            assert!(awake(&mut Context::from_waker(&waker)).is_pending());
            drop(hold);
            assert_eq!(take(&mut awake, &counter, &waker), 7);
        }
    }
}

#[test]
fn a_task_that_holds_two_takes_its_exit_with_either() {
    for lying in WAYS {
        let set = set();
        let (child, hold) = held();
        set.insert(child, 7).unwrap();
        let (counter, waker) = Counter::new();
        let mut first = lying(set);
        let mut second = WAYS[0](set);
        assert!(first(&mut Context::from_waker(&waker)).is_pending());
        assert!(second(&mut Context::from_waker(&waker)).is_pending());
        drop(hold);
        counter.wait();
        // Woken once: for which of the two cannot be seen.
        assert!(second(&mut Context::from_waker(&waker)).is_ready());
    }
}

/// Tasks that are gone leave no wakers behind, beyond what it takes to find that out.
#[test]
fn tasks_that_are_gone_are_forgotten() {
    let tasks = common::times(100_000);
    let set = set();
    let (child, hold) = held();
    set.insert(child, 7).unwrap();
    let (alive_counter, alive_waker) = Counter::new();
    let mut alive = WAYS[2](set);
    assert!(alive(&mut Context::from_waker(&alive_waker)).is_pending());
    let mut gone: Vec<Weak<Counter>> = Vec::new();
    for _ in 0..tasks {
        let (counter, waker) = Counter::new();
        assert!(Pin::new(&mut &*set).poll_next(&mut Context::from_waker(&waker)).is_pending());
        gone.push(Arc::downgrade(&counter));
        // It is asked whether it still waits, and says so.
        if alive_counter.take() > 0 {
            assert!(alive(&mut Context::from_waker(&alive_waker)).is_pending());
        }
    }
    let kept = gone.iter().filter(|task| task.strong_count() > 0).count();
    assert!(kept <= 32 + tasks / 30, "{kept} of {tasks}");
    drop(hold);
    assert_eq!(take(&mut alive, &alive_counter, &alive_waker), 7);
}
