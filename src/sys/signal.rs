//! `pidfd_send_signal` with its flags.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use libc::{c_int, c_long, c_uint};

#[cfg(feature = "command")]
use super::sigset::SigSet;

/// `PIDFD_SIGNAL_PROCESS_GROUP`: Linux 6.9.
pub(crate) const PROCESS_GROUP: c_uint = 1 << 2;

/// Sends `signal` to the process behind `pidfd`, or to what `flags` says.
pub(crate) fn pidfd_send_signal(pidfd: BorrowedFd<'_>, signal: c_int, flags: c_uint) -> io::Result<()> {
    // SAFETY: the null pointer asks the kernel to fill in the `siginfo_t` as kill(2) does; no memory of
    // ours is read or written.
    let result = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd() as c_long,
            signal as c_long,
            std::ptr::null::<libc::siginfo_t>(),
            flags as c_long,
        )
    };
    super::check(result).map(drop)
}

/// Signals the process group that `leader` leads; `ESRCH` if it leads none.
///
/// Without `PIDFD_SIGNAL_PROCESS_GROUP`: the caller sees to it that the number is still the leader's.
pub(crate) fn kill_group(leader: u32, signal: c_int) -> io::Result<()> {
    let leader = i32::try_from(leader).ok().filter(|&leader| leader > 1);
    let leader = leader.ok_or_else(|| io::Error::from_raw_os_error(libc::ESRCH))?;
    // SAFETY: a system call on numbers alone.
    let result = unsafe { libc::kill(-leader, signal) };
    super::check(result.into()).map(drop)
}

/// The process group of a process: 0 if it has no number here.
pub(crate) fn group_of(pid: u32) -> io::Result<u32> {
    // SAFETY: a system call on numbers alone.
    let group = unsafe { libc::getpgid(pid as libc::pid_t) };
    super::check(group.into()).map(|group| group as u32)
}

/// Has no `SIGPIPE` come of a write: a program that has it at its default would end by it, though it only wanted to know.
pub(crate) fn without_sigpipe<R>(
    write: impl FnOnce() -> Result<R, rustix::io::Errno>,
) -> Result<R, rustix::io::Errno> {
    // SAFETY: structures of the C library, which its functions fill; all-zero bytes are valid.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        let known = libc::sigaction(libc::SIGPIPE, std::ptr::null(), &mut action) == 0;
        if known && action.sa_sigaction == libc::SIG_IGN {
            return write();
        }
        let (mut pipe, mut pending, mut mask) = (std::mem::zeroed(), std::mem::zeroed(), std::mem::zeroed());
        libc::sigemptyset(&mut pipe);
        libc::sigaddset(&mut pipe, libc::SIGPIPE);
        libc::sigpending(&mut pending);
        libc::pthread_sigmask(libc::SIG_BLOCK, &pipe, &mut mask);
        let written = write();
        // One that was there before is not ours.
        if matches!(written, Err(rustix::io::Errno::PIPE)) && libc::sigismember(&pending, libc::SIGPIPE) == 0
        {
            let now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
            while libc::sigtimedwait(&pipe, std::ptr::null_mut(), &now) == -1
                && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted
            {}
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, &mask, std::ptr::null_mut());
        written
    }
}

/// Restores the signal mask of this thread when it is dropped.
#[cfg(feature = "command")]
pub(super) struct Blocked {
    before: SigSet,
}

#[cfg(feature = "command")]
impl Blocked {
    /// Blocks all signals, those that the C library keeps for itself included.
    pub(super) fn all() -> Blocked {
        Blocked { before: set_mask(libc::SIG_BLOCK, &SigSet::ALL) }
    }

    /// Blocks none that was not blocked before.
    pub(super) fn nothing() -> Blocked {
        Blocked { before: set_mask(libc::SIG_BLOCK, &SigSet::EMPTY) }
    }
}

#[cfg(feature = "command")]
impl Drop for Blocked {
    fn drop(&mut self) {
        set_mask(libc::SIG_SETMASK, &self.before);
    }
}

/// Returns the mask that was.
#[cfg(feature = "command")]
fn set_mask(how: c_int, mask: &SigSet) -> SigSet {
    let mut before = SigSet::EMPTY;
    let (mask, old) = (mask as *const SigSet, &mut before as *mut SigSet);
    // SAFETY: so many bytes are read and written.
    unsafe { libc::syscall(libc::SYS_rt_sigprocmask, how as c_long, mask, old, SigSet::SIZE) };
    before
}
