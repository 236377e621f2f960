//! Opening a process, and what can be asked of its descriptor.

use std::io;
use std::os::fd::{OwnedFd, RawFd};

use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags};

use super::gone::Gone;
use super::info::{self, Info};
use super::{unsupported, Pidfd};
use crate::sys::low::above_stdio;

impl Pidfd {
    /// Opens the process with this pid. See pidfd_open(2).
    ///
    /// ```
    /// let me = childset::Pidfd::open(std::process::id())?;
    /// assert_eq!(me.pid()?, Some(std::process::id()));
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// The process may end before it is opened, and another may get its pid. Only a parent that has not waited for
    /// its child is safe from that.
    ///
    /// # Errors
    /// - [`Gone`]: there is no such process (`ESRCH`).
    /// - `EINVAL`: the number is no pid.
    /// - `ENOENT`: it is the number of a thread that does not lead its process. Before Linux 6.16: `EINVAL`.
    /// - `EMFILE`, `ENFILE`, `ENOMEM`: out of descriptors or memory.
    /// - [`Unsupported`](io::ErrorKind::Unsupported): the kernel is older than 5.3, or a filter refuses the call.
    #[doc(alias = "pidfd_open")]
    pub fn open(pid: u32) -> io::Result<Pidfd> {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))?;
        match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
            Ok(fd) => Ok(Pidfd(above_stdio(fd)?)),
            Err(error) => Err(match error.raw_os_error() {
                libc::ENOSYS => unsupported("pidfd_open needs Linux 5.3, or a filter refuses it (ENOSYS)"),
                libc::EPERM => unsupported("pidfd_open is refused, by a seccomp filter or the like (EPERM)"),
                _ => Gone::explain(error.into()),
            }),
        }
    }

    /// Opens a child of the standard library.
    ///
    /// ```
    /// use childset::Pidfd;
    ///
    /// let child = std::process::Command::new("true").spawn()?;
    /// let pidfd = Pidfd::from_child(&child)?;
    /// assert!(pidfd.wait()?.success());
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// The child must not have been waited for through `std`: that frees its pid for another process. `std` offers no
    /// way to check that on a borrowed child.
    ///
    /// # Errors
    /// As [`Pidfd::open`]. [`Gone`] also if somebody else has reaped the child.
    pub fn from_child(child: &std::process::Child) -> io::Result<Pidfd> {
        Pidfd::open(child.id())
    }

    /// Opens another descriptor of the same process. Both share the `O_NONBLOCK` flag.
    ///
    /// ```
    /// # use childset::{ChildSet, Pidfd};
    /// let child = std::process::Command::new("true").spawn()?;
    /// let pidfd = Pidfd::from_child(&child)?;
    /// // The set takes a `Pidfd` by value.
    /// let set = ChildSet::new()?;
    /// set.insert(pidfd.try_clone()?, ())?;
    /// set.wait(None)?;
    /// assert_eq!(pidfd.state()?, childset::State::Reaped);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// `EMFILE`: out of descriptors.
    pub fn try_clone(&self) -> io::Result<Pidfd> {
        self.0.try_clone().map(Pidfd)
    }

    /// Sets or clears `O_NONBLOCK`, which makes [`wait`](Pidfd::wait) fail instead of block. See fcntl(2).
    ///
    /// ```
    /// # use childset::Pidfd;
    /// let me = Pidfd::open(std::process::id())?;
    /// me.set_nonblocking(true)?;
    /// assert_eq!(me.wait().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// Needs Linux 5.10.
    ///
    /// # Errors
    /// None that a valid descriptor can cause.
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        rustix::io::ioctl_fionbio(self, nonblocking).map_err(Into::into)
    }

    /// The pid, as the pid namespace of this process numbers it. `None` if the process lies outside of it.
    ///
    /// ```
    /// # use childset::Pidfd;
    /// let child = std::process::Command::new("true").spawn()?;
    /// let pidfd = Pidfd::from_child(&child)?;
    /// assert_eq!(pidfd.pid()?, Some(child.id()));
    /// # pidfd.wait()?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// - [`Gone`]: the process was reaped (`ESRCH`).
    /// - Before Linux 6.13 the number is read from `/proc`. Its errors come, too, and
    ///   [`Unsupported`](io::ErrorKind::Unsupported) if it is not mounted, is that of another pid namespace, or may not be
    ///   read because this process has changed its user.
    pub fn pid(&self) -> io::Result<Option<u32>> {
        info::pid(self.fd()).map_err(Gone::explain)
    }

    /// Asks the kernel about the process: its parent, credentials and cgroup, its exit and core dump.
    ///
    /// ```no_run
    /// let info = childset::Pidfd::open(1)?.info()?;
    /// println!("effective user {:?}, cgroup {:?}", info.effective_uid(), info.cgroup_id());
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// Needs Linux 6.13. [`Info`] lists the fields that need more. See ioctl_pidfd(2), `PIDFD_GET_INFO`.
    ///
    /// # Errors
    /// - [`Gone`]: the process was reaped (`ESRCH`), and the kernel keeps no status (before 6.15).
    /// - [`Unsupported`](io::ErrorKind::Unsupported): the kernel is older than 6.13, a filter refuses the call, or the
    ///   descriptor is no pidfd.
    #[doc(alias = "PIDFD_GET_INFO")]
    pub fn info(&self) -> io::Result<Info> {
        Info::of(self.fd()).map_err(Gone::explain)
    }

    /// Copies descriptor `fd` of the process into this one, close-on-exec. See pidfd_getfd(2).
    ///
    /// ```no_run
    /// let its_stderr = childset::Pidfd::open(4711)?.getfd(2)?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// Needs Linux 5.6, and the right to trace the process.
    ///
    /// # Errors
    /// - `EBADF`: the process has no such descriptor.
    /// - `EPERM`: it may not be traced.
    /// - [`Gone`]: it has ended (`ESRCH`).
    /// - `EMFILE`: out of descriptors.
    #[doc(alias = "pidfd_getfd")]
    pub fn getfd(&self, fd: RawFd) -> io::Result<OwnedFd> {
        if fd < 0 {
            return Err(io::Error::from_raw_os_error(libc::EBADF));
        }
        let copy = rustix::process::pidfd_getfd(self, fd, PidfdGetfdFlags::empty());
        above_stdio(copy.map_err(|error| Gone::explain(error.into()))?)
    }
}
