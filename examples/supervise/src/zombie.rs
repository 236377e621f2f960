//! Looking for a zombie among our children, whoever made them, without reaping it.

#![allow(unsafe_code)]

use std::io;
use std::mem::MaybeUninit;

/// The pid of a child that has ended and was not reaped; always the same one until it is. See waitid(2), `WNOWAIT`.
///
/// rustix does not tell the pid, and nix not that of a process which a real-time signal ended.
pub(crate) fn find() -> io::Result<Option<u32>> {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: the call writes at most a `siginfo_t`, for which there is room.
    let result = unsafe { libc::waitid(libc::P_ALL, 0, info.as_mut_ptr(), options) };
    if result == 0 {
        // SAFETY: all-zero bytes are valid, and the call wrote only integers over them; where it found nothing, the
        // pid is still 0.
        let pid = unsafe { info.assume_init().si_pid() };
        return Ok(u32::try_from(pid).ok().filter(|&pid| pid != 0));
    }
    match io::Error::last_os_error() {
        error if error.raw_os_error() == Some(libc::ECHILD) => Ok(None),
        error => Err(error),
    }
}
