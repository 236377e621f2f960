//! What is in a pipe, without taking it.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::pipe::{pipe_with, tee, PipeFlags, SpliceFlags};

/// As much as a pipe has, unless it was made larger.
const MOST: usize = 1 << 16;

/// A pipe of our own, empty between two looks.
pub(super) struct Peek {
    reader: File,
    writer: OwnedFd,
}

impl Peek {
    pub(super) fn new() -> io::Result<Peek> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        Ok(Peek { reader: reader.into(), writer })
    }

    /// Its first bytes; none if it is empty.
    pub(super) fn look(&self, pipe: impl AsFd) -> io::Result<Vec<u8>> {
        let count = loop {
            match tee(&pipe, &self.writer, MOST, SpliceFlags::NONBLOCK) {
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(Vec::new()),
                result => break result?,
            }
        };
        let mut bytes = vec![0; count];
        (&self.reader).read_exact(&mut bytes)?;
        Ok(bytes)
    }
}
