//! Threads that block, among themselves and with one that awaits.

use std::sync::Arc;

use loom::thread;

use super::model::{Consumer, Set};
use super::until::Until;

fn model(preemptions: usize, run: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(run);
}

/// In a thread of its own: takes all until the end.
fn take_all(set: &Arc<Set>, until: Until) -> thread::JoinHandle<()> {
    let set = Arc::clone(set);
    thread::spawn(move || while set.wait(until, true).is_some() {})
}

#[test]
fn three_take_all() {
    model(3, || {
        let set = Set::new(2);
        let threads = [0; 3].map(|_| take_all(&set, Until::Empty));
        set.end_child(0);
        set.end_child(1);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        set.assert_taken(&[0, 1]);
    });
}

/// The last child is removed, and the set is closed: each kind of thread returns in time.
#[test]
fn removed_and_closed() {
    model(4, || {
        let set = Set::new(1);
        let empty = take_all(&set, Until::Empty);
        let closed = take_all(&set, Until::Closed);
        set.remove();
        empty.join().unwrap();
        set.insert();
        set.end_child(0);
        set.close();
        closed.join().unwrap();
        set.assert_taken(&[0]);
    });
}

/// One whose time is over, perhaps the leader, perhaps just when it was woken to lead.
#[test]
fn one_gives_up() {
    model(3, || {
        let set = Set::new(1);
        let other = Arc::clone(&set);
        let impatient = thread::spawn(move || while other.wait(Until::Empty, false).is_some() {});
        let threads = [0; 2].map(|_| take_all(&set, Until::Empty));
        set.end_child(0);
        impatient.join().unwrap();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        set.assert_taken(&[0]);
    });
}

#[test]
fn with_one_that_awaits() {
    model(3, || {
        let set = Set::new(2);
        let reactor = set.start_reactor();
        let blocking = take_all(&set, Until::Empty);
        let awaiting = Consumer::new(&set, Until::Empty);
        set.end_child(0);
        set.end_child(1);
        awaiting.take_all();
        blocking.join().unwrap();
        set.finish(reactor, &[0, 1]);
    });
}
