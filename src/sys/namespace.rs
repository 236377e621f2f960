//! `ioctl(PIDFD_GET_*_NAMESPACE)`.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::ioctl::opcode;

/// A descriptor of the namespace that the call with this number gives.
pub(crate) fn open(pidfd: BorrowedFd<'_>, number: u8) -> io::Result<OwnedFd> {
    // SAFETY: these calls take no argument. On a descriptor that is no pidfd the number may name another driver's call,
    // but neither direction nor size is in it, and the argument is null.
    let fd = unsafe { libc::ioctl(pidfd.as_raw_fd(), opcode::none(0xFF, number) as _, 0_usize) };
    super::check(fd.into())?;
    // SAFETY: a new descriptor, which nobody else knows.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
