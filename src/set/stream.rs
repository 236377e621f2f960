//! Awaiting exits: several tasks may await one set, and each may be dropped at any time.
//!
//! Whoever waits has either a listener (`Next`, `Exits`) or its waker in `Consumers::tasks` (the `Stream`
//! impls, which have no state of their own), and while anybody waits, the reactor is armed or one who was
//! notified is yet to look. A listener that is notified takes an exit and arms the reactor for the others, or
//! is dropped and event-listener notifies another one. A task is only ever woken together with all others.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use event_listener::{Event, EventListener};
use futures_lite::{ready, Stream};

use super::{ChildSet, Exited, Until};
use crate::pidfd::Forked;
use crate::sync::lock;
use crate::watch::dropped::start_reactor;
use crate::watch::reactor::Registration;

/// How many exits are given out in a row before the executor gets a turn.
const GIVEN_IN_A_ROW: u32 = 64;

type Item<T> = io::Result<Exited<T>>;

/// Those who await the exits of one set. Made at the first await.
#[derive(Debug)]
pub(super) struct Consumers {
    registration: Registration,
    waiting: Arc<Waiting>,
    /// Exits given out since anybody had to wait.
    given: AtomicU32,
}

#[derive(Debug)]
struct Waiting {
    listeners: Event,
    tasks: Mutex<Tasks>,
}

#[derive(Debug)]
struct Tasks {
    wakers: VecDeque<Waker>,
    /// At so many wakers, those of tasks that have lost interest are weeded out, by waking all.
    limit: usize,
}

const LIMIT: usize = 32;

/// The reactor wakes this when an exit can be taken.
impl Wake for Waiting {
    fn wake(self: Arc<Self>) {
        self.listeners.notify(1);
        self.wake_tasks();
    }
}

impl Waiting {
    fn new() -> Waiting {
        Waiting {
            listeners: Event::new(),
            tasks: Mutex::new(Tasks { wakers: VecDeque::new(), limit: LIMIT }),
        }
    }

    fn wake_tasks(&self) {
        let count = {
            let mut tasks = lock(&self.tasks);
            tasks.limit = LIMIT;
            tasks.wakers.len()
        };
        self.wake_first_tasks(count);
    }

    /// Wakes without the lock, since a waker may poll at once and register again.
    fn wake_first_tasks(&self, count: usize) {
        for _ in 0..count {
            let waker = lock(&self.tasks).wakers.pop_front();
            waker.into_iter().for_each(Waker::wake);
        }
    }

    fn add_task(&self, waker: &Waker) {
        let mut weeded = 0;
        let mut tasks = lock(&self.tasks);
        if !tasks.wakers.iter().any(|known| known.will_wake(waker)) {
            if tasks.wakers.len() >= tasks.limit {
                weeded = tasks.wakers.len();
                tasks.limit *= 2;
            }
            tasks.wakers.push_back(waker.clone());
        }
        drop(tasks);
        self.wake_first_tasks(weeded);
    }

    fn is_empty(&self) -> bool {
        self.listeners.total_listeners() == 0 && lock(&self.tasks).wakers.is_empty()
    }
}

impl Consumers {
    fn new(epoll: &Arc<OwnedFd>) -> io::Result<Consumers> {
        let waiting = Arc::new(Waiting::new());
        Ok(Consumers {
            registration: Registration::new(epoll, Waker::from(Arc::clone(&waiting)))?,
            waiting,
            given: AtomicU32::new(0),
        })
    }

    pub(super) fn wake_all(&self) {
        self.waiting.listeners.notify(usize::MAX);
        self.waiting.wake_tasks();
    }

    /// By one that was notified and waits no longer.
    fn pass_on(&self) {
        if !self.waiting.is_empty() && self.registration.arm().is_err() {
            // They find out what is wrong themselves.
            self.wake_all();
        }
    }
}

impl<T> ChildSet<T> {
    /// Takes the exit of the next child that ends; `None` if the set is empty.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use childset::ChildSet;
    /// use std::process::Command;
    ///
    /// let set = ChildSet::new()?;
    /// set.insert(Command::new("true").spawn()?, "a")?;
    /// set.insert(Command::new("true").spawn()?, "b")?;
    /// while let Some(exited) = set.next().await {
    ///     println!("{} has ended", exited?.tag);
    /// }
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// The set itself cannot be watched by the reactor: `EMFILE`, `ENOMEM`, `ENOSPC`. No exit is lost.
    ///
    /// # Cancel safety
    /// A future that is dropped before it is ready has taken no exit.
    pub fn next(&self) -> Next<'_, T> {
        Next { set: self, listener: None }
    }

    /// The exits of all children, also of those that are inserted later, until the set is
    /// [closed](ChildSet::close) and empty.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use childset::ChildSet;
    /// use futures_lite::StreamExt;
    /// use std::process::Command;
    ///
    /// let set = ChildSet::new()?;
    /// let exits = set.exits();
    /// set.insert(Command::new("true").spawn()?, ())?;
    /// set.close();
    /// assert_eq!(exits.count().await, 1);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// As [`next`](ChildSet::next).
    ///
    /// # Cancel safety
    /// A stream that is dropped loses no exit.
    pub fn exits(&self) -> Exits<'_, T> {
        Exits { set: self, listener: None }
    }

    pub(super) fn consumers(&self) -> io::Result<&Consumers> {
        Forked::check(self.origin)?;
        if let Some(consumers) = self.consumers.get() {
            return Ok(consumers);
        }
        start_reactor()?;
        // Under the lock, since the reactor takes a descriptor only once.
        let _members = lock(&self.members);
        let consumers = match self.consumers.get() {
            Some(consumers) => return Ok(consumers),
            None => Consumers::new(&self.epoll)?,
        };
        Ok(self.consumers.get_or_init(|| consumers))
    }

    /// Takes an exit or has the consumer woken: through its `listener` or, if it has none, as a task.
    pub(super) fn poll_exit(
        &self,
        context: &mut Context<'_>,
        until: Until,
        mut listener: Option<&mut Option<EventListener>>,
    ) -> Poll<Option<Item<T>>> {
        let consumers = match self.consumers() {
            Ok(consumers) => consumers,
            Err(error) => return Poll::Ready(Some(Err(error))),
        };
        // Before a notification is consumed, so that one who is dropped now passes it on.
        if consumers.given.load(Ordering::Relaxed) >= GIVEN_IN_A_ROW {
            consumers.given.store(0, Ordering::Relaxed);
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        loop {
            if let Some(slot) = listener.as_deref_mut() {
                if let Some(listening) = slot {
                    ready!(Pin::new(listening).poll(context));
                    *slot = None;
                }
            }
            let item = self.try_wait().transpose();
            if item.is_some() || self.has_ended(until) {
                consumers.given.fetch_add(1, Ordering::Relaxed);
                consumers.pass_on();
                return Poll::Ready(item);
            }
            consumers.given.store(0, Ordering::Relaxed);
            match listener.as_deref_mut() {
                Some(slot) => *slot = Some(consumers.waiting.listeners.listen()),
                None => consumers.waiting.add_task(context.waker()),
            }
            // From here on nothing is missed; what happened before is looked for again.
            let armed = consumers.registration.arm();
            let item = match armed {
                Ok(()) if self.has_ended(until) => None,
                Ok(()) if listener.is_some() => continue,
                Ok(()) => return Poll::Pending,
                Err(error) => Some(Err(error)),
            };
            if let Some(slot) = listener {
                *slot = None;
            }
            return Poll::Ready(item);
        }
    }
}

/// The future of [`ChildSet::next`].
#[must_use = "futures do nothing unless awaited"]
pub struct Next<'a, T> {
    set: &'a ChildSet<T>,
    listener: Option<EventListener>,
}

impl<T> Future for Next<'_, T> {
    type Output = Option<Item<T>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Next { set, listener } = &mut *self;
        set.poll_exit(context, Until::Empty, Some(listener))
    }
}

/// The stream of [`ChildSet::exits`].
#[must_use = "streams do nothing unless polled"]
pub struct Exits<'a, T> {
    set: &'a ChildSet<T>,
    listener: Option<EventListener>,
}

impl<T> Stream for Exits<'_, T> {
    type Item = Item<T>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Exits { set, listener } = &mut *self;
        set.poll_exit(context, Until::Closed, Some(listener))
    }
}

impl<T> fmt::Debug for Next<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Next").field("set", self.set).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Exits<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exits").field("set", self.set).finish_non_exhaustive()
    }
}

/// The exits as they happen, until the set is empty: see [`ChildSet::next`].
///
/// It ends as `FuturesUnordered` does: after the next insert it goes on.
impl<T> Stream for ChildSet<T> {
    type Item = Item<T>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_exit(context, Until::Empty, None)
    }
}

/// As for the set itself. Several tasks may each have one; every exit goes to one of them.
impl<T> Stream for &ChildSet<T> {
    type Item = Item<T>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_exit(context, Until::Empty, None)
    }
}

/// Nothing in a set is pinned.
impl<T> Unpin for ChildSet<T> {}
