use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};
#[cfg(feature = "command")]
use std::sync::Arc;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};

use super::flags::Flag;
use super::keeper::Keepers;
#[cfg(feature = "command")]
use super::unit::{Unit, KILL};
use super::Process;
#[cfg(feature = "async-io")]
use crate::async_pidfd::take_exit;
use crate::pidfd::{collect, Collected, Edge, Exit, Forked, Pidfd, Signal, StateChange};
use crate::sync::lock;
use crate::sys::poll::poll;
#[cfg(feature = "command")]
use crate::watch::cgroup::Cgroup;
use crate::watch::dropped::{sweep, wakes_sweepers};
use crate::watch::registered::Registered;
use crate::watch::Watched;

/// What a `Child`, its handles and the futures that it gave out share.
#[derive(Debug)]
pub(crate) struct Shared {
    process: Registered<Process>,
    pub(super) keepers: Keepers,
    /// Locked while the exit is taken, so that of two waiters the second one finds it here.
    kept: Mutex<Option<Exit>>,
    /// In milliseconds.
    drain_grace: AtomicU32,
    /// In milliseconds; 0 unless set.
    drain_limit: AtomicU32,
    /// The one that the process was made in.
    #[cfg(feature = "command")]
    cgroup: Option<Arc<Cgroup>>,
}

const DRAIN_GRACE: u32 = 200;

const DRAIN_LIMIT: Duration = Duration::from_secs(5);

fn millis(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

impl Shared {
    #[inline]
    pub(crate) fn new(process: Process, kept: Option<Exit>) -> Shared {
        Shared {
            process: Registered::new(process),
            keepers: Keepers::one(),
            kept: Mutex::new(kept),
            drain_grace: AtomicU32::new(DRAIN_GRACE),
            drain_limit: AtomicU32::new(0),
            #[cfg(feature = "command")]
            cgroup: None,
        }
    }

    #[cfg(feature = "command")]
    pub(crate) fn with(self, cgroup: Option<Arc<Cgroup>>) -> Shared {
        Shared { cgroup, ..self }
    }

    #[cfg(feature = "command")]
    pub(crate) fn cgroup(&self) -> Option<&Cgroup> {
        self.cgroup.as_deref()
    }

    /// For a unit that the process alone does not know.
    pub(super) fn kill_dropped_cgroup(&self) {
        #[cfg(feature = "command")]
        if self.process().unit == Unit::Cgroup && self.process().kills_when_dropped() {
            // As for a process: where it fails, there is nothing to do.
            let _ = self.cgroup().map(|cgroup| cgroup.send(KILL));
        }
    }

    /// While it is locked, nobody reaps the child.
    pub(crate) fn lock_kept(&self) -> impl Drop + '_ {
        lock(&self.kept)
    }

    /// How long pipes may be silent after the exit before their end is no longer waited for.
    pub(crate) fn drain_grace(&self) -> Duration {
        Duration::from_millis(self.drain_grace.load(Ordering::Relaxed).into())
    }

    pub(crate) fn set_drain_grace(&self, grace: Duration) {
        self.drain_grace.store(millis(grace), Ordering::Relaxed);
    }

    /// How long after the exit the end of pipes is waited for, whatever comes through them.
    pub(crate) fn drain_limit(&self) -> Duration {
        match self.drain_limit.load(Ordering::Relaxed) {
            0 => DRAIN_LIMIT.max(self.drain_grace()),
            limit => Duration::from_millis(limit.into()),
        }
    }

    /// Unless they were set.
    pub(crate) const DRAIN_TIMES: (Duration, Duration) =
        (Duration::from_millis(DRAIN_GRACE as u64), DRAIN_LIMIT);

    pub(crate) fn set_drain_limit(&self, limit: Duration) {
        self.drain_limit.store(millis(limit).max(1), Ordering::Relaxed);
    }

    pub(crate) fn process(&self) -> &Process {
        self.process.get()
    }

    pub(crate) fn pidfd(&self) -> &Pidfd {
        self.process().pidfd()
    }

    /// Refuses a child of the process that this one is a copy of.
    pub(crate) fn check(&self) -> io::Result<()> {
        Forked::check(self.process().origin())
    }

    /// The descriptor, to do something to the process by it.
    pub(crate) fn own_pidfd(&self) -> io::Result<&Pidfd> {
        self.check()?;
        Ok(self.pidfd())
    }

    /// Whether there is nothing to it but the process.
    pub(crate) fn is_plain(&self) -> bool {
        let (grace, limit) = (&self.drain_grace, &self.drain_limit);
        let unset = grace.load(Ordering::Relaxed) == DRAIN_GRACE && limit.load(Ordering::Relaxed) == 0;
        #[cfg(feature = "command")]
        let unset = unset && self.cgroup.is_none();
        unset && self.kept().is_none()
    }

    pub(crate) fn into_process(self) -> Process {
        self.process.into_inner()
    }

    /// The exit, if it was taken.
    pub(crate) fn kept(&self) -> Option<Exit> {
        match self.check() {
            Ok(()) => *lock(&self.kept),
            // It may have been locked when this process was copied, and would stay so.
            Err(_) => self.kept.try_lock().ok().and_then(|kept| *kept),
        }
    }

    /// The exit of a program that was run, if it was taken.
    pub(crate) fn known_exit(&self) -> Option<Exit> {
        self.kept().and_then(|exit| self.process().told(Ok(exit)).ok())
    }

    /// As [`collect`], but the exit is kept.
    pub(crate) fn collect(&self) -> io::Result<Collected> {
        self.check()?;
        let mut kept = lock(&self.kept);
        if let Some(exit) = *kept {
            return Ok(Collected::Exit(exit));
        }
        self.process().before_reaping();
        let collected = collect(self.pidfd(), libc::WNOHANG)?;
        if let Collected::Exit(exit) = collected {
            self.process().set_reaped();
            *kept = Some(exit);
        }
        Ok(collected)
    }

    /// As [`collect`](Shared::collect), for those who wait.
    pub(crate) fn collect_told(&self) -> io::Result<Collected> {
        self.process().told_of(self.collect())
    }

    pub(crate) fn try_wait(&self) -> io::Result<Option<Exit>> {
        sweep();
        Ok(match self.collect_told()? {
            Collected::Exit(exit) => Some(exit),
            Collected::Running | Collected::Foreign => None,
        })
    }

    /// Blocks until there is an exit or the deadline has passed.
    pub(crate) fn wait_until(&self, deadline: Option<Instant>) -> io::Result<Option<Exit>> {
        let mut edge = None;
        loop {
            if let Some(exit) = self.try_wait()? {
                return Ok(Some(exit));
            }
            // A zombie that a tracer holds back is readable all the time: only an edge reports more.
            if edge.is_none() && self.pidfd().has_ended()? {
                edge = Some(Edge::new(self.pidfd())?);
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return Ok(None);
            }
            self.block(edge.as_ref(), wakes_sweepers(), left)?;
            if let Some(edge) = &edge {
                edge.consume()?;
            }
        }
    }

    /// Blocks until the child may have ended (then true), a dropped child is to be reaped, or the time is over.
    pub(super) fn block(
        &self,
        edge: Option<&Edge>,
        sweepers: Option<&OwnedFd>,
        left: Option<Duration>,
    ) -> io::Result<bool> {
        let child = edge.map_or(self.pidfd().as_fd(), AsFd::as_fd);
        let sweepers = sweepers.map_or(child, AsFd::as_fd);
        let mut fds = [child, sweepers].map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
        poll(&mut fds, left)?;
        Ok(!fds[0].revents().is_empty())
    }

    pub(super) fn try_wait_state(&self) -> io::Result<Option<StateChange>> {
        self.check()?;
        match self.process().was_reaped() {
            true => Ok(Some(StateChange::Ended)),
            false => self.pidfd().try_wait_state(),
        }
    }

    /// Signals the group, while nobody reaps its leader.
    pub(crate) fn send_signal_to_group(&self, signal: Signal) -> io::Result<()> {
        self.check()?;
        let _kept = lock(&self.kept);
        self.process().send_signal_to_group(signal)
    }

    /// Awaits the exit; several may.
    #[cfg(feature = "async-io")]
    pub(crate) async fn exit(&self) -> io::Result<Exit> {
        if let Some(exit) = self.try_wait()? {
            return Ok(exit);
        }
        take_exit(self.process.source()?, self.pidfd(), || self.try_wait()).await
    }
}

impl Watched for Shared {
    fn pidfd(&self) -> &Pidfd {
        self.pidfd()
    }

    fn is_our_child(&self) -> bool {
        self.process().has(Flag::IsOurChild)
    }

    fn collect(&self) -> io::Result<Collected> {
        self.collect()
    }
}
