use std::io;
use std::os::fd::BorrowedFd;

use super::signal::Signal;
use crate::sys::wait::waitid;

/// What has become of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// It runs, or is stopped; or its first thread has ended and others go on.
    Running,
    /// It has ended, and its parent has not collected the status.
    Zombie,
    /// It is gone: its parent has collected it.
    Reaped,
}

/// What [`Pidfd::wait_state`](crate::Pidfd::wait_state) reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StateChange {
    /// This signal stopped it.
    Stopped(Signal),
    /// A tracer of ours stopped it, at this signal or event.
    Trapped(i32),
    /// `SIGCONT` made it go on.
    Continued,
    /// It has ended; [`Pidfd::wait`](crate::Pidfd::wait) takes the status.
    Ended,
}

/// Takes a stop or a continuation, or sees that the child is a zombie.
///
/// `options` is `WNOHANG`, or 0 to block as the descriptor does.
pub(crate) fn take_change(pidfd: BorrowedFd<'_>, options: i32) -> io::Result<Option<StateChange>> {
    loop {
        let waited = match waitid(pidfd, libc::WSTOPPED | libc::WCONTINUED | options) {
            Err(error) => match error.raw_os_error() {
                Some(libc::EINTR) => continue,
                // So says the kernel of a zombie too, unless it is asked for the end: asked without reaping.
                Some(libc::ECHILD) => waitid(pidfd, libc::WEXITED | libc::WNOHANG | libc::WNOWAIT)?,
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
