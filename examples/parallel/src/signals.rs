//! The signals that ask `parallel` to end or to stop, as descriptors.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use shared::Ignored;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGTSTP};
use signal_hook::low_level::{emulate_default_handler, pipe};

pub(crate) struct Signals {
    ends: UnixStream,
    stops: UnixStream,
}

impl Signals {
    /// What was ignored when `parallel` started (by `nohup`, or in the background of a script) stays ignored.
    pub(crate) fn catch() -> io::Result<Signals> {
        let (ends, end) = UnixStream::pair()?;
        let (stops, stop) = UnixStream::pair()?;
        ends.set_nonblocking(true)?;
        stops.set_nonblocking(true)?;
        let ignored = Ignored::now();
        let all = [(SIGINT, &end), (SIGTERM, &end), (SIGHUP, &end), (SIGTSTP, &stop)];
        for (signal, writer) in all {
            if !ignored.has(signal) {
                pipe::register(signal, writer.try_clone()?)?;
            }
        }
        Ok(Signals { ends, stops })
    }

    /// How many that ask to end came since the last call.
    pub(crate) fn take(&mut self) -> io::Result<usize> {
        take(&self.ends)
    }

    /// Whether one that asks to stop (Ctrl-Z) came since the last call.
    pub(crate) fn take_stop(&mut self) -> io::Result<bool> {
        Ok(take(&self.stops)? > 0)
    }

    pub(crate) fn fds(&self) -> [BorrowedFd<'_>; 2] {
        [self.ends.as_fd(), self.stops.as_fd()]
    }
}

fn take(mut reader: &UnixStream) -> io::Result<usize> {
    match reader.read(&mut [0; 64]) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        result => result,
    }
}

/// Returns when somebody has it go on.
pub(crate) fn stop() -> io::Result<()> {
    emulate_default_handler(SIGTSTP)
}
