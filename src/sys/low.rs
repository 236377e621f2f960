//! Numbers of descriptors. 0, 1 and 2 are taken by all code for standard input, output and error, even where they are free;
//! and what no child needs lies above all that one does.

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

/// Descriptors below this cost a child nothing that matters: the kernel copies their table in such units.
#[cfg(feature = "command")]
const LOW: std::os::fd::RawFd = 64;

/// Where descriptors go that no child needs, if the limit allows: out of the way of those that one does.
#[cfg(feature = "command")]
const HIGH: std::os::fd::RawFd = 1024;

/// Moves a descriptor that no child needs to a high number, if it lies where it costs each child something.
#[cfg(feature = "command")]
pub(crate) fn out_of_the_way(fd: OwnedFd) -> OwnedFd {
    if !(LOW..HIGH).contains(&fd.as_raw_fd()) {
        return fd;
    }
    // It stays where it is if the limit is too low for that.
    fcntl_dupfd_cloexec(&fd, HIGH).unwrap_or(fd)
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
