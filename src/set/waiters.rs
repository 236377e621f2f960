//! Those who await the exits of a set, and which of them to wake. tests/model tries it in every order.
//!
//! One exit needs one consumer, so an event of the reactor wakes one: the first of those that wait. But nobody can
//! know whether that one will look. Its task may be gone, or hold a future that it does not poll now. So each event
//! has to be answered. Any consumer answers by looking for an exit. Whether it finds one or not, it arms the reactor
//! afterwards for the others, and the reactor fires at once if there is more to take. If no answer comes within two
//! ticks of a timer, more consumers are woken, and more again at each further tick.
//!
//! So while anybody waits, the reactor is armed, or a consumer is looking, or the timer ticks. Nothing is kept of
//! those who were woken: they are off the list. A future that was woken and is dropped arms the reactor, as if it had
//! looked.
//!
//! A waker is foreign code: it may poll at once, drop its future, or panic. So none is cloned, woken or dropped under
//! the lock.

use std::collections::BTreeMap;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::task::Waker;
use std::time::{Duration, Instant};

use super::until::Until;
use crate::sync::{lock, Mutex};

#[derive(Debug, Default)]
pub(super) struct Waiters(Mutex<List>);

#[derive(Debug)]
struct List {
    /// By ticket: in the order in which they came.
    waiting: BTreeMap<u64, Waiter>,
    /// The tickets of tasks: see [`Waiters::wait_as_task`].
    tasks: BTreeMap<Task, u64>,
    last_ticket: u64,
    /// How many events and ticks have woken somebody since a consumer looked. While it is not 0 and anybody waits,
    /// the timer ticks.
    unanswered: u32,
    /// No tick has come since the last event.
    fresh: bool,
    ticking: bool,
    /// How many tasks may wait before all are asked whether they still do.
    room: usize,
    asked: Option<Instant>,
}

#[derive(Debug)]
struct Waiter {
    waker: Waker,
    until: Until,
    task: Option<Task>,
}

/// The name of a task. Two wakers of one task have the same: it is what `Waker::will_wake` compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Task(usize, usize);

impl Task {
    pub(super) fn of(waker: &Waker) -> Task {
        Task(waker.data() as usize, std::ptr::from_ref(waker.vtable()) as usize)
    }
}

/// How many tasks may wait before it is asked for the first time whether they still do.
const ROOM: usize = 32;

/// After so long without asking, one begins with `ROOM` again.
const LONG_AGO: Duration = Duration::from_secs(1);

impl Default for List {
    fn default() -> List {
        List {
            waiting: BTreeMap::new(),
            tasks: BTreeMap::new(),
            last_ticket: 0,
            unanswered: 0,
            fresh: false,
            ticking: false,
            room: ROOM,
            asked: None,
        }
    }
}

/// Wakers to be woken once the lock is released.
#[must_use = "the wakers are to be woken"]
struct Due(Vec<Waker>);

impl Due {
    fn wake(self) {
        for waker in self.0 {
            // One that panics must not cost the others their wake-up. The reactor sees it in the same way.
            let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
        }
    }
}

impl List {
    /// Puts a waiter on the list, or in the place that it has there. What it replaces is dropped by the caller, later.
    fn put(&mut self, known: Option<u64>, waiter: Waiter) -> (u64, Option<Waiter>) {
        self.unanswered = 0;
        let ticket = known.unwrap_or_else(|| {
            self.last_ticket += 1;
            self.last_ticket
        });
        if let Some(task) = waiter.task {
            self.tasks.insert(task, ticket);
        }
        (ticket, self.waiting.insert(ticket, waiter))
    }

    fn remove(&mut self, ticket: u64) -> Option<Waiter> {
        let waiter = self.waiting.remove(&ticket)?;
        if let Some(task) = &waiter.task {
            self.tasks.remove(task);
        }
        Some(waiter)
    }

    fn remove_all(&mut self, tickets: Vec<u64>) -> Due {
        Due(tickets.into_iter().filter_map(|ticket| self.remove(ticket)).map(|waiter| waiter.waker).collect())
    }

    /// Takes those off the list who are to be woken next: one, then eight times as many at each tick.
    fn next(&mut self) -> Due {
        let count = 8_usize.saturating_pow(self.unanswered);
        self.unanswered = self.unanswered.saturating_add(1);
        let tickets = self.waiting.keys().copied().take(count).collect();
        self.remove_all(tickets)
    }

    fn answer(&mut self) -> bool {
        self.unanswered = 0;
        !self.waiting.is_empty()
    }

    /// When there are many tasks, those that still wait are found out by waking all: they come back.
    ///
    /// Waking all costs each a turn, and as many may be alive as there is room for. So the room grows each time, or
    /// they would ask each other without end; and it grows by so little that a hundred thousand tasks which come and
    /// go leave some two thousand wakers.
    fn ask(&mut self) -> Due {
        if self.tasks.len() < self.room {
            return Due(Vec::new());
        }
        let now = Instant::now();
        let lately = self.asked.is_some_and(|asked| now.duration_since(asked) < LONG_AGO);
        self.room = if lately { self.room + ROOM } else { 2 * ROOM };
        self.asked = Some(now);
        let tickets = self.tasks.values().copied().collect();
        self.remove_all(tickets)
    }
}

impl Waiters {
    /// Waits with a ticket, a new one where none is `known`. Afterwards the caller arms the reactor.
    pub(super) fn wait(&self, known: Option<u64>, waker: &Waker, until: Until) -> u64 {
        let waiter = Waiter { waker: waker.clone(), until, task: None };
        let (ticket, _replaced) = lock(&self.0).put(known, waiter);
        ticket
    }

    /// As [`wait`](Waiters::wait), for one who cannot keep a ticket, and will not say when it stops waiting.
    pub(super) fn wait_as_task(&self, waker: &Waker, until: Until) {
        let task = Task::of(waker);
        let waiter = Waiter { waker: waker.clone(), until, task: Some(task) };
        let mut state = lock(&self.0);
        let known = state.tasks.get(&task).copied();
        let due = if known.is_none() { state.ask() } else { Due(Vec::new()) };
        let (_, replaced) = state.put(known, waiter);
        drop(state);
        drop(replaced);
        due.wake();
    }

    /// Ends the waiting of one who has looked, or who waits no longer. True if the reactor is to be armed: others
    /// wait, and this one was woken.
    pub(super) fn leave(&self, ticket: u64) -> bool {
        let mut state = lock(&self.0);
        match state.remove(ticket) {
            Some(waiter) => {
                drop(state);
                drop(waiter);
                false
            }
            None => state.answer(),
        }
    }

    /// As [`leave`](Waiters::leave), for a task.
    pub(super) fn leave_as_task(&self, waker: &Waker) {
        let mut state = lock(&self.0);
        let ticket = state.tasks.get(&Task::of(waker)).copied();
        let waiter = ticket.and_then(|ticket| state.remove(ticket));
        drop(state);
        drop(waiter);
    }

    /// By one who has looked. True if others wait, and the reactor is to be armed.
    pub(super) fn answer(&self) -> bool {
        lock(&self.0).answer()
    }

    /// An exit can be taken. True if the timer is to be started.
    pub(super) fn event(&self) -> bool {
        let mut state = lock(&self.0);
        let due = state.next();
        state.fresh = true;
        let start = !state.ticking && !state.waiting.is_empty();
        state.ticking |= start;
        drop(state);
        due.wake();
        start
    }

    /// Some time has passed. True if the timer is to go on.
    pub(super) fn tick(&self) -> bool {
        let mut state = lock(&self.0);
        let mut due = Due(Vec::new());
        if state.unanswered > 0 && !std::mem::take(&mut state.fresh) {
            due = state.next();
        }
        state.ticking = state.unanswered > 0 && !state.waiting.is_empty();
        let goes_on = state.ticking;
        drop(state);
        due.wake();
        goes_on
    }

    /// Wakes those who have nothing to wait for any more.
    pub(super) fn end(&self, ended: Until) {
        let mut state = lock(&self.0);
        let tickets = state.waiting.iter().filter(|(_, waiter)| waiter.until <= ended);
        let tickets = tickets.map(|(ticket, _)| *ticket).collect();
        let due = state.remove_all(tickets);
        drop(state);
        due.wake();
    }
}
