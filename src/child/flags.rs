//! What is to be known of a process, in one byte: each child of a set has one.

use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};

#[derive(Clone, Copy)]
pub(crate) enum Flag {
    IsOurChild,
    KillOnDrop,
    ReapOnDrop,
    /// Nothing is left to do when it is dropped: it was reaped, or let go.
    Reaped,
    /// It was made the leader of a process group.
    LeadsGroup,
    /// When it ends, the rest of its unit is killed before it is reaped.
    KillsRest,
}

#[derive(Default)]
pub(super) struct Flags(AtomicU8);

impl Flags {
    #[inline]
    pub(super) fn has(&self, flag: Flag) -> bool {
        self.0.load(Ordering::Acquire) & 1 << flag as u8 != 0
    }

    /// Returns whether it was set before.
    #[inline]
    pub(super) fn set(&self, flag: Flag, on: bool) -> bool {
        let bit = 1 << flag as u8;
        let before = match on {
            true => self.0.fetch_or(bit, Ordering::AcqRel),
            false => self.0.fetch_and(!bit, Ordering::AcqRel),
        };
        before & bit != 0
    }

    /// As `set`, of a process that nobody else sees.
    #[inline]
    pub(super) fn begin_with(&mut self, flag: Flag, on: bool) {
        let flags = self.0.get_mut();
        *flags = *flags & !(1 << flag as u8) | u8::from(on) << flag as u8;
    }

    pub(super) fn take(&mut self) -> Flags {
        Flags(AtomicU8::new(*self.0.get_mut()))
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#b}", self.0.load(Ordering::Relaxed))
    }
}
