//! Arguments from a descriptor, read as they are wanted.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Error, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStringExt;

use rustix::io::Errno;

/// The kernel passes no longer argument to any program (`MAX_ARG_STRLEN`).
const LONGEST: usize = 128 * 1024;

/// One buffer: `buffer[start..end]` was read and not yet taken.
pub(crate) struct Stream {
    /// Standard input if `None`.
    file: Option<File>,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    delimiter: u8,
    ended: bool,
}

impl Stream {
    pub(crate) fn new(file: Option<File>, delimiter: u8) -> Stream {
        let buffer = vec![0; LONGEST].into_boxed_slice();
        Stream { file, buffer, start: 0, end: 0, delimiter, ended: false }
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    pub(crate) fn is_done(&self) -> bool {
        self.ended && self.start == self.end
    }

    pub(crate) fn take(&mut self) -> Option<OsString> {
        let unread = &self.buffer[self.start..self.end];
        let (length, delimiter) = match unread.iter().position(|&byte| byte == self.delimiter) {
            Some(length) => (length, 1),
            // The last argument may lack its delimiter.
            None if self.ended && !unread.is_empty() => (unread.len(), 0),
            None => return None,
        };
        let argument = unread[..length].to_vec();
        self.start += length + delimiter;
        Some(OsString::from_vec(argument))
    }

    /// What was read and not yet taken.
    pub(crate) fn count(&self) -> u64 {
        let unread = &self.buffer[self.start..self.end];
        let delimiters = unread.iter().filter(|&&byte| byte == self.delimiter).count();
        let unterminated = unread.last().is_some_and(|&byte| byte != self.delimiter);
        delimiters as u64 + u64::from(unterminated)
    }

    pub(crate) fn read(&mut self) -> io::Result<()> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.end == LONGEST {
            return Err(Error::new(ErrorKind::InvalidData, "an argument is longer than 128 KiB"));
        }
        let buffer = &mut self.buffer[self.end..];
        let read = match &self.file {
            Some(file) => rustix::io::read(file, buffer),
            None => rustix::io::read(io::stdin(), buffer),
        };
        match read {
            Ok(0) => self.ended = true,
            Ok(count) => self.end += count,
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    pub(crate) fn fd<'a>(&'a self, stdin: &'a io::Stdin) -> BorrowedFd<'a> {
        self.file.as_ref().map_or(stdin.as_fd(), File::as_fd)
    }
}
