//! Wakers that do what they like, in the thread that wakes them, and an executor that ends.

use std::future::Future;
use std::pin::Pin;
use std::sync::mpsc::{channel, Sender};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use async_io::Timer;
use childset::ChildSet;
use futures_lite::future::{block_on, poll_fn};

use crate::common::Counter;
use crate::ways::{take, Awaiting, WAYS};
use crate::{held, set, PATIENCE};

/// The reactor does what it is for.
fn assert_reactor_runs() {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        block_on(Timer::after(Duration::from_millis(1)));
        let _ = sender.send(());
    });
    receiver.recv_timeout(PATIENCE).expect("the reactor hangs");
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
