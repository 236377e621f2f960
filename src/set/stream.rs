//! Awaiting exits: several tasks may await one set, and each may be dropped at any time. Who is woken, and why nobody
//! is forgotten: waiters.rs.

use std::fmt;
use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use async_io::Timer;
use futures_lite::Stream;

use super::poll_exit::{self, poll_exit};
use super::turns::Turns;
use super::waiters::Waiters;
use super::{ChildSet, Exited, Until};
use crate::pidfd::Forked;
use crate::sync::{lock, Mutex};
use crate::sys::origin::Origin;
use crate::watch::dropped::start_reactor;
use crate::watch::reactor::Registration;

/// The timer's ticks. If the consumer that was woken for an exit does not look, the exit waits for up to two of them.
const TICK: Duration = Duration::from_millis(5);

type Item<T> = io::Result<Exited<T>>;

/// Those who await the exits of one set. Made at the first await.
#[derive(Debug)]
pub(super) struct Consumers {
    origin: Origin,
    registration: Registration,
    waiting: Arc<Waiting>,
    turns: Turns,
}

#[derive(Debug)]
struct Waiting {
    waiters: Waiters,
    timer: Mutex<Option<Timer>>,
    ticker: Waker,
}

/// The reactor wakes this when an exit can be taken.
impl Wake for Waiting {
    fn wake(self: Arc<Self>) {
        if self.waiters.event() {
            self.start_timer();
        }
    }
}

/// The reactor wakes this when the timer ticks.
struct Ticker(Weak<Waiting>);

impl Wake for Ticker {
    fn wake(self: Arc<Self>) {
        if let Some(waiting) = self.0.upgrade().filter(|waiting| waiting.waiters.tick()) {
            waiting.start_timer();
        }
    }
}

impl Waiting {
    fn start_timer(&self) {
        let mut timer = Timer::after(TICK);
        // It may be over before the reactor knows of it.
        while Pin::new(&mut timer).poll(&mut Context::from_waker(&self.ticker)).is_ready() {
            timer.set_after(TICK);
        }
        let _last = lock(&self.timer).replace(timer);
    }
}

impl Consumers {
    fn new(epoll: &Arc<OwnedFd>) -> io::Result<Consumers> {
        let waiting = Arc::new_cyclic(|waiting| Waiting {
            waiters: Waiters::default(),
            timer: Mutex::new(None),
            ticker: Waker::from(Arc::new(Ticker(Weak::clone(waiting)))),
        });
        Ok(Consumers {
            origin: Origin::here(),
            registration: Registration::new(epoll, Waker::from(Arc::clone(&waiting)))?,
            waiting,
            turns: Turns::default(),
        })
    }

    /// Wakes those who have nothing to wait for any more.
    pub(super) fn end(&self, ended: Until) {
        self.waiting.waiters.end(ended);
    }
}

impl poll_exit::Consumers for Arc<Consumers> {
    fn waiters(&self) -> &Waiters {
        &self.waiting.waiters
    }

    fn is_here(&self) -> bool {
        self.origin.is_here()
    }

    fn try_arm(&self) -> io::Result<()> {
        self.registration.arm()
    }
}

pub(super) type Ticket = poll_exit::Ticket<Arc<Consumers>>;

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
        Next { set: self, ticket: None }
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
        Exits { set: self, ticket: None }
    }

    /// As [`exits`](ChildSet::exits), as a stream that borrows nothing: for tasks that are spawned, and for iced's
    /// subscriptions.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use std::process::Command;
    /// use std::sync::Arc;
    ///
    /// use childset::ChildSet;
    /// use futures_lite::StreamExt;
    ///
    /// let set = Arc::new(ChildSet::new()?);
    /// let mut exits = Arc::clone(&set).into_exits();
    /// let task = smol::spawn(async move { exits.next().await });
    /// set.insert(Command::new("true").spawn()?, "a job")?;
    /// assert_eq!(task.await.unwrap()?.tag, "a job");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// Those of [`next`](ChildSet::next).
    ///
    /// # Cancel safety
    /// A stream that is dropped loses no exit.
    pub fn into_exits(self: Arc<Self>) -> IntoExits<T> {
        IntoExits { set: self, ticket: None }
    }

    pub(super) fn consumers(&self) -> io::Result<&Arc<Consumers>> {
        Forked::check(self.origin)?;
        if let Some(consumers) = self.consumers.get() {
            return Ok(consumers);
        }
        start_reactor()?;
        // Under the lock, since the reactor takes a descriptor only once.
        let _members = lock(&self.members);
        let consumers = match self.consumers.get() {
            Some(consumers) => return Ok(consumers),
            None => Arc::new(Consumers::new(&self.epoll)?),
        };
        Ok(self.consumers.get_or_init(|| consumers))
    }

    pub(super) fn poll_exit(
        &self,
        context: &mut Context<'_>,
        until: Until,
        ticket: Option<&mut Option<Ticket>>,
    ) -> Poll<Option<Item<T>>> {
        let consumers = match self.consumers() {
            Ok(consumers) => consumers,
            Err(error) => return Poll::Ready(Some(Err(error))),
        };
        let (turns, waker) = (&consumers.turns, context.waker());
        // It has not looked yet. If it was woken and does not come again, then its ticket or the timer sees to that.
        if turns.is_over(waker) {
            waker.wake_by_ref();
            return Poll::Pending;
        }
        let end = (until, || self.has_ended(until));
        let taken = poll_exit(consumers, || self.take(), end, waker, ticket);
        match taken.is_ready() {
            true => turns.count(),
            false => turns.rest(),
        }
        // Without a copy on the way.
        match taken {
            Poll::Ready(Some(Ok(taken))) => Poll::Ready(Some(Ok(self.exited(taken)))),
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// The future of [`ChildSet::next`].
#[must_use = "futures do nothing unless awaited"]
pub struct Next<'a, T> {
    set: &'a ChildSet<T>,
    ticket: Option<Ticket>,
}

impl<T> Future for Next<'_, T> {
    type Output = Option<Item<T>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Next { set, ticket } = &mut *self;
        set.poll_exit(context, Until::Empty, Some(ticket))
    }
}

/// The stream of [`ChildSet::exits`].
#[must_use = "streams do nothing unless polled"]
pub struct Exits<'a, T> {
    set: &'a ChildSet<T>,
    ticket: Option<Ticket>,
}

impl<T> Stream for Exits<'_, T> {
    type Item = Item<T>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Exits { set, ticket } = &mut *self;
        set.poll_exit(context, Until::Closed, Some(ticket))
    }
}

/// The stream of [`ChildSet::into_exits`].
#[must_use = "streams do nothing unless polled"]
pub struct IntoExits<T> {
    set: Arc<ChildSet<T>>,
    ticket: Option<Ticket>,
}

impl<T> Stream for IntoExits<T> {
    type Item = Item<T>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let IntoExits { set, ticket } = &mut *self;
        set.poll_exit(context, Until::Closed, Some(ticket))
    }
}

impl<T> fmt::Debug for IntoExits<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntoExits").field("set", &self.set).finish_non_exhaustive()
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
///
/// A reference cannot remember the task that polls it. So the set wakes tasks to find out which of them are gone. If
/// many tasks poll references, they are woken now and then without an exit. With [`next`](ChildSet::next) and
/// [`exits`](ChildSet::exits), this does not happen.
impl<T> Stream for &ChildSet<T> {
    type Item = Item<T>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_exit(context, Until::Empty, None)
    }
}

/// Nothing in a set is pinned.
impl<T> Unpin for ChildSet<T> {}
