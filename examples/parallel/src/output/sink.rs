//! Standard output and standard error, to which jobs' output goes.

use std::io;
use std::os::fd::AsFd;

use rustix::event::{poll, PollFd, PollFlags};
use rustix::io::Errno;

use super::Stream;

#[derive(Default)]
pub(super) struct Sink {
    /// Nobody reads it any more: all that is for it is dropped.
    closed: [bool; 2],
}

impl Sink {
    pub(super) fn is_closed(&self, stream: Stream) -> bool {
        self.closed[stream as usize]
    }

    /// Blocks until all is written, or nobody reads it.
    pub(super) fn write(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        if self.is_closed(stream) {
            return Ok(());
        }
        let result = match stream {
            Stream::Out => write_all(io::stdout(), bytes),
            Stream::Err => write_all(io::stderr(), bytes),
        };
        match result {
            Err(Errno::PIPE) => self.closed[stream as usize] = true,
            result => result?,
        }
        Ok(())
    }
}

fn write_all(fd: impl AsFd, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match rustix::io::write(&fd, bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::INTR) => {}
            // Whoever shares it made it O_NONBLOCK.
            Err(Errno::AGAIN) => match poll(&mut [PollFd::new(&fd, PollFlags::OUT)], None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            },
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
