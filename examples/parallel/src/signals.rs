//! The signals that ask `parallel` to end, as a descriptor.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use shared::Ignored;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

pub(crate) struct Signals(UnixStream);

impl Signals {
    /// What was ignored when `parallel` started (by `nohup`, or in the background of a script) stays ignored.
    pub(crate) fn catch() -> io::Result<Signals> {
        let (reader, writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        let ignored = Ignored::now();
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            if !ignored.has(signal) {
                pipe::register(signal, writer.try_clone()?)?;
            }
        }
        Ok(Signals(reader))
    }

    /// How many came since the last call.
    pub(crate) fn take(&mut self) -> io::Result<usize> {
        match self.0.read(&mut [0; 64]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            result => result,
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
