use std::error::Error;
use std::fmt;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use super::signal::Signal;
use super::usage::Usage;
use crate::sys::wait::{Rusage, Waited};

/// How a process ended: its status, and what it used.
///
/// ```
/// use childset::Command;
///
/// let exit = Command::new("sh").args(["-c", "exit 7"]).spawn()?.wait()?;
/// assert_eq!((exit.code(), exit.signal(), exit.success()), (Some(7), None, false));
/// assert_eq!(exit.to_string(), "exit status: 7");
/// if let Some(usage) = exit.usage() {
///     println!("{:?} of processor time", usage.user_time + usage.system_time);
/// }
/// # std::io::Result::Ok(())
/// ```
///
/// One `waitid` call takes both. If somebody else reaped the process, Linux 6.15 and later still report the status,
/// but no longer the resource use. See waitid(2).
///
/// `Display` prints what that of [`ExitStatus`] does. Each can be made from the other:
///
/// ```
/// # use childset::{Command, Exit, ExitStatus};
/// let by_std: ExitStatus = std::process::Command::new("false").status()?;
/// let exit = Exit::from(by_std);
/// assert_eq!((exit.code(), exit.usage()), (Some(1), None));
/// assert_eq!(ExitStatus::from(exit), by_std);
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    status: ExitStatus,
    usage: Option<Usage>,
}

impl Exit {
    /// The status, as `std` has it.
    pub fn status(&self) -> ExitStatus {
        self.status
    }

    /// Whether the process ended by itself with code 0.
    pub fn success(&self) -> bool {
        self.status.success()
    }

    /// The exit code, or `None` if a signal ended the process.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// The signal that ended the process, if one did.
    ///
    /// ```
    /// # use childset::{Command, Signal};
    /// let exit = Command::new("sh").args(["-c", "kill -TERM $$"]).spawn()?.wait()?;
    /// assert_eq!((exit.signal(), exit.code()), (Some(Signal::TERM), None));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn signal(&self) -> Option<Signal> {
        self.status.signal().map(Signal::from)
    }

    /// The processor time spent in user mode, by the process and the children that it waited for.
    ///
    /// `None` where there is no [`usage`](Exit::usage).
    pub fn user_time(&self) -> Option<Duration> {
        self.usage.map(|usage| usage.user_time)
    }

    /// The processor time spent in the kernel, by the process and the children that it waited for.
    ///
    /// `None` where there is no [`usage`](Exit::usage).
    pub fn system_time(&self) -> Option<Duration> {
        self.usage.map(|usage| usage.system_time)
    }

    /// The largest resident set, in bytes, of the process or of a child that it waited for.
    ///
    /// `None` where there is no [`usage`](Exit::usage), or where the number says nothing of the process:
    /// see [`Usage::max_rss`].
    pub fn max_rss(&self) -> Option<u64> {
        self.usage.and_then(|usage| usage.max_rss)
    }

    /// The whole resource use. `None` if the kernel reaped the process by itself, or somebody else reaped it.
    pub fn usage(&self) -> Option<&Usage> {
        self.usage.as_ref()
    }

    pub(super) fn from_wait_status(status: i32) -> Exit {
        Exit::from(ExitStatus::from_raw(status))
    }

    /// As of a process that this signal has ended, without a dump.
    #[cfg(feature = "command")]
    pub(crate) fn by_signal(self, signal: i32) -> Exit {
        Exit { status: ExitStatus::from_raw(signal), ..self }
    }

    pub(super) fn from_waited(waited: Waited, usage: &Rusage) -> Exit {
        let status = match waited.code {
            libc::CLD_EXITED => (waited.status & 0xff) << 8,
            libc::CLD_DUMPED => waited.status | 0x80,
            _ => waited.status,
        };
        Exit { usage: Some(Usage::from_raw(usage)), ..Exit::from_wait_status(status) }
    }
}

/// Without the resource use, which the status does not have.
impl From<ExitStatus> for Exit {
    fn from(status: ExitStatus) -> Exit {
        Exit { status, usage: None }
    }
}

impl From<Exit> for ExitStatus {
    fn from(exit: Exit) -> ExitStatus {
        exit.status
    }
}

/// `exit status: 7`, or `signal: 9 (SIGKILL)`: as [`ExitStatus`] prints.
impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.status, f)
    }
}

impl fmt::Debug for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Exit");
        if let Some(code) = self.code() {
            out.field("code", &code);
        }
        if let Some(signal) = self.signal() {
            out.field("signal", &signal).field("core_dumped", &self.status.core_dumped());
        }
        if let Some(usage) = &self.usage {
            out.field("usage", usage);
        }
        out.finish()
    }
}

/// The process has ended, but the kernel does not report its exit status.
///
/// It is the inner error of the [`io::Error`] that waiting returns. [`StatusUnknown::from_io_error`] finds it.
///
/// ```
/// # use childset::{Pidfd, StatusUnknown};
/// let mut child = std::process::Command::new("true").spawn()?;
/// let pidfd = Pidfd::from_child(&child)?;
/// // Somebody takes the status before us.
/// child.wait()?;
/// match pidfd.wait() {
///     // Linux 6.15 and later report it still.
///     Ok(exit) => assert!(exit.success() && exit.usage().is_none()),
///     Err(error) => assert_eq!(StatusUnknown::from_io_error(&error), Some(StatusUnknown::NotKept)),
/// }
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StatusUnknown {
    /// The process was not ours to reap, or somebody else reaped it first. This kernel keeps no status for others;
    /// Linux 6.15 and later do.
    NotKept,
    /// The process is a zombie of another parent. Once that has reaped it, Linux 6.15 and later report its status.
    Zombie,
    /// It is a thread that has ended, of [`Pidfd::open_thread`](crate::Pidfd::open_thread). A thread has no exit status.
    Thread,
}

impl StatusUnknown {
    /// Finds the `StatusUnknown` in an error that waiting returned. `None` if it is another error. See
    /// [`StatusUnknown`].
    pub fn from_io_error(error: &io::Error) -> Option<StatusUnknown> {
        error.get_ref()?.downcast_ref().copied()
    }
}

impl fmt::Display for StatusUnknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StatusUnknown::NotKept => {
                "exit status unknown: the process is not ours to reap (ECHILD), and the kernel keeps no status for others"
            }
            StatusUnknown::Zombie => {
                "exit status unknown: the process is not a child of ours (ECHILD), and its parent has not reaped it"
            }
            StatusUnknown::Thread => "no exit status: it was a thread",
        })
    }
}

impl Error for StatusUnknown {}

/// The error stays inside, since it explains: [`StatusUnknown::from_io_error`] finds it.
impl From<StatusUnknown> for io::Error {
    fn from(unknown: StatusUnknown) -> io::Error {
        io::Error::other(unknown)
    }
}
