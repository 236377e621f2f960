//! When the consumers of a set let their executor run other tasks.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Waker;

use super::waiters::Task;
use crate::sync::{lock, Mutex};

/// How many exits are given out in a row before the executor gets a turn.
const GIVEN_IN_A_ROW: u32 = 64;

/// Tasks whose wakers differ at each poll are never seen again: so many are sent away, and it is enough.
const SENT_AWAY: usize = 1024;

/// Counts exits for the whole set, so that many consumers do not take as many batches in a row.
///
/// After a batch each consumer that comes is sent away, and woken at once: its executor puts it behind all tasks that
/// are ready. The first one that comes a second time shows that they have had their turn.
#[derive(Debug, Default)]
pub(super) struct Turns {
    given: AtomicU32,
    /// Empty before a batch was given.
    sent_away: Mutex<BTreeSet<Task>>,
}

impl Turns {
    /// Whether it is the turn of others. Then the consumer wakes itself and comes again.
    pub(super) fn is_over(&self, waker: &Waker) -> bool {
        let is_given = || self.given.load(Ordering::Relaxed) >= GIVEN_IN_A_ROW;
        if !is_given() {
            return false;
        }
        let mut sent_away = lock(&self.sent_away);
        // Another one may have come a second time meanwhile.
        if !is_given() {
            return false;
        }
        if sent_away.len() < SENT_AWAY && sent_away.insert(Task::of(waker)) {
            return true;
        }
        self.given.store(0, Ordering::Relaxed);
        sent_away.clear();
        false
    }

    /// An exit was given out.
    pub(super) fn count(&self) {
        self.given.fetch_add(1, Ordering::Relaxed);
    }

    /// There was no exit to give out: the consumer waits, and the executor goes on.
    pub(super) fn rest(&self) {
        if self.given.swap(0, Ordering::Relaxed) >= GIVEN_IN_A_ROW {
            lock(&self.sent_away).clear();
        }
    }
}
