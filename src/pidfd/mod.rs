mod core_dump;
mod edge;
mod exit;
mod forked;
mod gone;
mod info;
mod signal;
mod state;
mod take;

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};

use rustix::event::PollFlags;
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags};

use crate::sys::poll::ready;
use crate::sys::signal::{pidfd_send_signal, PROCESS_GROUP};
use state::take_change;

pub(crate) use edge::Edge;
use take::before_taking;
pub(crate) use take::{call_before_taking, can_be_collected, collect, Collected};

pub use core_dump::CoreDump;
pub use exit::{Exit, StatusUnknown, Usage};
pub use forked::Forked;
pub use gone::Gone;
pub use info::Info;
pub use signal::Signal;
pub use state::{State, StateChange};

/// A descriptor that refers to one process, and never to another that got the same pid later.
///
/// It becomes readable when the process ends, so that any event loop can watch it: a `polling::Poller`, an
/// `async_io::Async<Pidfd>` (with `AsyncPidfdExt`), or a [`ChildSet`](crate::ChildSet).
/// Dropping it closes the descriptor and does nothing to the process.
///
/// Needs Linux 5.4 to wait. See pidfd_open(2).
///
/// ```
/// use childset::{Pidfd, Signal, State};
/// use std::process::{Command, Stdio};
///
/// let child = Command::new("cat").stdin(Stdio::piped()).spawn()?;
/// let pidfd = Pidfd::from_child(&child)?;
/// assert_eq!(pidfd.state()?, State::Running);
///
/// pidfd.kill()?;
/// assert_eq!(pidfd.wait()?.signal(), Some(Signal::KILL));
/// assert_eq!(pidfd.state()?, State::Reaped);
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct Pidfd(OwnedFd);

impl Pidfd {
    /// Opens the process with this pid.
    ///
    /// Between learning a pid and opening it, the process may end and its pid be given to another; only a
    /// parent that has not waited for its child is safe from that.
    ///
    /// ```
    /// let me = childset::Pidfd::open(std::process::id())?;
    /// assert_eq!(me.pid()?, Some(std::process::id()));
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// - [`Gone`]: no such process.
    /// - `EINVAL`: the number is no pid, or belongs to a thread that does not lead its process.
    /// - `EMFILE`, `ENFILE`, `ENOMEM`: out of descriptors or memory.
    /// - [`Unsupported`](io::ErrorKind::Unsupported): the kernel is older than 5.3, or a filter refuses the call.
    pub fn open(pid: u32) -> io::Result<Pidfd> {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))?;
        match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
            Ok(fd) => Ok(Pidfd(fd)),
            Err(error) => Err(match error.raw_os_error() {
                libc::ENOSYS => unsupported("pidfd_open needs Linux 5.3, or a filter refuses it (ENOSYS)"),
                libc::EPERM => unsupported("pidfd_open is refused, by a seccomp filter or the like (EPERM)"),
                _ => Gone::explain(error.into()),
            }),
        }
    }

    /// Opens a child of the standard library's.
    ///
    /// The child must not have been waited for through `std`, which frees its pid for others; `std` offers
    /// no way to check that on a borrowed child.
    ///
    /// # Errors
    /// As [`Pidfd::open`]; [`Gone`] also if somebody else has reaped the child.
    pub fn from_child(child: &std::process::Child) -> io::Result<Pidfd> {
        Pidfd::open(child.id())
    }

    /// Opens another descriptor of the same process. They share the `O_NONBLOCK` flag.
    ///
    /// # Errors
    /// `EMFILE`: out of descriptors.
    pub fn try_clone(&self) -> io::Result<Pidfd> {
        self.0.try_clone().map(Pidfd)
    }

    /// Sets or clears `O_NONBLOCK`, which makes [`wait`](Pidfd::wait) fail instead of block. See fcntl(2).
    ///
    /// Needs Linux 5.10.
    ///
    /// # Errors
    /// None that a valid descriptor can cause.
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        rustix::io::ioctl_fionbio(self, nonblocking).map_err(Into::into)
    }

    /// The pid, as this process's pid namespace numbers it; `None` if the process lies outside of it.
    ///
    /// # Errors
    /// - [`Gone`]: the process was reaped.
    /// - Before Linux 6.13 the number is read from `/proc`: its errors, and
    ///   [`Unsupported`](io::ErrorKind::Unsupported) where that is not mounted, or
    ///   may not be read because this process has changed its user.
    pub fn pid(&self) -> io::Result<Option<u32>> {
        info::pid(self.fd()).map_err(Gone::explain)
    }

    /// What the kernel tells about the process: its parent, credentials and cgroup, its exit and core dump.
    ///
    /// Needs Linux 6.13; [`Info`] says which field needs more.
    ///
    /// ```no_run
    /// let info = childset::Pidfd::open(1)?.info()?;
    /// println!("effective user {:?}, cgroup {:?}", info.effective_uid(), info.cgroup_id());
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// - [`Gone`]: the process was reaped, and the kernel keeps no status (before 6.15).
    /// - [`Unsupported`](io::ErrorKind::Unsupported): the kernel is older than 6.13.
    pub fn info(&self) -> io::Result<Info> {
        Info::of(self.fd()).map_err(Gone::explain)
    }

    /// Sends a signal to the process; 0 only checks that this would be possible. See pidfd_send_signal(2).
    ///
    /// A zombie accepts signals, without effect.
    ///
    /// # Errors
    /// - [`Gone`]: the process was reaped.
    /// - `EPERM`: it belongs to another user.
    /// - `EINVAL`: there is no such signal, or the process lies outside this process's pid namespace.
    pub fn send_signal(&self, signal: impl Into<Signal>) -> io::Result<()> {
        pidfd_send_signal(self.fd(), signal.into().as_raw(), 0).map_err(Gone::explain)
    }

    /// Sends a signal to the process group that the process leads or led.
    ///
    /// It reaches the group also after its leader was reaped, as long as a member lives, and never another
    /// group that got the same number later. Needs Linux 6.9.
    ///
    /// # Errors
    /// - [`Gone`]: the process leads no group, or no member lives.
    /// - `EPERM`: no member may be signalled.
    /// - `EINVAL`: there is no such signal.
    /// - [`Unsupported`](io::ErrorKind::Unsupported): the kernel is older than 6.9.
    pub fn send_signal_to_group(&self, signal: impl Into<Signal>) -> io::Result<()> {
        match pidfd_send_signal(self.fd(), signal.into().as_raw(), PROCESS_GROUP) {
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) && !group_signals_known()? => {
                Err(unsupported("a signal to the process group of a pidfd needs Linux 6.9 (EINVAL)"))
            }
            result => result.map_err(Gone::explain),
        }
    }

    /// Sends `SIGKILL`.
    ///
    /// # Errors
    /// As [`send_signal`](Pidfd::send_signal).
    pub fn kill(&self) -> io::Result<()> {
        self.send_signal(Signal::KILL)
    }

    /// Takes the exit of the process, blocking until there is one, and reaps it if it is our child.
    ///
    /// The status can be taken once. Of a process that is not our child, or whose status somebody else took,
    /// the kernel tells it from Linux 6.15 on, as soon as its parent has reaped it: this waits for that.
    ///
    /// # Errors
    /// - `EAGAIN` ([`WouldBlock`](io::ErrorKind::WouldBlock)): the descriptor is `O_NONBLOCK`, and there is no
    ///   status yet.
    /// - [`StatusUnknown`](crate::StatusUnknown): the process has ended, and the kernel does not tell how.
    pub fn wait(&self) -> io::Result<Exit> {
        before_taking();
        loop {
            match collect(self, 0)? {
                Collected::Exit(exit) => return Ok(exit),
                Collected::Running => {}
                Collected::Foreign if self.is_nonblocking()? => {
                    return Err(io::Error::from_raw_os_error(libc::EAGAIN));
                }
                Collected::Foreign => self.block_on_foreign()?,
            }
        }
    }

    /// Takes the exit of the process if there is one, and reaps it if it is our child. Never blocks.
    ///
    /// `None` means that there is no status yet: the process runs, a tracer holds its zombie back, or it is
    /// a zombie of another parent.
    ///
    /// ```
    /// # use childset::Pidfd;
    /// # use std::process::{Command, Stdio};
    /// let mut child = Command::new("cat").stdin(Stdio::piped()).spawn()?;
    /// let pidfd = Pidfd::from_child(&child)?;
    /// assert_eq!(pidfd.try_wait()?, None);
    /// drop(child.stdin.take());
    /// assert!(pidfd.wait()?.success());
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// [`StatusUnknown`](crate::StatusUnknown): the process has ended, and the kernel does not tell how.
    pub fn try_wait(&self) -> io::Result<Option<Exit>> {
        before_taking();
        Ok(match collect(self, libc::WNOHANG)? {
            Collected::Exit(exit) => Some(exit),
            Collected::Running | Collected::Foreign => None,
        })
    }

    /// Waits until our child is stopped, continued, or has ended. Does not reap.
    ///
    /// Each stop and each continuation is reported once; the end as often as one asks.
    /// Readiness of the descriptor says nothing of stops: only this call does.
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
    /// # Errors
    /// `ECHILD`: the process is not our child, or was reaped.
    pub fn try_wait_state(&self) -> io::Result<Option<StateChange>> {
        before_taking();
        take_change(self.fd(), libc::WNOHANG)
    }

    /// Tells whether the process runs, is a zombie, or was reaped.
    ///
    /// From Linux 6.9 on, readiness tells all three apart (`POLLHUP`). Before, an ended process is probed
    /// with signal 0, which finds a zombie and not a reaped process. One that lies outside this process's pid
    /// namespace cannot be probed: there it counts as [`Exited`](State::Zombie).
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

    /// Copies descriptor `fd` of the process into this one, close-on-exec. See pidfd_getfd(2).
    ///
    /// Needs Linux 5.6, and the right to trace the process.
    ///
    /// ```no_run
    /// let its_stderr = childset::Pidfd::open(4711)?.getfd(2)?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// - `EBADF`: the process has no such descriptor.
    /// - `EPERM`: it may not be traced.
    /// - [`Gone`]: it has ended.
    /// - `EMFILE`: out of descriptors.
    pub fn getfd(&self, fd: RawFd) -> io::Result<OwnedFd> {
        let copy = rustix::process::pidfd_getfd(self, fd, PidfdGetfdFlags::empty());
        copy.map_err(|error| Gone::explain(error.into()))
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Whether `POLLHUP` says that the process was reaped: it came in Linux 6.9, with pidfds as files of their
    /// own file system.
    #[cfg(feature = "async-io")]
    pub(crate) fn tells_reaping(&self) -> io::Result<bool> {
        const PIDFS_MAGIC: u64 = 0x50494446;
        Ok(rustix::fs::fstatfs(self)?.f_type as u64 == PIDFS_MAGIC)
    }
}

pub(crate) fn unsupported(message: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, message)
}

/// Tries a group signal to ourselves: whether the kernel knows them, whatever made another one fail.
fn group_signals_known() -> io::Result<bool> {
    let me = Pidfd::open(std::process::id())?;
    Ok(pidfd_send_signal(me.fd(), 0, PROCESS_GROUP)
        .map_or_else(|error| error.raw_os_error() != Some(libc::EINVAL), |()| true))
}

impl AsFd for Pidfd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Pidfd {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl IntoRawFd for Pidfd {
    fn into_raw_fd(self) -> RawFd {
        self.0.into_raw_fd()
    }
}

impl From<Pidfd> for OwnedFd {
    fn from(pidfd: Pidfd) -> OwnedFd {
        pidfd.0
    }
}

/// Takes a descriptor for a pidfd, for instance one that came over a socket. It is not checked: on
/// anything else, the calls that need a pidfd fail with `EBADF` or `EINVAL`.
impl From<OwnedFd> for Pidfd {
    fn from(fd: OwnedFd) -> Pidfd {
        Pidfd(fd)
    }
}
