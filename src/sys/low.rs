//! The numbers 0, 1 and 2. All code takes them for standard input, output and error, even where they are free.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::io::fcntl_dupfd_cloexec;

/// Moves a new descriptor above them: `println!` must not write into it, nor `stdin` read from it.
pub(crate) fn above_stdio(fd: OwnedFd) -> io::Result<OwnedFd> {
    match fd.as_raw_fd() {
        0..=2 => Ok(fcntl_dupfd_cloexec(&fd, 3)?),
        _ => Ok(fd),
    }
}

/// Takes those that are free, so that what others open meanwhile lies above them.
#[cfg(feature = "async-io")]
pub(crate) fn occupy() -> io::Result<Vec<OwnedFd>> {
    use rustix::event::{eventfd, EventfdFlags};
    let mut taken = Vec::new();
    loop {
        let fd = eventfd(0, EventfdFlags::CLOEXEC)?;
        match fd.as_raw_fd() {
            0..=2 => taken.push(fd),
            _ => return Ok(taken),
        }
    }
}
