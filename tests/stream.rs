//! `ChildSet` awaited: several consumers, changing wakers, and futures dropped at every point.
#![cfg(feature = "async-io")]

mod common;

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use async_io::Async;
use childset::{AsyncPidfdExt, ChildSet, Exited, Pidfd, Signal};
use futures_lite::future::{block_on, poll_fn, zip};
use futures_lite::{Stream, StreamExt};
use rustix::event::{PollFd, PollFlags};

/// A child that lives until the pipe is closed.
fn held() -> (Child, ChildStdin) {
    let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let hold = child.stdin.take().unwrap();
    (child, hold)
}

fn exiting(code: i32) -> Child {
    Command::new("sh").args(["-c", &format!("exit {code}")]).spawn().unwrap()
}

/// A waker that counts, and that a thread can wait for.
#[derive(Default)]
struct Counter {
    wakes: Mutex<usize>,
    changed: Condvar,
}

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        *self.wakes.lock().unwrap() += 1;
        self.changed.notify_all();
    }
}

impl Counter {
    fn new() -> (Arc<Counter>, Waker) {
        let counter = Arc::new(Counter::default());
        (Arc::clone(&counter), Waker::from(counter))
    }

    /// Waits for a wake-up, and consumes all there are.
    fn wait(&self) {
        let woken = self
            .changed
            .wait_timeout_while(self.wakes.lock().unwrap(), Duration::from_secs(30), |wakes| *wakes == 0)
            .unwrap();
        assert!(!woken.1.timed_out(), "a wake-up was lost");
        let mut wakes = woken.0;
        *wakes = 0;
    }

    fn count(&self) -> usize {
        *self.wakes.lock().unwrap()
    }
}

fn poll<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}

fn poll_stream<S: Stream + Unpin>(stream: &mut S, waker: &Waker) -> Poll<Option<S::Item>> {
    Pin::new(stream).poll_next(&mut Context::from_waker(waker))
}

fn tag<T>(item: Option<std::io::Result<Exited<T>>>) -> T {
    let exited = item.expect("the set is not empty").unwrap();
    assert!(exited.exit.unwrap().success());
    exited.tag
}

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
    let (first, _hold) = held();
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
    let (child, hold) = held();
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

/// A consumer that was woken and is dropped hands the exit to another one.
#[test]
fn a_dropped_future_passes_its_wake_up_on() {
    let mut seen = 0;
    for _ in 0..50 {
        let set = ChildSet::new().unwrap();
        let (child, hold) = held();
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

/// One who takes an exit leaves the reactor armed for the others.
#[test]
fn each_of_several_futures_gets_its_exit() {
    let set = ChildSet::new().unwrap();
    let mut holds = Vec::new();
    for tag in 0..8 {
        let (child, hold) = held();
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
        let (first, first_hold) = held();
        let (second, second_hold) = held();
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

/// Futures that were polled 0, 1, 2 … times, woken or not, are dropped; every exit comes out all the same.
#[test]
fn dropped_futures_lose_nothing_at_any_point() {
    for polls in 0..4 {
        for wake_first in [false, true] {
            let set = ChildSet::new().unwrap();
            let mut tags = Vec::new();
            for round in 0..10 {
                let (child, hold) = held();
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
        let (held, stdin) = held();
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

#[test]
fn next_ends_when_another_takes_the_last_child() {
    let set = ChildSet::new().unwrap();
    let (child, hold) = held();
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

/// `&ChildSet` has no state of its own, so all its tasks are woken, and none is forgotten.
#[test]
fn streams_over_a_reference_in_several_tasks() {
    let set = ChildSet::new().unwrap();
    let (child, hold) = held();
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

#[test]
fn a_set_dropped_with_a_registered_stream() {
    let (child, _hold) = held();
    let mut set = ChildSet::new().unwrap();
    set.insert(child, ()).unwrap();
    let (counter, waker) = Counter::new();
    assert!(poll_stream(&mut set, &waker).is_pending());
    drop(set);
    assert_eq!(counter.count(), 0);
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
