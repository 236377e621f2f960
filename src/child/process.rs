#![allow(unsafe_code)]

use std::io;
use std::num::NonZeroU32;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::pidfd::{Forked, Gone, Pidfd, Signal};
use crate::sys::origin::Origin;
use crate::sys::signal::kill_group;
use super::unit::{Unit, KILL};
use crate::watch::dropped::{hand_over, Orphan};
use crate::watch::registered::Owner;

/// A process that we may have to answer for: what dropping it does.
#[derive(Debug)]
pub(crate) struct Process {
    /// `None` once it was taken away, and while being dropped.
    pidfd: Option<Pidfd>,
    /// `None` where it is not known.
    pid: Option<NonZeroU32>,
    /// Whose it is: a copy of that process has no business with it.
    origin: Origin,
    pub(crate) is_our_child: bool,
    pub(crate) kill_on_drop: AtomicBool,
    pub(crate) reap_on_drop: AtomicBool,
    /// Nothing is left to do when it is dropped: it was reaped, or let go.
    reaped: AtomicBool,
    /// Whether it was made the leader of a process group.
    pub(crate) leads_group: bool,
    pub(crate) unit: Unit,
    /// What is left of the unit at its end is killed before it is reaped.
    kills_rest: AtomicBool,
}

impl Process {
    pub(crate) fn new(pidfd: Pidfd, pid: Option<u32>, is_our_child: bool) -> Process {
        Process {
            pidfd: Some(pidfd),
            pid: pid.and_then(NonZeroU32::new),
            origin: Origin::here(),
            is_our_child,
            kill_on_drop: AtomicBool::new(false),
            reap_on_drop: AtomicBool::new(true),
            reaped: AtomicBool::new(false),
            leads_group: false,
            unit: Unit::Process,
            kills_rest: AtomicBool::new(false),
        }
    }

    /// Moves it out from behind a reference; nothing is left there that could be dropped.
    pub(crate) fn take(&mut self) -> Process {
        Process {
            pidfd: self.pidfd.take(),
            pid: self.pid,
            origin: self.origin,
            is_our_child: self.is_our_child,
            kill_on_drop: AtomicBool::new(*self.kill_on_drop.get_mut()),
            reap_on_drop: AtomicBool::new(*self.reap_on_drop.get_mut()),
            reaped: AtomicBool::new(*self.reaped.get_mut()),
            leads_group: self.leads_group,
            unit: self.unit,
            kills_rest: AtomicBool::new(*self.kills_rest.get_mut()),
        }
    }

    pub(crate) fn from_child(child: &std::process::Child) -> io::Result<Process> {
        let pidfd = Pidfd::from_child(child)?;
        // A running process that is not our child got the pid of one that was waited for.
        if !pidfd.is_our_child()? && !pidfd.has_ended()? {
            return Err(Gone::Reaped.into());
        }
        Ok(Process::new(pidfd, Some(child.id()), true))
    }

    /// Any process: a child of ours is reaped when it is dropped, another one is only forgotten.
    pub(crate) fn of_pidfd(pidfd: Pidfd) -> Result<Process, (io::Error, Pidfd)> {
        let facts = pidfd.is_our_child().and_then(|is_our_child| match pidfd.pid() {
            Err(error)
                if Gone::from_io_error(&error).is_none() && error.kind() != io::ErrorKind::Unsupported =>
            {
                Err(error)
            }
            pid => Ok((pid.ok().flatten(), is_our_child)),
        });
        match facts {
            Ok((pid, is_our_child)) => Ok(Process::new(pidfd, pid, is_our_child)),
            Err(error) => Err((error, pidfd)),
        }
    }

    pub(crate) fn pidfd(&self) -> &Pidfd {
        self.pidfd.as_ref().expect("not taken away")
    }

    /// Gives up the responsibility.
    pub(crate) fn into_pidfd(mut self) -> Pidfd {
        self.pidfd.take().expect("not taken away")
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.pid.map(NonZeroU32::get)
    }

    pub(crate) fn origin(&self) -> Origin {
        self.origin
    }

    /// Nothing is left to reap or to kill.
    pub(crate) fn set_reaped(&self) {
        self.reaped.store(true, Ordering::Release);
    }

    pub(crate) fn was_reaped(&self) -> bool {
        self.reaped.load(Ordering::Acquire)
    }

    pub(super) fn set_kills_rest(&self) {
        self.kills_rest.store(true, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn kills_rest(&self) -> bool {
        self.kills_rest.load(Ordering::Relaxed)
    }

    /// Whether dropping it is to kill its unit, of which some may be left after its own end.
    pub(super) fn kills_when_dropped(&self) -> bool {
        self.kill_on_drop.load(Ordering::Relaxed) && self.origin.is_here()
    }

    /// Does what dropping does, except the reaping. Returns whether that is to be done.
    pub(super) fn let_go(&self) -> bool {
        if !self.origin.is_here() {
            return false;
        }
        if self.kills_when_dropped() && (self.unit != Unit::Process || !self.was_reaped()) {
            // It fails if nobody is left, or nobody who is ours to kill: both leave nothing to do.
            let _ = self.send_to_unit(KILL);
        }
        // Once only: what is done here is not done again when the process is dropped.
        if self.reaped.swap(true, Ordering::AcqRel) {
            return false;
        }
        self.is_our_child && self.reap_on_drop.load(Ordering::Relaxed)
    }

    /// Signals the process group that the process leads. The caller sees to it that it is not reaped meanwhile.
    pub(crate) fn send_signal_to_group(&self, signal: Signal) -> io::Result<()> {
        Forked::check(self.origin)?;
        match (self.pidfd().send_signal_to_group(signal), self.pid) {
            // As long as our child was not reaped, no other group can have its number.
            (Err(error), Some(pid))
                if error.kind() == io::ErrorKind::Unsupported
                    && self.is_our_child
                    && !self.reaped.load(Ordering::Acquire) =>
            {
                kill_group(pid.get(), signal.as_raw()).map_err(Gone::explain)
            }
            (result, _) => result,
        }
    }
}

impl AsFd for Process {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd().as_fd()
    }
}

// SAFETY: the pidfd is taken only by `into_pidfd` and `drop`, which need the process itself, and is never replaced.
unsafe impl Owner for Process {}

impl Drop for Process {
    fn drop(&mut self) {
        if self.pidfd.is_some() && self.let_go() {
            self.pidfd.take().into_iter().map(Orphan::Alone).for_each(hand_over);
        }
    }
}
