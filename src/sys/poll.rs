//! poll(2) without its two traps: a signal may interrupt it, and a timeout may be too long for it.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;

/// Blocks until something has happened to one of the descriptors, the time is over, or a signal came. The caller
/// looks at what it waits for, and at the clock, before it blocks again.
pub(crate) fn poll(fds: &mut [PollFd<'_>], timeout: Option<Duration>) -> io::Result<()> {
    match rustix::event::poll(fds, timeout.map(timespec).as_ref()) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// As [`poll`], for one descriptor.
pub(crate) fn poll_one(fd: impl AsFd, interest: PollFlags, timeout: Option<Duration>) -> io::Result<()> {
    poll(&mut [PollFd::new(&fd, interest)], timeout)
}

/// What is ready now: of `interest`, and `POLLHUP`.
pub(crate) fn ready(fd: impl AsFd, interest: PollFlags) -> io::Result<PollFlags> {
    let mut fds = [PollFd::new(&fd, interest)];
    loop {
        match rustix::event::poll(&mut fds, Some(&NO_TIME)) {
            // Even a call that does not wait is interrupted if a signal is there.
            Err(Errno::INTR) => {}
            result => {
                result?;
                return Ok(fds[0].revents());
            }
        }
    }
}

/// For a call that only looks.
pub(crate) const NO_TIME: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// A timeout for poll(2) or epoll_wait(2). One that is too long even for them is shortened: the callers look at
/// the clock again.
pub(crate) fn timespec(timeout: Duration) -> Timespec {
    let timeout = timeout.min(LONGEST);
    Timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: timeout.subsec_nanos().into() }
}

/// Before Linux 5.11, epoll_wait(2) counts milliseconds in 32 bits.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
