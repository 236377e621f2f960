//! Whether a process runs, is stopped, is a zombie, or is gone.

use std::io;
use std::os::fd::BorrowedFd;

use rustix::event::PollFlags;

use super::gone::Gone;
use super::signal::Signal;
use super::take::before_taking;
use super::Pidfd;
use crate::sys::poll::ready;
use crate::sys::wait::waitid;

/// What has become of a process.
///
/// ```
/// use childset::{Pidfd, State};
///
/// let me = Pidfd::open(std::process::id())?;
/// assert_eq!(me.state()?, State::Running);
/// # std::io::Result::Ok(())
/// ```
///
/// [`Pidfd::state`] gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// It runs or is stopped. Its first thread may have ended, if others go on.
    Running,
    /// It has ended, and its parent has not reaped it.
    Zombie,
    /// It is gone: its parent, or the kernel, has reaped it.
    Reaped,
}

/// What happened to a child: it was stopped or continued, or has ended.
///
/// ```
/// use childset::{Pidfd, Signal, StateChange};
///
/// let child = std::process::Command::new("sh").args(["-c", "kill -STOP $$"]).spawn()?;
/// let pidfd = Pidfd::from_child(&child)?;
/// assert_eq!(pidfd.wait_state()?, StateChange::Stopped(Signal::STOP));
/// pidfd.send_signal(Signal::CONT)?;
/// while pidfd.wait_state()? != StateChange::Ended {}
/// assert!(pidfd.wait()?.success());
/// # std::io::Result::Ok(())
/// ```
///
/// [`Pidfd::wait_state`] and [`Pidfd::try_wait_state`] give it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StateChange {
    /// This signal stopped it.
    Stopped(Signal),
    /// It stopped for its tracer, a thread of this process. The lowest eight bits of the number are the signal, and
    /// those above are the event, as in ptrace(2).
    Trapped(i32),
    /// `SIGCONT` made it go on.
    Continued,
    /// It has ended. [`Pidfd::wait`] takes its exit.
    Ended,
}

impl Pidfd {
    /// Whether the process runs, is a zombie, or was reaped. Never blocks.
    ///
    /// ```
    /// # use childset::{Pidfd, State};
    /// let child = std::process::Command::new("true").spawn()?;
    /// let pidfd = Pidfd::from_child(&child)?;
    /// pidfd.wait()?;
    /// assert_eq!(pidfd.state()?, State::Reaped);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// From Linux 6.9 on, readiness distinguishes all three (`POLLHUP`). Before, signal 0 is sent to a process that has
    /// ended: it reaches a zombie, and no reaped process. Then a process outside the pid namespace of this one, which
    /// cannot be sent signals, counts as a [`Zombie`](State::Zombie). See poll(2).
    ///
    /// # Errors
    /// `ENOMEM`: out of memory.
    pub fn state(&self) -> io::Result<State> {
        let ready = ready(self, PollFlags::IN)?;
        if ready.is_empty() {
            return Ok(State::Running);
        }
        if ready.contains(PollFlags::HUP) {
            return Ok(State::Reaped);
        }
        Ok(match self.send_signal(0) {
            Err(error) if Gone::from_io_error(&error).is_some() => State::Reaped,
            _ => State::Zombie,
        })
    }

    /// Waits until our child is stopped or continued, or has ended. Does not reap it. See waitid(2).
    ///
    /// ```
    /// # use childset::{Pidfd, Signal, StateChange};
    /// # use std::process::{Command, Stdio};
    /// # let child = Command::new("cat").stdin(Stdio::piped()).spawn()?;
    /// let pidfd = Pidfd::from_child(&child)?;
    /// pidfd.send_signal(Signal::STOP)?;
    /// assert_eq!(pidfd.wait_state()?, StateChange::Stopped(Signal::STOP));
    /// # pidfd.kill()?;
    /// # pidfd.wait()?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// Each stop and each continuation is reported once, the end as often as one asks. The descriptor does not become
    /// readable when the child is stopped or continued: only this call reports that.
    ///
    /// # Errors
    /// - `ECHILD`: the process is not our child, or was reaped.
    /// - `EAGAIN` ([`WouldBlock`](io::ErrorKind::WouldBlock)): the descriptor is `O_NONBLOCK`, and there is
    ///   nothing to report.
    pub fn wait_state(&self) -> io::Result<StateChange> {
        before_taking();
        loop {
            if let Some(change) = take_change(self.fd(), 0)? {
                return Ok(change);
            }
        }
    }

    /// As [`wait_state`](Pidfd::wait_state), but returns `None` instead of blocking.
    ///
    /// ```
    /// # use childset::Pidfd;
    /// let child = std::process::Command::new("sleep").arg("60").spawn()?;
    /// let pidfd = Pidfd::from_child(&child)?;
    /// assert_eq!(pidfd.try_wait_state()?, None);
    /// # pidfd.kill()?;
    /// # pidfd.wait()?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// `ECHILD`: the process is not our child, or was reaped.
    pub fn try_wait_state(&self) -> io::Result<Option<StateChange>> {
        before_taking();
        take_change(self.fd(), libc::WNOHANG)
    }

    /// Whether `POLLHUP` says that the process was reaped: it came with [their own file system](Pidfd::is_in_pidfs).
    #[cfg(feature = "async-io")]
    pub(crate) fn tells_reaping(&self) -> io::Result<bool> {
        self.is_in_pidfs()
    }

    /// Whether it is a file of the pidfds' own file system: Linux 6.9.
    pub(super) fn is_in_pidfs(&self) -> io::Result<bool> {
        const PIDFS_MAGIC: u64 = 0x50494446;
        Ok(rustix::fs::fstatfs(self)?.f_type as u64 == PIDFS_MAGIC)
    }
}

/// Takes a stop or a continuation, or sees that the child is a zombie.
///
/// `options` is `WNOHANG`, or 0 to block as the descriptor does.
fn take_change(pidfd: BorrowedFd<'_>, options: i32) -> io::Result<Option<StateChange>> {
    loop {
        let waited = match waitid(pidfd, libc::WSTOPPED | libc::WCONTINUED | options, None) {
            Err(error) => match error.raw_os_error() {
                Some(libc::EINTR) => continue,
                // So says the kernel of a zombie too, unless it is asked for the end: asked without reaping.
                Some(libc::ECHILD) => waitid(pidfd, libc::WEXITED | libc::WNOHANG | libc::WNOWAIT, None)?,
                _ => return Err(error),
            },
            Ok(waited) => waited,
        };
        return Ok(waited.map(|waited| match waited.code {
            libc::CLD_STOPPED => StateChange::Stopped(waited.status.into()),
            libc::CLD_TRAPPED => StateChange::Trapped(waited.status),
            libc::CLD_CONTINUED => StateChange::Continued,
            _ => StateChange::Ended,
        }));
    }
}
