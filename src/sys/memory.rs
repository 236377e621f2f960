//! `process_mrelease`.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use libc::c_long;

/// Frees the memory of a process that is being killed.
pub(crate) fn process_mrelease(pidfd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: it touches no memory of ours: a process that is being killed has no code of ours to run any more.
    let result =
        unsafe { libc::syscall(libc::SYS_process_mrelease, pidfd.as_raw_fd() as c_long, 0 as c_long) };
    super::check(result).map(drop)
}
