//! `ChildSet` awaited by strange company: consumers that lie there, wakers that call back, tasks that are gone, and
//! many consumers at once.
#![cfg(feature = "async-io")]

mod common;

use std::future::Future;
use std::pin::Pin;
use std::process::{Child, ChildStdin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{channel, Sender};
use std::sync::{Arc, Condvar, Mutex, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use async_io::Timer;
use childset::{ChildSet, Command, Exited};
use futures_lite::future::{block_on, poll_fn, yield_now};
use futures_lite::Stream;

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

type Item = Option<std::io::Result<Exited<usize>>>;

/// A way to await an exit: a future, a stream, with state or without.
type Awaiting = Box<dyn FnMut(&mut Context<'_>) -> Poll<Item> + Send>;

const WAYS: [fn(&'static ChildSet<usize>) -> Awaiting; 4] = [
    |set| {
        let mut next = set.next();
        Box::new(move |context| Pin::new(&mut next).poll(context))
    },
    |set| {
        let mut exits = set.exits();
        Box::new(move |context| Pin::new(&mut exits).poll_next(context))
    },
    |mut set| Box::new(move |context| Pin::new(&mut set).poll_next(context)),
    |set| {
        let mut shutdown = set.shutdown(Duration::from_secs(3600));
        Box::new(move |context| Pin::new(&mut shutdown).poll_next(context))
    },
];

/// It lives as long as the program: a few descriptors for each test.
fn set() -> &'static ChildSet<usize> {
    static ALL: Mutex<Vec<&ChildSet<usize>>> = Mutex::new(Vec::new());
    let set = Box::leak(Box::new(ChildSet::new().unwrap()));
    // Where leak checkers find it.
    ALL.lock().unwrap().push(set);
    set
}

/// It ignores TERM, so that `shutdown` leaves it alone.
fn held() -> (Child, ChildStdin) {
    let mut child = common::stubborn();
    let hold = child.stdin.take().unwrap();
    (child, hold)
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
        let wakes = self.wakes.lock().unwrap();
        let (mut wakes, result) =
            self.changed.wait_timeout_while(wakes, PATIENCE, |wakes| *wakes == 0).unwrap();
        assert!(!result.timed_out(), "a wake-up was lost");
        *wakes = 0;
    }

    fn take(&self) -> usize {
        std::mem::take(&mut *self.wakes.lock().unwrap())
    }
}

/// Polls at each wake-up until there is an exit.
fn take(awaiting: &mut Awaiting, counter: &Counter, waker: &Waker) -> usize {
    loop {
        if let Poll::Ready(item) = awaiting(&mut Context::from_waker(waker)) {
            return item.unwrap().unwrap().tag;
        }
        counter.wait();
    }
}

/// The reactor does what it is for.
fn assert_reactor_runs() {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        block_on(Timer::after(Duration::from_millis(1)));
        let _ = sender.send(());
    });
    receiver.recv_timeout(PATIENCE).expect("the reactor hangs");
}

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

/// A task whose waker does what it likes, in the thread that wakes it.
struct Task {
    awaiting: Mutex<Option<Awaiting>>,
    on_wake: fn(&Arc<Task>),
    set: &'static ChildSet<usize>,
    woken: Sender<Option<usize>>,
}

impl Task {
    fn poll(self: &Arc<Self>) -> Option<usize> {
        let mut awaiting = self.awaiting.lock().unwrap();
        let waker = Waker::from(Arc::clone(self));
        match awaiting.as_mut()?(&mut Context::from_waker(&waker)) {
            Poll::Ready(item) => item.map(|exited| exited.unwrap().tag),
            Poll::Pending => None,
        }
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        (self.on_wake)(&self);
    }
}

/// What wakers do: each reports the exit if it took one.
const ON_WAKE: [fn(&Arc<Task>); 4] = [
    // Polls at once.
    |task| task.woken.send(task.poll()).unwrap_or(()),
    // Its executor has ended: the task goes.
    |task| {
        drop(task.awaiting.lock().unwrap().take());
        task.woken.send(None).unwrap_or(());
    },
    // Calls the set.
    |task| {
        let exited = task.set.try_wait().unwrap();
        assert_eq!((task.set.len(), task.set.keys().len()), (0, 0));
        task.set.close();
        task.woken.send(exited.map(|exited| exited.tag)).unwrap_or(());
    },
    |task| {
        task.woken.send(None).unwrap_or(());
        panic!("this belongs to the test");
    },
];

#[test]
fn a_waker_may_do_anything() {
    for way in WAYS {
        for on_wake in ON_WAKE {
            let set = set();
            let (child, hold) = held();
            set.insert(child, 7).unwrap();
            let (woken, receiver) = channel();
            let task = Arc::new(Task { awaiting: Mutex::new(Some(way(set))), on_wake, set, woken });
            assert_eq!(task.poll(), None);
            // Another one of the set, who must not suffer from it.
            let (counter, waker) = Counter::new();
            let mut other = WAYS[1](set);
            assert!(other(&mut Context::from_waker(&waker)).is_pending());
            drop(hold);
            let taken = receiver.recv_timeout(PATIENCE).expect("the waker hangs");
            assert_reactor_runs();
            if taken.is_none() {
                assert_eq!(take(&mut other, &counter, &waker), 7);
            }
            assert!(set.is_empty());
        }
    }
}

/// Where the end of the set wakes them, in the thread that closes it.
#[test]
fn a_waker_may_do_anything_when_the_set_ends() {
    for on_wake in ON_WAKE {
        let set = set();
        let (woken, receiver) = channel();
        let task = Arc::new(Task { awaiting: Mutex::new(Some(WAYS[1](set))), on_wake, set, woken });
        assert_eq!(task.poll(), None);
        let (counter, waker) = Counter::new();
        let mut other = WAYS[1](set);
        assert!(other(&mut Context::from_waker(&waker)).is_pending());
        let closing = std::thread::spawn(|| set.close());
        receiver.recv_timeout(PATIENCE).expect("the waker hangs");
        counter.wait();
        assert!(matches!(other(&mut Context::from_waker(&waker)), Poll::Ready(None)));
        closing.join().unwrap();
    }
}

/// The smallest executor there is. Once it has ended, only the wakers keep its tasks.
struct Spawned {
    future: Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>,
    queue: Sender<Arc<Spawned>>,
}

impl Wake for Spawned {
    fn wake(self: Arc<Self>) {
        // If the executor has ended, this drops the task.
        let _ = self.queue.clone().send(self);
    }
}

#[test]
fn an_executor_may_end_while_a_task_awaits() {
    for way in WAYS {
        let set = set();
        let (child, hold) = held();
        set.insert(child, 7).unwrap();
        let (queue, tasks) = channel::<Arc<Spawned>>();
        for _ in 0..10 {
            let mut awaiting = way(set);
            let future = async move { drop(poll_fn(|context| awaiting(context)).await) };
            let future = Mutex::new(Some(Box::pin(future) as Pin<Box<_>>));
            queue.send(Arc::new(Spawned { future, queue: queue.clone() })).unwrap();
        }
        for task in tasks.try_iter() {
            let waker = Waker::from(Arc::clone(&task));
            let mut future = task.future.lock().unwrap();
            assert!(future.as_mut().unwrap().as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        drop(tasks);
        let (counter, waker) = Counter::new();
        let mut outside = WAYS[0](set);
        assert!(outside(&mut Context::from_waker(&waker)).is_pending());
        drop(hold);
        assert_eq!(take(&mut outside, &counter, &waker), 7);
        assert_reactor_runs();
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
