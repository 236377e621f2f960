//! `next`, and a shutdown that is awaited.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use async_io::Async;
use childset::{AsyncPidfdExt, ChildSet, Pidfd, Signal};
use futures_lite::future::block_on;
use futures_lite::StreamExt;

use crate::common::{self, exiting, held_by_pipe, Counter};
use crate::{poll, poll_stream, tag};

#[test]
fn an_empty_set_ends_the_stream_and_goes_on_after_an_insert() {
    block_on(async {
        let mut set = ChildSet::new().unwrap();
        for round in 0..3 {
            assert!(set.next().await.is_none());
            assert!(StreamExt::next(&mut set).await.is_none());
            assert!(StreamExt::next(&mut &set).await.is_none());
            set.insert(exiting(0), round).unwrap();
            assert_eq!(tag(set.next().await), round);
            set.insert(exiting(0), round).unwrap();
            assert_eq!(tag(StreamExt::next(&mut set).await), round);
            set.insert(exiting(0), round).unwrap();
            assert_eq!(tag(StreamExt::next(&mut &set).await), round);
        }
    });
}

#[test]
fn a_waiting_future_sees_a_child_that_is_inserted_meanwhile() {
    let set = ChildSet::new().unwrap();
    let (first, _hold) = held_by_pipe();
    set.insert(first, "first").unwrap();
    let (counter, waker) = Counter::new();
    let mut next = set.next();
    assert!(poll(&mut next, &waker).is_pending());
    set.insert(exiting(0), "second").unwrap();
    counter.wait();
    match poll(&mut next, &waker) {
        Poll::Ready(item) => assert_eq!(tag(item), "second"),
        Poll::Pending => panic!("woken for nothing"),
    }
}

#[test]
fn only_the_last_waker_of_a_future_counts() {
    let set = ChildSet::new().unwrap();
    let (child, hold) = held_by_pipe();
    set.insert(child, ()).unwrap();
    let mut next = set.next();
    let (old, old_waker) = Counter::new();
    for _ in 0..10 {
        assert!(poll(&mut next, &old_waker).is_pending());
        let (_, waker) = Counter::new();
        assert!(poll(&mut next, &waker).is_pending());
    }
    let (new, new_waker) = Counter::new();
    assert!(poll(&mut next, &new_waker).is_pending());
    drop(hold);
    new.wait();
    assert!(poll(&mut next, &new_waker).is_ready());
    assert_eq!(old.count(), 0);
}

#[test]
fn next_ends_when_another_takes_the_last_child() {
    let set = ChildSet::new().unwrap();
    let (child, hold) = held_by_pipe();
    let key = set.insert(child, ()).unwrap();
    let (counter, waker) = Counter::new();
    let (stream_counter, stream_waker) = Counter::new();
    let mut next = set.next();
    let mut stream = &set;
    assert!(poll(&mut next, &waker).is_pending());
    assert!(poll_stream(&mut stream, &stream_waker).is_pending());
    let removed = set.remove(key).unwrap();
    counter.wait();
    stream_counter.wait();
    assert!(matches!(poll(&mut next, &waker), Poll::Ready(None)));
    assert!(matches!(poll_stream(&mut stream, &stream_waker), Poll::Ready(None)));
    drop(hold);
    removed.0.wait().unwrap();
}

#[test]
fn shutdown_as_a_stream_kills_at_the_deadline() {
    let set = ChildSet::new().unwrap();
    set.insert(common::stubborn(), Signal::KILL).unwrap();
    set.insert(
        Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap(),
        Signal::TERM,
    )
    .unwrap();
    let start = Instant::now();
    let grace = Duration::from_millis(100);
    let signals: Vec<_> = block_on(
        set.shutdown(grace)
            .map(|exited| exited.unwrap())
            .map(|exited| (exited.tag, exited.exit.unwrap().signal()))
            .collect(),
    );
    assert!(start.elapsed() >= grace);
    assert_eq!(signals, [Signal::TERM, Signal::KILL].map(|signal| (signal, Some(signal))));
}

#[test]
fn futures_are_send() {
    fn check<S: Send>(_: S) {}
    let set = ChildSet::<u8>::new().unwrap();
    check(set.next());
    check(set.exits());
    check(Arc::new(ChildSet::<u8>::new().unwrap()).into_exits());
    check(set.shutdown(Duration::ZERO));
    let pidfd = Async::new(Pidfd::open(std::process::id()).unwrap()).unwrap();
    check(pidfd.exit());
    check(pidfd.exited());
    check(pidfd.reaped());
}
