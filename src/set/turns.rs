//! When the consumers of a set let their executor run other tasks.

use std::collections::BTreeSet;
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
pub(super) struct Turns(Mutex<Turn>);

#[derive(Debug, Default)]
struct Turn {
    given: u32,
    sent_away: BTreeSet<Task>,
}

impl Turns {
    /// Whether it is others' turn: the consumer is to wake itself and come again.
    pub(super) fn is_over(&self, waker: &Waker) -> bool {
        let mut turn = lock(&self.0);
        if turn.given < GIVEN_IN_A_ROW {
            return false;
        }
        if turn.sent_away.len() < SENT_AWAY && turn.sent_away.insert(Task::of(waker)) {
            return true;
        }
        *turn = Turn::default();
        false
    }

    /// An exit was given out.
    pub(super) fn count(&self) {
        lock(&self.0).given += 1;
    }

    /// There was no exit to give out: the consumer waits, and the executor goes on.
    pub(super) fn rest(&self) {
        *lock(&self.0) = Turn::default();
    }
}
