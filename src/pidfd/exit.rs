use std::error::Error;
use std::fmt;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use super::signal::Signal;
use crate::sys::wait::{Rusage, Timeval, Waited};

/// How a process ended: its status, and what it used.
///
/// Status and resource use come from one `waitid` call. Where somebody else reaped the process, the kernel
/// still tells the status (Linux 6.15), but no longer the resource use.
///
/// ```
/// use childset::Command;
///
/// let exit = Command::new("sh").args(["-c", "exit 7"]).spawn()?.wait()?;
/// assert_eq!((exit.code(), exit.signal(), exit.success()), (Some(7), None, false));
/// assert_eq!(exit.status().to_string(), "exit status: 7");
/// assert!(exit.max_rss().unwrap() > 0);
/// let time = exit.user_time().unwrap() + exit.system_time().unwrap();
/// assert!(time.as_secs() < 60);
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    pub fn signal(&self) -> Option<Signal> {
        self.status.signal().map(Signal::from)
    }

    /// The processor time spent in user mode, by the process and the children that it waited for; `None` as
    /// [`usage`](Exit::usage).
    pub fn user_time(&self) -> Option<Duration> {
        self.usage.map(|usage| usage.user_time)
    }

    /// The processor time spent in the kernel, by the process and the children that it waited for; `None` as
    /// [`usage`](Exit::usage).
    pub fn system_time(&self) -> Option<Duration> {
        self.usage.map(|usage| usage.system_time)
    }

    /// The largest resident set, in bytes, of the process or of a child that it waited for; `None` as
    /// [`usage`](Exit::usage).
    ///
    /// The kernel counts the memory in which the process ran before its `execve`: a child that was made on
    /// its parent's memory (`vfork`, `posix_spawn`) reports at least what its parent had.
    pub fn max_rss(&self) -> Option<u64> {
        self.usage.map(|usage| usage.max_rss)
    }

    /// The whole resource use, or `None` where somebody else reaped the process, or the kernel did by itself.
    pub fn usage(&self) -> Option<&Usage> {
        self.usage.as_ref()
    }

    pub(super) fn from_wait_status(status: i32) -> Exit {
        Exit { status: ExitStatus::from_raw(status), usage: None }
    }

    pub(super) fn from_waited(waited: &Waited) -> Exit {
        let status = match waited.code {
            libc::CLD_EXITED => (waited.status & 0xff) << 8,
            libc::CLD_DUMPED => waited.status | 0x80,
            _ => waited.status,
        };
        Exit { usage: Some(Usage::from_raw(&waited.usage)), ..Exit::from_wait_status(status) }
    }
}

/// The resources that a process used: getrusage(2)'s fields, as far as Linux fills them.
///
/// Each counts the process and the children that it waited for.
///
/// ```
/// # use childset::Command;
/// let exit = Command::new("true").spawn()?.wait()?;
/// let usage = exit.usage().expect("nobody else reaps our children");
/// assert!(usage.minor_faults + usage.major_faults > 0);
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Processor time in user mode.
    pub user_time: Duration,
    /// Processor time in the kernel.
    pub system_time: Duration,
    /// The largest resident set of one process, in bytes.
    pub max_rss: u64,
    /// Page faults served without reading from a disk.
    pub minor_faults: u64,
    /// Page faults that had to read from a disk.
    pub major_faults: u64,
    /// Reads from block devices, in units of 512 bytes.
    pub blocks_in: u64,
    /// Writes to block devices, in units of 512 bytes.
    pub blocks_out: u64,
    /// Context switches because the process waited for something.
    pub voluntary_switches: u64,
    /// Context switches because the processor was taken away.
    pub involuntary_switches: u64,
}

impl Usage {
    fn from_raw(raw: &Rusage) -> Usage {
        let time =
            |t: Timeval| Duration::from_secs(t.seconds as u64) + Duration::from_micros(t.micros as u64);
        Usage {
            user_time: time(raw.user),
            system_time: time(raw.system),
            max_rss: raw.max_rss as u64 * 1024,
            minor_faults: raw.minor_faults as u64,
            major_faults: raw.major_faults as u64,
            blocks_in: raw.blocks_in as u64,
            blocks_out: raw.blocks_out as u64,
            voluntary_switches: raw.voluntary_switches as u64,
            involuntary_switches: raw.involuntary_switches as u64,
        }
    }
}

/// The process has ended, but the kernel does not tell its exit status.
///
/// It is the inner error of the [`io::Error`] that waiting returns; [`StatusUnknown::from_io_error`] finds it.
///
/// ```
/// # use childset::{Pidfd, StatusUnknown};
/// let mut child = std::process::Command::new("true").spawn()?;
/// let pidfd = Pidfd::from_child(&child)?;
/// // Somebody takes the status before us.
/// child.wait()?;
/// match pidfd.wait() {
///     // Linux 6.15 tells it all the same.
///     Ok(exit) => assert!(exit.success() && exit.usage().is_none()),
///     Err(error) => assert_eq!(StatusUnknown::from_io_error(&error), Some(StatusUnknown::NotKept)),
/// }
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StatusUnknown {
    /// The process was not ours to reap, or somebody else reaped it first, and this kernel keeps no status
    /// for others (Linux 6.15 does).
    NotKept,
    /// The process is a zombie of another parent. Once that has reaped it, Linux 6.15 tells its status.
    Zombie,
}

impl StatusUnknown {
    /// Finds the `StatusUnknown` in an error that waiting returned; `None` if it is another one. See
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
