//! The threads that block on a set. tests/model tries them in every order.
//!
//! Poll(2) wakes all threads that wait for a descriptor. So one of them alone, the leader, waits for the set's, and
//! for a bell, which is rung when the set has ended. The others sleep. When the leader has its exit, or no time left,
//! it wakes one of them, which looks for an exit and is the leader from then on. A thread that blocks is sure to look,
//! other than a task.
//!
//! So while any thread sleeps there is a leader, or a thread that runs and has a [`Seat`]: whoever leaves its seat
//! while nobody leads wakes another one.

use std::io;
use std::sync::PoisonError;
use std::time::Duration;

use super::bell::Bell;
use super::until::Until;
use crate::sync::{lock, Condvar, Mutex};

#[derive(Debug, Default)]
pub(super) struct Blocked {
    threads: Mutex<Threads>,
    /// Those who wait until the set is empty, and those who wait until it is closed.
    asleep: [Condvar; 2],
}

#[derive(Debug, Default)]
struct Threads {
    leader: Option<Until>,
    asleep: [usize; 2],
    /// Made by the first leader, and kept.
    bell: Option<Bell>,
    rung: bool,
}

impl Blocked {
    /// Wakes those who have nothing to wait for any more.
    pub(super) fn end(&self, ended: Until) {
        let mut threads = lock(&self.threads);
        if threads.leader.is_some_and(|until| until <= ended) && !threads.rung {
            threads.bell.iter().for_each(Bell::ring);
            threads.rung = true;
        }
        let kinds = self.asleep.iter().zip(threads.asleep).take(ended as usize + 1);
        kinds.filter(|(_, asleep)| *asleep > 0).for_each(|(condvar, _)| condvar.notify_all());
    }

    /// Takes an exit, once there is one; `None` at the end of the set, or when no time is `left`.
    ///
    /// If that was the last exit, the caller calls `end` afterwards: to do so from its seat would wake itself.
    ///
    /// The leader stays on its seat until it has its exit, even if it finds none at first: another one, woken to lead,
    /// would find none either.
    #[inline]
    pub(super) fn wait<E>(
        &self,
        left: impl Fn() -> Option<Duration>,
        take: impl Fn() -> io::Result<Option<E>>,
        (until, has_ended): (Until, impl Fn() -> bool),
        poll: impl Fn(&Bell, Option<Duration>) -> io::Result<()>,
    ) -> io::Result<Option<E>> {
        let mut seat = None;
        loop {
            let exit = take();
            if !matches!(exit, Ok(None)) {
                return exit;
            }
            let left = left();
            if left == Some(Duration::ZERO) || has_ended() {
                return exit;
            }
            let seat = seat.get_or_insert_with(|| Seat { blocked: self, until, leads: false });
            seat.block(left, &has_ended, &poll)?;
        }
    }
}

/// A thread that blocks, or has blocked and has not left yet.
struct Seat<'a> {
    blocked: &'a Blocked,
    until: Until,
    leads: bool,
}

impl Seat<'_> {
    /// Blocks until there may be an exit, the set may have ended, or the time is over: in `poll`, if this thread leads.
    ///
    /// Both kinds look for the end of the set only when they can be woken by it: the leader once it has the bell, the
    /// others under the lock that `end` takes to wake them.
    fn block(
        &mut self,
        left: Option<Duration>,
        has_ended: impl Fn() -> bool,
        poll: impl FnOnce(&Bell, Option<Duration>) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut threads = lock(&self.blocked.threads);
        if !self.leads && threads.leader.is_some() {
            if !has_ended() {
                let kind = self.until as usize;
                threads.asleep[kind] += 1;
                let asleep = &self.blocked.asleep[kind];
                threads = match left {
                    Some(left) => {
                        asleep.wait_timeout(threads, left).unwrap_or_else(PoisonError::into_inner).0
                    }
                    None => asleep.wait(threads).unwrap_or_else(PoisonError::into_inner),
                };
                threads.asleep[kind] -= 1;
            }
            return Ok(());
        }
        let bell = match &threads.bell {
            Some(bell) => bell.clone(),
            None => threads.bell.insert(Bell::new()?).clone(),
        };
        threads.leader = Some(self.until);
        self.leads = true;
        threads.silence();
        drop(threads);
        if has_ended() {
            return Ok(());
        }
        poll(&bell, left)
    }
}

impl Threads {
    fn silence(&mut self) {
        if std::mem::take(&mut self.rung) {
            self.bell.iter().for_each(Bell::silence);
        }
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let mut threads = lock(&self.blocked.threads);
        if self.leads {
            threads.leader = None;
            threads.silence();
        }
        if threads.leader.is_none() {
            let next = threads.asleep.iter().position(|asleep| *asleep > 0);
            next.into_iter().for_each(|kind| self.blocked.asleep[kind].notify_one());
        }
    }
}
