//! Those who await, in the presence of others who do not behave.

use std::sync::Arc;

use loom::thread;

use super::model::{Consumer, Set};
use super::until::Until;

/// Every order with so many switches from a thread that could go on; more where there are few threads.
fn model(preemptions: usize, run: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(run);
}

#[test]
fn two_take_all() {
    model(3, || {
        let set = Set::new(2);
        let reactor = set.start_reactor();
        let (one, two) = (Consumer::new(&set, Until::Empty), Consumer::new(&set, Until::Empty));
        let other = thread::spawn(|| one.take_all());
        set.end_child(0);
        set.end_child(1);
        two.take_all();
        other.join().unwrap();
        set.finish(reactor, &[0, 1]);
    });
}

/// One that was polled first, and is not polled any more.
fn one_lies(lying: fn(&Arc<Set>) -> Consumer, waking: fn(&Arc<Set>) -> Consumer) {
    model(4, move || {
        let set = Set::new(1);
        let (mut lier, mut awake) = (lying(&set), waking(&set));
        assert!(lier.poll().is_pending());
        assert!(awake.poll().is_pending());
        let reactor = set.start_reactor();
        set.end_child(0);
        awake.wait(true).unwrap().unwrap();
        drop(lier);
        set.finish(reactor, &[0]);
    });
}

#[test]
fn a_future_lies_there() {
    one_lies(|set| Consumer::new(set, Until::Closed), |set| Consumer::new(set, Until::Empty));
}

#[test]
fn a_task_is_gone() {
    one_lies(Consumer::task, |set| Consumer::new(set, Until::Empty));
}

#[test]
fn a_future_lies_before_a_task() {
    one_lies(|set| Consumer::new(set, Until::Empty), Consumer::task);
}

/// It is dropped at any time: before its wake-up, during and after it.
#[test]
fn one_is_dropped() {
    model(4, || {
        let set = Set::new(1);
        let (mut dropped, mut awake) = (Consumer::new(&set, Until::Empty), Consumer::new(&set, Until::Empty));
        assert!(dropped.poll().is_pending());
        assert!(awake.poll().is_pending());
        let reactor = set.start_reactor();
        let dropping = thread::spawn(|| drop(dropped));
        set.end_child(0);
        awake.wait(true).unwrap().unwrap();
        dropping.join().unwrap();
        set.finish(reactor, &[0]);
    });
}

/// It is polled once more, at any time, and takes the exit or does not.
#[test]
fn one_is_polled_now_and_then() {
    model(3, || {
        let set = Set::new(2);
        let (mut now_and_then, awake) = (Consumer::new(&set, Until::Empty), Consumer::task(&set));
        assert!(now_and_then.poll().is_pending());
        let reactor = set.start_reactor();
        let other = thread::spawn(move || {
            let _ = now_and_then.poll();
            let _ = now_and_then.poll();
            // The set may have ended by then.
        });
        set.end_child(0);
        set.end_child(1);
        awake.take_all();
        other.join().unwrap();
        set.finish(reactor, &[0, 1]);
    });
}

/// Somebody else takes what they were woken for, and the last child with it.
#[test]
fn a_thief() {
    model(3, || {
        let set = Set::new(2);
        let reactor = set.start_reactor();
        let (one, thief) = (Consumer::new(&set, Until::Empty), Arc::clone(&set));
        let stealing = thread::spawn(move || {
            thief.take();
        });
        set.end_child(0);
        set.end_child(1);
        one.take_all();
        stealing.join().unwrap();
        set.finish(reactor, &[0, 1]);
    });
}

#[test]
fn the_last_child_is_removed() {
    model(2, || {
        let set = Set::new(2);
        let reactor = set.start_reactor();
        let (one, two) = (Consumer::new(&set, Until::Empty), Consumer::task(&set));
        let other = thread::spawn(|| one.take_all());
        let third = thread::spawn(|| two.take_all());
        set.end_child(0);
        set.remove();
        other.join().unwrap();
        third.join().unwrap();
        set.finish(reactor, &[0]);
    });
}

#[test]
fn inserted_and_closed() {
    model(2, || {
        let set = Set::new(0);
        let reactor = set.start_reactor();
        let (one, two) = (Consumer::new(&set, Until::Closed), Consumer::new(&set, Until::Closed));
        let other = thread::spawn(|| one.take_all());
        let third = thread::spawn(|| two.take_all());
        set.insert();
        set.end_child(0);
        set.close();
        other.join().unwrap();
        third.join().unwrap();
        set.finish(reactor, &[0]);
    });
}

/// The reactor cannot be armed, once: one learns of it, and no other waits for it.
#[test]
fn arming_fails() {
    model(3, || {
        let set = Set::new(1);
        let (mut one, mut two) = (Consumer::new(&set, Until::Empty), Consumer::new(&set, Until::Empty));
        assert!(one.poll().is_pending());
        assert!(two.poll().is_pending());
        set.fail_to_arm(1);
        let reactor = set.start_reactor();
        let ends = Arc::clone(&set);
        let other = thread::spawn(move || ends.end_child(0));
        let (mut failed, mut taken) = (0, 0);
        // A task that goes on with the other one when the first has failed.
        drop(one);
        let mut polled = true;
        loop {
            match two.wait(polled) {
                Some(Ok(0)) => taken += 1,
                Some(Ok(_)) => unreachable!(),
                Some(Err(_)) => failed += 1,
                None => break,
            }
            polled = false;
        }
        assert!(taken == 1 && failed <= 1);
        other.join().unwrap();
        set.finish(reactor, &[0]);
    });
}
