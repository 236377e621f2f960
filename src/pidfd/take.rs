//! Taking an exit, and waiting until it may be taken.

use std::io;
use std::sync::OnceLock;

use rustix::event::PollFlags;

use super::edge::Edge;
use super::exit::{Exit, StatusUnknown};
use super::info::tells_exits;
use super::Pidfd;
use crate::sys::info;
use crate::sys::origin::PerProcess;
use crate::sys::poll::{poll_one, ready};
use crate::sys::wait::{waitid, Rusage};

/// What one attempt to take an exit status found.
#[derive(Debug)]
pub(crate) enum Collected {
    /// The status, taken by our `waitid` or reported by the kernel after somebody else's.
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
    let mut usage = Rusage::default();
    loop {
        return match waitid(pidfd.fd(), libc::WEXITED | options, Some(&mut usage)) {
            Ok(Some(waited)) => Ok(Collected::Exit(Exit::from_waited(waited, &usage))),
            Ok(None) => Ok(Collected::Running),
            Err(error) => match error.raw_os_error() {
                Some(libc::EINTR) => continue,
                Some(libc::ECHILD) => collect_foreign(pidfd),
                _ => Err(error),
            },
        };
    }
}

/// The call that reaps dropped children, set when there was one. It lies in a layer above.
static BEFORE_TAKING: PerProcess<OnceLock<fn()>> = PerProcess::new(OnceLock::new);

/// From now on, whatever takes an exit from a [`Pidfd`] calls this first.
pub(crate) fn call_before_taking(act: fn()) {
    let _ = BEFORE_TAKING.get().set(act);
}

pub(super) fn before_taking() {
    if let Some(act) = BEFORE_TAKING.get().get() {
        act();
    }
}

/// Whether [`collect`] would find anything but a process that runs or is held back. Takes nothing.
pub(crate) fn can_be_collected(pidfd: &Pidfd) -> bool {
    match waitid(pidfd.fd(), libc::WEXITED | libc::WNOWAIT | libc::WNOHANG, None) {
        Ok(waited) => waited.is_some(),
        Err(error) if error.raw_os_error() == Some(libc::ECHILD) => {
            !matches!(collect_foreign(pidfd), Ok(Collected::Foreign))
        }
        Err(_) => true,
    }
}

/// After `ECHILD`: the status of a process that somebody else reaped. A thread has none, whatever the kernel keeps of it.
fn collect_foreign(pidfd: &Pidfd) -> io::Result<Collected> {
    if pidfd.is_thread()? {
        return match pidfd.has_ended()? {
            true => Err(StatusUnknown::Thread.into()),
            false => Ok(Collected::Foreign),
        };
    }
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

impl Pidfd {
    /// Takes the exit of the process, blocking until there is one, and reaps our child. See waitid(2).
    ///
    /// ```
    /// # use childset::Pidfd;
    /// let child = std::process::Command::new("sh").args(["-c", "exit 3"]).spawn()?;
    /// let pidfd = Pidfd::from_child(&child)?;
    /// assert_eq!(pidfd.wait()?.code(), Some(3));
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// The resource use can be taken once, by the parent. So can the status before Linux 6.15. From 6.15 on the kernel
    /// reports it again after the reaping, as often as one asks, and of processes that are not our children, too. This
    /// call waits until their parents have reaped them.
    ///
    /// # Errors
    /// - `EAGAIN` ([`WouldBlock`](io::ErrorKind::WouldBlock)): the descriptor is `O_NONBLOCK`, and there is no
    ///   status yet.
    /// - [`StatusUnknown`](crate::StatusUnknown): the process has ended, and the kernel does not report how.
    #[doc(alias = "waitid")]
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

    /// Takes the exit of the process if there is one, and reaps our child. Never blocks.
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
    /// `None` means that there is no status yet: the process runs, a tracer holds its zombie back, or it is
    /// a zombie of another parent.
    ///
    /// # Errors
    /// [`StatusUnknown`](crate::StatusUnknown): the process has ended, and the kernel does not report how.
    pub fn try_wait(&self) -> io::Result<Option<Exit>> {
        before_taking();
        Ok(match collect(self, libc::WNOHANG)? {
            Collected::Exit(exit) => Some(exit),
            Collected::Running | Collected::Foreign => None,
        })
    }

    /// Whether the process is a zombie or gone.
    pub(crate) fn has_ended(&self) -> io::Result<bool> {
        Ok(!ready(self, PollFlags::IN)?.is_empty())
    }

    /// Whether `waitid` takes the process for our child; also true while it runs.
    pub(crate) fn is_our_child(&self) -> io::Result<bool> {
        match waitid(self.fd(), libc::WEXITED | libc::WNOHANG | libc::WNOWAIT, None) {
            Ok(_) => Ok(true),
            Err(error) if error.raw_os_error() == Some(libc::ECHILD) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Blocks until taking the exit may succeed, without taking it, also on an `O_NONBLOCK` descriptor.
    pub(crate) fn block(&self) -> io::Result<()> {
        match waitid(self.fd(), libc::WEXITED | libc::WNOWAIT, None) {
            Ok(_) => Ok(()),
            Err(error) => match error.raw_os_error() {
                Some(libc::EINTR) => Ok(()),
                Some(libc::ECHILD) => self.block_on_foreign(),
                Some(libc::EAGAIN) => {
                    let edge = Edge::new(self)?;
                    while !can_be_collected(self) {
                        edge.wait(None)?;
                    }
                    Ok(())
                }
                _ => Err(error),
            },
        }
    }

    /// Blocks until a process that `waitid` does not take for our child is reaped, or, where the kernel does
    /// not report the status even then, until it ends. So does a thread.
    fn block_on_foreign(&self) -> io::Result<()> {
        let interest = match tells_exits(self.fd()) && !self.is_thread()? {
            true => PollFlags::empty(),
            false => PollFlags::IN,
        };
        poll_one(self, interest, None)
    }

    fn is_nonblocking(&self) -> io::Result<bool> {
        Ok(rustix::fs::fcntl_getfl(self)?.contains(rustix::fs::OFlags::NONBLOCK))
    }
}
