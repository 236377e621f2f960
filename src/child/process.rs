#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::pidfd::{Gone, Pidfd, Signal};
use crate::sys::signal::kill_group;
use crate::watch::dropped::hand_over;
use crate::watch::registered::Owner;

/// A process that we may have to answer for: what dropping it does.
#[derive(Debug)]
pub(crate) struct Process {
    /// `None` only while being dropped.
    pidfd: Option<Pidfd>,
    /// 0 where it is not known.
    pub(crate) pid: u32,
    pub(crate) is_our_child: bool,
    pub(crate) kill_on_drop: AtomicBool,
    pub(crate) reap_on_drop: AtomicBool,
    reaped: AtomicBool,
    /// Whether it was made the leader of a process group.
    pub(crate) leads_group: bool,
}

impl Process {
    pub(crate) fn new(pidfd: Pidfd, pid: u32, is_our_child: bool) -> Process {
        Process {
            pidfd: Some(pidfd),
            pid,
            is_our_child,
            kill_on_drop: AtomicBool::new(false),
            reap_on_drop: AtomicBool::new(true),
            reaped: AtomicBool::new(false),
            leads_group: false,
        }
    }

    pub(crate) fn from_child(child: &std::process::Child) -> io::Result<Process> {
        let pidfd = Pidfd::from_child(child)?;
        // A running process that is not our child got the pid of one that was waited for.
        if !pidfd.is_our_child()? && !pidfd.has_ended()? {
            return Err(Gone::Reaped.into());
        }
        Ok(Process::new(pidfd, child.id(), true))
    }

    /// Any process: a child of ours is reaped when it is dropped, another one is only forgotten.
    pub(crate) fn of_pidfd(pidfd: Pidfd) -> Result<Process, (io::Error, Pidfd)> {
        let facts = pidfd.is_our_child().and_then(|is_our_child| match pidfd.pid() {
            Err(error)
                if Gone::from_io_error(&error).is_none() && error.kind() != io::ErrorKind::Unsupported =>
            {
                Err(error)
            }
            pid => Ok((pid.ok().flatten().unwrap_or(0), is_our_child)),
        });
        match facts {
            Ok((pid, is_our_child)) => Ok(Process::new(pidfd, pid, is_our_child)),
            Err(error) => Err((error, pidfd)),
        }
    }

    pub(crate) fn pidfd(&self) -> &Pidfd {
        self.pidfd.as_ref().expect("taken only by into_pidfd and drop")
    }

    /// Gives up the responsibility.
    pub(crate) fn into_pidfd(mut self) -> Pidfd {
        self.pidfd.take().expect("taken only here and in drop")
    }

    /// Nothing is left to reap or to kill.
    pub(crate) fn set_reaped(&self) {
        self.reaped.store(true, Ordering::Release);
    }

    /// Signals the process group that the process leads. The caller sees to it that it is not reaped meanwhile.
    pub(crate) fn send_signal_to_group(&self, signal: Signal) -> io::Result<()> {
        match self.pidfd().send_signal_to_group(signal) {
            // As long as our child was not reaped, no other group can have its number.
            Err(error)
                if error.kind() == io::ErrorKind::Unsupported
                    && self.is_our_child
                    && !self.reaped.load(Ordering::Acquire) =>
            {
                kill_group(self.pid, signal.as_raw()).map_err(Gone::explain)
            }
            result => result,
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
        let Some(pidfd) = self.pidfd.take() else {
            return;
        };
        if *self.reaped.get_mut() {
            return;
        }
        if *self.kill_on_drop.get_mut() {
            // It fails if the process is gone already, or not ours to kill: both leave nothing to do.
            let _ = pidfd.kill();
        }
        if self.is_our_child && *self.reap_on_drop.get_mut() {
            hand_over(pidfd);
        }
    }
}
