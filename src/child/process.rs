#![allow(unsafe_code)]

use std::io;
use std::num::NonZeroU32;
use std::os::fd::{AsFd, BorrowedFd};
#[cfg(feature = "command")]
use std::sync::atomic::{AtomicU32, Ordering};

use super::flags::{Flag, Flags};
use super::unit::{Unit, KILL};
#[cfg(feature = "command")]
use crate::pidfd::StatusUnknown;
use crate::pidfd::{Collected, Exit, Forked, Gone, Pidfd, Signal};
#[cfg(feature = "command")]
use crate::sys::launch::{failed, forget, is_on_its_way, Failed};
use crate::sys::origin::Origin;
#[cfg(feature = "command")]
use crate::sys::plan::{Failure, Stage};
use crate::sys::signal::kill_group;
use crate::watch::dropped::{hand_over, Orphan};
use crate::watch::registered::Owner;

/// A process that we may have to answer for: what dropping it does.
#[derive(Debug)]
pub(crate) struct Process {
    /// `None` once it was taken away, and while being dropped.
    pidfd: Option<Pidfd>,
    /// `None` where it is not known.
    pid: Option<NonZeroU32>,
    /// The process that made it. A copy of that process must not use it.
    origin: Origin,
    flags: Flags,
    pub(crate) unit: Unit,
    /// The number of its launch; 0 if it was spawned, or is known to have failed at nothing.
    #[cfg(feature = "command")]
    flight: AtomicU32,
}

impl Process {
    pub(crate) fn new(pidfd: Pidfd, pid: Option<u32>, is_our_child: bool) -> Process {
        let mut process = Process {
            pidfd: Some(pidfd),
            pid: pid.and_then(NonZeroU32::new),
            origin: Origin::here(),
            flags: Flags::default(),
            unit: Unit::Process,
            #[cfg(feature = "command")]
            flight: AtomicU32::new(0),
        };
        process.begin_with(Flag::IsOurChild, is_our_child);
        process.begin_with(Flag::ReapOnDrop, true);
        process
    }

    /// Moves it out from behind a reference; nothing is left there that could be dropped.
    pub(crate) fn take(&mut self) -> Process {
        Process {
            pidfd: self.pidfd.take(),
            pid: self.pid,
            origin: self.origin,
            flags: self.flags.take(),
            unit: self.unit,
            #[cfg(feature = "command")]
            flight: AtomicU32::new(*self.flight.get_mut()),
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
        self.set(Flag::Reaped, true);
    }

    #[cfg(feature = "command")]
    pub(crate) fn flight(&self) -> u32 {
        self.flight.load(Ordering::Relaxed)
    }

    #[cfg(feature = "command")]
    pub(crate) fn set_flight(&mut self, flight: u32) {
        self.flight = AtomicU32::new(flight);
    }

    /// The exit as those who wait get it: an error, if the program could not be run.
    #[inline(always)]
    pub(crate) fn told(&self, exit: io::Result<Exit>) -> io::Result<Exit> {
        #[cfg(feature = "command")]
        if self.flight() != 0 {
            return self.told_of_launched(exit);
        }
        exit
    }

    #[cfg(feature = "command")]
    #[cold]
    fn told_of_launched(&self, exit: io::Result<Exit>) -> io::Result<Exit> {
        match failed(self.flight()) {
            None => {
                self.flight.store(0, Ordering::Relaxed);
                exit
            }
            // Before Linux 5.16 the child must not die of it on our memory.
            Some(Failed { failure: Failure { stage: Stage::Signal, errno: signals }, .. }) => {
                exit.map(|exit| exit.by_signal(signals.trailing_zeros() as i32 + 1))
            }
            Some(failed) => Err(failed.explain()),
        }
    }

    /// As [`told`](Process::told), of what was collected.
    #[inline(always)]
    pub(crate) fn told_of(&self, collected: io::Result<Collected>) -> io::Result<Collected> {
        #[cfg(feature = "command")]
        if self.flight() != 0 {
            return match collected {
                Ok(Collected::Exit(exit)) => self.told(Ok(exit)).map(Collected::Exit),
                // Somebody else has reaped it. We know what it failed at.
                Err(error) if StatusUnknown::from_io_error(&error).is_some() => {
                    self.told(Err(error)).map(Collected::Exit)
                }
                other => other,
            };
        }
        collected
    }

    pub(crate) fn was_reaped(&self) -> bool {
        self.has(Flag::Reaped)
    }

    #[inline]
    pub(crate) fn has(&self, flag: Flag) -> bool {
        self.flags.has(flag)
    }

    /// As `set`, of a process that nobody else sees.
    #[inline]
    pub(crate) fn begin_with(&mut self, flag: Flag, on: bool) {
        self.flags.begin_with(flag, on);
    }

    /// Returns whether it was set before.
    #[inline]
    pub(crate) fn set(&self, flag: Flag, on: bool) -> bool {
        self.flags.set(flag, on)
    }

    /// Whether dropping it kills its unit. Some of that may outlive the process.
    pub(crate) fn kills_when_dropped(&self) -> bool {
        self.has(Flag::KillOnDrop) && self.origin.is_here()
    }

    /// Does what dropping does, except the reaping. Returns whether that is to be done.
    pub(super) fn let_go(&self) -> bool {
        if !self.origin.is_here() {
            return false;
        }
        if self.kills_when_dropped() && (self.unit != Unit::Process || !self.was_reaped()) {
            // It fails if nobody is left, or nobody whom we may kill. In both cases there is nothing to do.
            let _ = self.send_to_unit(KILL);
        }
        // Once only: what is done here is not done again when the process is dropped.
        if self.set(Flag::Reaped, true) {
            return false;
        }
        self.has(Flag::IsOurChild) && self.has(Flag::ReapOnDrop)
    }

    /// Signals the process group that the process leads. The caller sees to it that it is not reaped meanwhile.
    pub(crate) fn send_signal_to_group(&self, signal: Signal) -> io::Result<()> {
        Forked::check(self.origin)?;
        let result = self.signal_group(signal);
        #[cfg(feature = "command")]
        if result.as_ref().is_err_and(|error| Gone::from_io_error(error).is_some())
            && self.flight() != 0
            && self.has(Flag::LeadsGroup)
        {
            return self.signal_launched_group(signal);
        }
        result
    }

    /// A launched child makes its group itself. Until then it is all of that.
    #[cfg(feature = "command")]
    #[cold]
    fn signal_launched_group(&self, signal: Signal) -> io::Result<()> {
        let alone = is_on_its_way(self.flight()).then(|| self.pidfd().send_signal(signal));
        // By now there may be a group, with more in it.
        let result = self.signal_group(signal);
        alone.unwrap_or(result)
    }

    fn signal_group(&self, signal: Signal) -> io::Result<()> {
        match (self.pidfd().send_signal_to_group(signal), self.pid) {
            // As long as our child was not reaped, no other group can have its number.
            (Err(error), Some(pid))
                if error.kind() == io::ErrorKind::Unsupported
                    && self.has(Flag::IsOurChild)
                    && !self.was_reaped() =>
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
        if self.pidfd.is_none() {
            return;
        }
        #[cfg(feature = "command")]
        if self.flight() != 0 && self.origin.is_here() {
            forget(self.flight());
        }
        if self.let_go() {
            self.pidfd.take().into_iter().map(Orphan::Alone).for_each(hand_over);
        }
    }
}
