//! The signals that ask this program to end.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

/// A descriptor that becomes readable when `SIGTERM`, `SIGINT` or `SIGHUP` comes, so that the jobs can be ended first.
#[derive(Debug)]
pub struct EndSignals(UnixStream);

impl EndSignals {
    /// From now on they no longer end this program by themselves.
    ///
    /// # Errors
    /// `EMFILE`: no descriptors.
    pub fn new() -> io::Result<EndSignals> {
        let (reading, writing) = UnixStream::pair()?;
        reading.set_nonblocking(true)?;
        for signal in [SIGTERM, SIGINT, SIGHUP] {
            pipe::register(signal, writing.try_clone()?)?;
        }
        Ok(EndSignals(reading))
    }

    /// Whether one has come since the last call.
    pub fn take(&self) -> bool {
        (&self.0).read(&mut [0; 64]).is_ok_and(|count| count > 0)
    }
}

impl AsFd for EndSignals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
