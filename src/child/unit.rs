//! What belongs to a child: whatever ends the child ends all of it.

use std::collections::HashSet;
use std::io;
use std::time::{Duration, Instant};

use super::flags::Flag;
use super::{Child, Process, Shared};
use crate::pidfd::{Forked, Gone, Signal};
use crate::sys::signal::group_of;
#[cfg(feature = "command")]
use crate::watch::cgroup::Cgroup;
use crate::watch::session;

/// What belongs to the process of a [`Command`](crate::Command), and is ended with it.
///
/// [`kill`](crate::Child::kill), [`terminate`](crate::Child::wait_terminated), `kill_on_drop` and
/// [`shutdown`](crate::ChildSet::shutdown) end the whole unit. [`send_signal`](crate::Child::send_signal) and waiting are
/// always for the process alone. A process that has left its own unit is ended with it.
///
/// ```
/// # use childset::{Command, Stdio, Unit};
/// # use std::io::Read;
/// let mut command = Command::new("sh");
/// command.args(["-c", "sleep 60 & wait"]).stdout(Stdio::piped()).unit(Unit::ProcessGroup);
/// let mut child = command.spawn()?;
/// child.kill()?;
/// // Nobody is left who could write.
/// assert_eq!(child.stdout.take().unwrap().blocking().read(&mut [0])?, 0);
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unit {
    /// The process alone.
    #[default]
    Process,
    /// Its process group, which it leads. A process can leave that: by setpgid(2) as shells with job control do, or by
    /// setsid(2) as daemons do.
    ProcessGroup,
    /// Its session, which it leads, with all process groups in it: what a shell with job control starts.
    ///
    /// The kernel has no call for a session. Its processes are looked for in `/proc`, until no new one is found, but not
    /// without end: one that forks and ends all the time may escape, unless it is in the process group of the child or,
    /// from Linux 6.9 on, in one whose leader lives. Without a `/proc` of this pid namespace, what ends the session ends the
    /// process group of the child alone, and fails with `ENOENT` or [`Unsupported`](io::ErrorKind::Unsupported).
    Session,
    /// A cgroup (version 2), which no process leaves without the right to: the one given by
    /// [`Command::cgroup`](crate::Command::cgroup), or one that is made for it below this process's own, and removed when
    /// it is empty.
    Cgroup,
}

/// How far a signal to a child's unit reached, or [`Child::kill_tree`](crate::Child::kill_tree).
///
/// ```
/// # use childset::{Command, Containment};
/// let child = Command::new("sleep").arg("60").spawn()?;
/// // It is in our process group, which is spared.
/// assert_eq!(child.kill_tree()?, Containment::Process);
/// # child.wait()?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Containment {
    /// The cgroup that the child was made in: everything in it and below.
    Cgroup,
    /// The session that the child leads, without processes that have left it.
    Session,
    /// The process group that the child leads, without processes that have left it.
    ProcessGroup,
    /// The child alone.
    Process,
}

/// `SIGCONT` follows, so that a stopped process can act on it.
pub(crate) const TERMINATE: &[Signal] = &[Signal::TERM, Signal::CONT];

pub(crate) const KILL: &[Signal] = &[Signal::KILL];

/// How long to wait before the next look at what is left of a unit, where the kernel does not say.
///
/// Of a cgroup it does say (`POLLPRI` of `cgroup.events`). But that file is always readable, too, and async-io's reactor
/// asks for both together: it would be woken all the time. So a cgroup is looked at like a group.
pub(crate) struct Looks {
    step: Duration,
    deadline: Option<Instant>,
    was_killed: bool,
}

/// How long those that were killed may take to end. One may hang in the kernel.
const KILLED: Duration = Duration::from_secs(1);

impl Looks {
    pub(crate) fn new(deadline: Option<Instant>) -> Looks {
        Looks { step: Duration::from_millis(1), deadline, was_killed: false }
    }

    /// At the deadline it is zero.
    pub(crate) fn next(&mut self) -> Duration {
        let step = self.step;
        self.step = (step * 2).min(Duration::from_millis(50));
        let left = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        left.map_or(step, |left| step.min(left))
    }

    /// Begins anew, with the time for those that were killed.
    pub(crate) fn kill(&mut self) {
        *self = Looks { was_killed: true, ..Looks::new(Instant::now().checked_add(KILLED)) };
    }

    pub(crate) fn was_killed(&self) -> bool {
        self.was_killed
    }

    /// When to kill; `None` once that was done, and if it is never to be.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.deadline.filter(|_| !self.was_killed)
    }

    pub(crate) fn is_due(&self) -> bool {
        !self.was_killed && self.is_over()
    }

    pub(crate) fn is_over(&self) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= Instant::now())
    }
}

impl Process {
    /// Sends signals to the unit; to one that is a cgroup, [`Shared`] does. The caller sees to it that the process is not
    /// reaped meanwhile.
    pub(crate) fn send_to_unit(&self, signals: &[Signal]) -> io::Result<Containment> {
        Forked::check(self.origin())?;
        if let Some(leader) = self.session() {
            session::send(&HashSet::from([leader]), signals)?;
            return Ok(Containment::Session);
        }
        let reached = match self.unit {
            Unit::Session | Unit::ProcessGroup => {
                signals.iter().try_for_each(|&signal| self.send_signal_to_group(signal))
            }
            Unit::Process | Unit::Cgroup => return self.send_to_process(signals),
        };
        match reached {
            // It may have left the group itself, and others may still be in it.
            Err(error) if Gone::from_io_error(&error).is_some() => self.send_to_process(signals),
            reached => reached.and_then(|()| self.send_if_left(signals)).map(|()| Containment::ProcessGroup),
        }
    }

    /// To the process alone, if it is not in the group that it was made to lead.
    fn send_if_left(&self, signals: &[Signal]) -> io::Result<()> {
        match self.own_pid().is_some_and(|pid| group_of(pid).is_ok_and(|group| group != pid)) {
            true => Gone::is_fine(self.send_to_process(signals).map(drop)),
            false => Ok(()),
        }
    }

    /// The session that is its unit, while that can be named.
    pub(crate) fn session(&self) -> Option<u32> {
        self.own_pid().filter(|_| self.unit == Unit::Session)
    }

    /// Its number, until another process may have that.
    fn own_pid(&self) -> Option<u32> {
        self.pid().filter(|_| !self.was_reaped())
    }

    fn send_to_process(&self, signals: &[Signal]) -> io::Result<Containment> {
        signals.iter().try_for_each(|&signal| self.pidfd().send_signal(signal))?;
        Ok(Containment::Process)
    }

    /// Sends `SIGKILL` as far as the process contains what it has started.
    pub(crate) fn kill_tree(&self) -> io::Result<Containment> {
        match self.has(Flag::LeadsGroup) && self.unit != Unit::Session {
            true => {
                Gone::is_fine(self.send_signal_to_group(Signal::KILL))?;
                self.send_if_left(KILL)?;
                Ok(Containment::ProcessGroup)
            }
            false => {
                let reached = self.send_to_unit(KILL);
                reached.or_else(|error| Gone::is_fine(Err(error)).map(|()| Containment::Process))
            }
        }
    }

    /// Has what is left of the unit killed at the end of this process, where it could not be named afterwards.
    pub(crate) fn begin_ending(&self) {
        let by_number = match self.unit {
            Unit::Process | Unit::Cgroup => false,
            Unit::Session => true,
            Unit::ProcessGroup => {
                let asked = self.pidfd().send_signal_to_group(0);
                asked.is_err_and(|error| error.kind() == io::ErrorKind::Unsupported)
            }
        };
        if by_number {
            self.set(Flag::KillsRest, true);
        }
    }

    /// Called before it may be reaped: until then, its number is its own.
    pub(crate) fn before_reaping(&self) {
        if self.has(Flag::KillsRest) && self.pidfd().has_ended().unwrap_or(false) {
            // Nobody may be left.
            let _ = self.send_to_unit(KILL);
        }
    }
}

impl Child {
    /// Whether it is the first of more than itself.
    pub(crate) fn has_unit(&self) -> bool {
        self.shared.process().unit != Unit::Process
    }
}

impl Shared {
    /// Sends signals to the unit, while nobody reaps its first process.
    pub(crate) fn send_to_unit(&self, signals: &[Signal]) -> io::Result<Containment> {
        self.check()?;
        #[cfg(feature = "command")]
        if let (Unit::Cgroup, Some(cgroup)) = (self.process().unit, self.cgroup()) {
            cgroup.send(signals)?;
            self.send_if_left(cgroup, signals)?;
            return Ok(Containment::Cgroup);
        }
        let _kept = self.lock_kept();
        self.process().send_to_unit(signals)
    }

    /// To the process alone, if it is not in its cgroup, which it may have had the right to leave.
    #[cfg(feature = "command")]
    fn send_if_left(&self, cgroup: &Cgroup, signals: &[Signal]) -> io::Result<()> {
        let _kept = self.lock_kept();
        match self.process().own_pid() {
            // One more does no harm.
            Some(pid) if signals == KILL || !cgroup.holds(pid)? => {
                Gone::is_fine(self.process().send_to_process(signals).map(drop))
            }
            _ => Ok(()),
        }
    }

    /// Sends `SIGKILL` to the unit. If nobody is left, that is no error.
    pub(crate) fn kill_unit(&self) -> io::Result<()> {
        Gone::is_fine(self.send_to_unit(KILL).map(drop))
    }

    /// As far as what it has started is contained.
    pub(crate) fn kill_tree(&self) -> io::Result<Containment> {
        self.check()?;
        #[cfg(feature = "command")]
        if let Some(cgroup) = self.cgroup() {
            if cgroup.send(KILL)? {
                self.send_if_left(cgroup, KILL)?;
                return Ok(Containment::Cgroup);
            }
        }
        let _kept = self.lock_kept();
        self.process().kill_tree()
    }

    /// Whether what was killed of it can be awaited, once its first process was reaped. In a group, zombies that nobody
    /// reaps seem to be left.
    pub(crate) fn tells_its_end(&self) -> bool {
        self.process().unit == Unit::Cgroup
    }

    /// Whether nobody is left of the unit, as far as can be told once its first process was reaped.
    pub(crate) fn is_unit_gone(&self) -> io::Result<bool> {
        self.check()?;
        match self.process().unit {
            Unit::Process => Ok(self.process().was_reaped()),
            #[cfg(feature = "command")]
            Unit::Cgroup => self.cgroup().map_or(Ok(true), |cgroup| Ok(!cgroup.is_populated()?)),
            // A session cannot be named any more.
            _ if !self.process().was_reaped() => Ok(false),
            _ => match self.pidfd().send_signal_to_group(0) {
                Ok(()) => Ok(false),
                // Somebody is there, of another user.
                Err(error) if error.raw_os_error() == Some(libc::EPERM) => Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(true),
                Err(error) => Gone::is_fine(Err(error)).map(|()| true),
            },
        }
    }
}
