use std::error::Error;
use std::fmt;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use crate::pidfd::Pidfd;
use crate::sys::info;
use crate::sys::wait::{waitid, Rusage, Timeval, Waited};

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
    pub fn signal(&self) -> Option<i32> {
        self.status.signal()
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

    pub(crate) fn from_wait_status(status: i32) -> Exit {
        Exit { status: ExitStatus::from_raw(status), usage: None }
    }

    fn from_waited(waited: &Waited) -> Exit {
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
/// It is the inner error of the [`io::Error`] that waiting returns; [`StatusUnknown::of`] finds it.
///
/// ```
/// # use childset::{Pidfd, StatusUnknown};
/// let mut child = std::process::Command::new("true").spawn()?;
/// let pidfd = Pidfd::of_child(&child)?;
/// // Somebody takes the status before us.
/// child.wait()?;
/// match pidfd.wait() {
///     // Linux 6.15 tells it all the same.
///     Ok(exit) => assert!(exit.success() && exit.usage().is_none()),
///     Err(error) => assert_eq!(StatusUnknown::of(&error), Some(StatusUnknown::NotKept)),
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
    pub fn of(error: &io::Error) -> Option<StatusUnknown> {
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

impl From<StatusUnknown> for io::Error {
    fn from(unknown: StatusUnknown) -> io::Error {
        io::Error::other(unknown)
    }
}

/// What one attempt to take an exit status found.
#[derive(Debug)]
pub(crate) enum Collected {
    /// The status, taken by our `waitid` or told by the kernel after somebody else's.
    Exit(Exit),
    /// Our child runs, or is a zombie that a tracer holds back.
    Running,
    /// `waitid` knows no such child (`ECHILD`), yet nobody has reaped the process: it is another parent's,
    /// or ours in the moment when somebody else takes it.
    Foreign,
}

/// Tries to take the exit status. `options` is `WNOHANG`, or 0 to block as the descriptor does.
///
/// # Errors
/// `EAGAIN` from an `O_NONBLOCK` descriptor without `WNOHANG`; [`StatusUnknown::NotKept`].
pub(crate) fn collect(pidfd: &Pidfd, options: i32) -> io::Result<Collected> {
    loop {
        return match waitid(pidfd.fd(), libc::WEXITED | options) {
            Ok(Some(waited)) => Ok(Collected::Exit(Exit::from_waited(&waited))),
            Ok(None) => Ok(Collected::Running),
            Err(error) => match error.raw_os_error() {
                Some(libc::EINTR) => continue,
                Some(libc::ECHILD) => collect_foreign(pidfd),
                _ => Err(error),
            },
        };
    }
}

/// Whether [`collect`] would find anything but a process that runs or is held back. Takes nothing.
pub(crate) fn can_be_collected(pidfd: &Pidfd) -> bool {
    match waitid(pidfd.fd(), libc::WEXITED | libc::WNOWAIT | libc::WNOHANG) {
        Ok(waited) => waited.is_some(),
        Err(error) if error.raw_os_error() == Some(libc::ECHILD) => {
            !matches!(collect_foreign(pidfd), Ok(Collected::Foreign))
        }
        Err(_) => true,
    }
}

/// After `ECHILD`: the status of a process that somebody else reaped.
fn collect_foreign(pidfd: &Pidfd) -> io::Result<Collected> {
    let mut told = info::get(pidfd.fd(), info::EXIT);
    if matches!(&told, Err(error) if error.raw_os_error() == Some(libc::ESRCH)) {
        // Reaped between the kernel's look for an exit and its look for the process: now there is an exit.
        told = info::get(pidfd.fd(), info::EXIT);
    }
    match told {
        Ok(info) if info.mask & info::EXIT != 0 => {
            Ok(Collected::Exit(Exit::from_wait_status(info.exit_code)))
        }
        Ok(_) => Ok(Collected::Foreign),
        // The ioctl is not known (before 6.13), refused, or knows nothing of reaped processes (before 6.15).
        Err(_) if pidfd.has_ended()? => Err(StatusUnknown::NotKept.into()),
        Err(_) => Ok(Collected::Foreign),
    }
}
