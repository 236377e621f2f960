//! What there is a job for each of: arguments from the command line, or from standard input as they are wanted;
//! or blocks of standard input.

use std::ffi::OsString;
use std::io::{self, Error, ErrorKind};
use std::os::unix::ffi::OsStringExt;
use std::vec;

use rustix::event::{poll, PollFd, PollFlags};
use rustix::io::Errno;

use crate::blocks::Blocks;

/// The kernel passes no longer argument to any program (`MAX_ARG_STRLEN`).
const LONGEST: usize = 128 * 1024;

pub(crate) enum Input {
    List(vec::IntoIter<OsString>),
    Stdin(Stdin),
    Blocks(Blocks),
}

pub(crate) enum Next {
    Argument(OsString),
    Block(Vec<u8>),
    /// Standard input has to be read first.
    Later,
    End,
}

/// Standard input in one buffer, of which `buffer[start..end]` was read and not yet taken.
pub(crate) struct Stdin {
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    delimiter: u8,
    ended: bool,
}

impl Input {
    pub(crate) fn of_list(arguments: Vec<OsString>) -> Input {
        Input::List(arguments.into_iter())
    }

    pub(crate) fn of_stdin(delimiter: u8) -> Input {
        let buffer = vec![0; LONGEST].into_boxed_slice();
        Input::Stdin(Stdin { buffer, start: 0, end: 0, delimiter, ended: false })
    }

    /// Takes an argument or a block that is there already.
    pub(crate) fn next(&mut self) -> Next {
        match self {
            Input::List(arguments) => arguments.next().map_or(Next::End, Next::Argument),
            Input::Stdin(stdin) => match stdin.take() {
                Some(argument) => Next::Argument(argument),
                None if stdin.ended => Next::End,
                None => Next::Later,
            },
            Input::Blocks(blocks) => match blocks.take() {
                Some(block) => Next::Block(block),
                None if blocks.is_done() => Next::End,
                None => Next::Later,
            },
        }
    }

    /// Whether to read on: of arguments no more than there is a slot for, but one block in advance.
    pub(crate) fn wants(&self, slot_is_free: bool) -> bool {
        match self {
            Input::List(_) => false,
            Input::Stdin(stdin) => slot_is_free && !stdin.ended,
            Input::Blocks(blocks) => blocks.wants_more(),
        }
    }

    /// Whether all arguments were taken.
    pub(crate) fn is_done(&self) -> bool {
        match self {
            Input::List(arguments) => arguments.len() == 0,
            Input::Stdin(stdin) => stdin.ended && stdin.start == stdin.end,
            Input::Blocks(blocks) => blocks.is_done(),
        }
    }

    /// How many jobs are left, once that is known.
    pub(crate) fn left(&self) -> Option<u64> {
        match self {
            Input::List(arguments) => Some(arguments.len() as u64),
            Input::Stdin(stdin) => stdin.ended.then(|| stdin.count()),
            Input::Blocks(blocks) => blocks.is_done().then_some(0),
        }
    }

    /// Reads once what standard input has. Called after [`Next::Later`], when `poll` says that it has something.
    pub(crate) fn read(&mut self) -> io::Result<()> {
        match self {
            Input::List(_) => Ok(()),
            Input::Stdin(stdin) => stdin.read(),
            Input::Blocks(blocks) => blocks.read(),
        }
    }

    /// Waits for standard input, and reads.
    pub(crate) fn wait(&mut self) -> io::Result<()> {
        let stdin = io::stdin();
        match poll(&mut [PollFd::new(&stdin, PollFlags::IN)], None) {
            Ok(_) => self.read(),
            Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Stdin {
    fn take(&mut self) -> Option<OsString> {
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

    fn count(&self) -> u64 {
        let unread = &self.buffer[self.start..self.end];
        let delimiters = unread.iter().filter(|&&byte| byte == self.delimiter).count();
        let unterminated = unread.last().is_some_and(|&byte| byte != self.delimiter);
        delimiters as u64 + u64::from(unterminated)
    }

    fn read(&mut self) -> io::Result<()> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.end == LONGEST {
            return Err(Error::new(ErrorKind::InvalidData, "an argument is longer than 128 KiB"));
        }
        match rustix::io::read(io::stdin(), &mut self.buffer[self.end..]) {
            Ok(0) => self.ended = true,
            Ok(count) => self.end += count,
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}
