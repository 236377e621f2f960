//! Jobs whose pipes we hold: what they write is read, what they read is written.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

use childset::{Child, ChildStderr, ChildStdin, ChildStdout};
use rustix::event::PollFlags;
use rustix::io::{ioctl_fionbio, Errno};

use crate::launch::Job;
use crate::output::{Held, Stream};
use crate::report::Outcome;

/// How long a pipe that somebody else holds may be silent after the exit before the job counts as ended.
const GRACE: Duration = Duration::from_millis(200);

/// A try of a job, until it has exited and its pipes are done.
pub(crate) struct Running {
    pub(crate) held: Held,
    stdin: Option<Feed>,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    pub(crate) exited: Option<Ended>,
    /// Whether its pipes are used.
    has_begun: bool,
    /// Once it has exited: when the pipes are given up.
    deadline: Option<Instant>,
}

/// How a try of a job ended.
pub(crate) struct Ended {
    pub(crate) job: Job,
    pub(crate) outcome: Outcome,
}

/// What a job is yet to read.
struct Feed {
    pipe: ChildStdin,
    block: Rc<Vec<u8>>,
    written: usize,
}

/// One of the pipes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    Input,
    Output(Stream),
}

/// What reading a pipe gave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Got {
    Bytes(usize),
    /// Nothing now.
    Nothing,
    /// Nothing ever.
    End,
}

impl Running {
    /// Takes the pipes of a new child.
    pub(crate) fn new(child: &mut Child, block: Option<Rc<Vec<u8>>>, held: Held) -> Running {
        let stdin = child.stdin.take().zip(block);
        Running {
            held,
            stdin: stdin.map(|(pipe, block)| Feed { pipe, block, written: 0 }),
            stdout: child.stdout.take(),
            stderr: child.stderr.take(),
            exited: None,
            has_begun: false,
            deadline: None,
        }
    }

    /// Before its pipes are used.
    pub(crate) fn begin(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.has_begun, true) {
            return Ok(());
        }
        for (fd, _) in self.pipes() {
            // Of this open file description: the child's end is another one.
            ioctl_fionbio(fd, true)?;
        }
        self.feed()
    }

    pub(crate) fn pipes(&self) -> impl Iterator<Item = (BorrowedFd<'_>, End)> {
        let stdin = self.stdin.as_ref().map(|feed| (feed.pipe.as_fd(), End::Input));
        let stdout = self.stdout.as_ref().map(|pipe| (pipe.as_fd(), End::Output(Stream::Out)));
        let stderr = self.stderr.as_ref().map(|pipe| (pipe.as_fd(), End::Output(Stream::Err)));
        stdin.into_iter().chain(stdout).chain(stderr)
    }

    /// Writes what fits. A job need not read it all.
    pub(crate) fn feed(&mut self) -> io::Result<()> {
        let Some(feed) = &mut self.stdin else {
            return Ok(());
        };
        match rustix::io::write(&feed.pipe, &feed.block[feed.written..]) {
            Ok(count) => feed.written += count,
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(Errno::PIPE) => feed.written = feed.block.len(),
            Err(error) => return Err(error.into()),
        }
        if feed.written == feed.block.len() {
            self.stdin = None;
        }
        Ok(())
    }

    /// Reads once.
    pub(crate) fn read(&mut self, stream: Stream, buffer: &mut [u8]) -> io::Result<Got> {
        let got = match stream {
            Stream::Out => read(&mut self.stdout, buffer),
            Stream::Err => read(&mut self.stderr, buffer),
        }?;
        if let (Got::Bytes(_), Some(_)) = (got, self.deadline) {
            self.deadline = Some(Instant::now() + GRACE);
        }
        Ok(got)
    }

    pub(crate) fn exit(&mut self, ended: Ended) {
        self.exited = Some(ended);
        self.deadline = Some(Instant::now() + GRACE);
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Whether all that it wrote was read.
    pub(crate) fn is_read(&self) -> bool {
        self.stdout.is_none() && self.stderr.is_none()
    }
}

fn read<P: AsFd>(pipe: &mut Option<P>, buffer: &mut [u8]) -> io::Result<Got> {
    let Some(fd) = pipe else {
        return Ok(Got::End);
    };
    match rustix::io::read(fd, buffer) {
        Ok(0) => {
            *pipe = None;
            Ok(Got::End)
        }
        Ok(count) => Ok(Got::Bytes(count)),
        Err(Errno::AGAIN | Errno::INTR) => Ok(Got::Nothing),
        Err(error) => Err(error.into()),
    }
}

impl End {
    pub(crate) fn interest(self) -> PollFlags {
        match self {
            End::Input => PollFlags::OUT,
            End::Output(_) => PollFlags::IN,
        }
    }
}
