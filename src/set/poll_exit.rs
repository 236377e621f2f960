//! One look of one consumer: what it owes to the others, and how it is woken. tests/model tries it in every order.

use std::io;
use std::task::{Poll, Waker};

use super::until::Until;
use super::waiters::Waiters;

/// Those who await the exits of one set, and what wakes them.
pub(super) trait Consumers: Clone {
    fn waiters(&self) -> &Waiters;

    /// Whether this is the process that made the set, and not a copy of it, in which nothing is to be done.
    fn is_here(&self) -> bool {
        true
    }

    /// Has the reactor wake the first of those who wait: at once, if there is an exit to be taken already.
    fn try_arm(&self) -> io::Result<()>;

    fn arm(&self) -> io::Result<()> {
        // Without the reactor nobody would be woken. So all are, now, and find out themselves.
        self.try_arm().inspect_err(|_| self.waiters().end(Until::Closed))
    }
}

/// The place of a future or a stream among those who wait.
#[derive(Debug)]
pub(super) struct Ticket<C: Consumers> {
    consumers: C,
    number: u64,
}

impl<C: Consumers> Drop for Ticket<C> {
    fn drop(&mut self) {
        if self.consumers.is_here() && self.consumers.waiters().leave(self.number) {
            let _ = self.consumers.arm();
        }
    }
}

/// Takes an exit or has the consumer woken: with its `ticket` or, if it keeps none, as a task.
///
/// It always looks for an exit first, woken or not. So a consumer never misses one because another future of its task
/// was woken in its place. It also owes that to the others: if it was woken, they wait for its look. So each way out
/// arms the reactor, or finds that nobody waits.
///
/// If it looks in vain, it first waits, and then arms the reactor. An exit that comes in between keeps the epoll
/// instance readable, so that the reactor fires at once. The end of the set leaves no such trace, and so it is looked
/// for a second time.
pub(super) fn poll_exit<C: Consumers, E>(
    consumers: &C,
    take: impl FnOnce() -> io::Result<Option<E>>,
    (until, has_ended): (Until, impl Fn() -> bool),
    waker: &Waker,
    mut ticket: Option<&mut Option<Ticket<C>>>,
) -> Poll<Option<io::Result<E>>> {
    let waiters = consumers.waiters();
    let leave = |ticket: Option<&mut Option<Ticket<C>>>| {
        match ticket {
            Some(ticket) => drop(ticket.take()),
            None => waiters.leave_as_task(waker),
        }
        if waiters.answer() {
            let _ = consumers.arm();
        }
    };
    let taken = take();
    if !matches!(taken, Ok(None)) || has_ended() {
        leave(ticket);
        return Poll::Ready(taken.transpose());
    }
    match &mut ticket {
        Some(ticket) => {
            let known = ticket.as_ref().map(|ticket| ticket.number);
            let number = waiters.wait(known, waker, until);
            ticket.get_or_insert_with(|| Ticket { consumers: consumers.clone(), number });
        }
        None => waiters.wait_as_task(waker, until),
    }
    let item = match consumers.arm() {
        Ok(()) if !has_ended() => return Poll::Pending,
        Ok(()) => None,
        Err(error) => Some(Err(error)),
    };
    leave(ticket);
    Poll::Ready(item)
}
