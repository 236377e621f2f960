use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::event::PollFlags;

use super::blocking::Blocking;
#[cfg(feature = "command")]
use super::stdio::Stdio;
#[cfg(feature = "command")]
use crate::sys::launch::until_released;
#[cfg(feature = "async-io")]
use crate::sys::low::above_stdio;
use crate::sys::poll::poll_one;
use crate::sys::signal::without_sigpipe;
use crate::watch::registered::{Numbered, Registered};

/// Our end of a pipe. It becomes `O_NONBLOCK` at the first await. Reads and writes that are not awaited still
/// block.
#[derive(Debug)]
pub(crate) struct Pipe(
    /// With the number of its flight, if the child may still need its end from us: that is closed here before this one is
    /// used. 0 if not; `CLOSED` if this one was closed.
    pub(super) Registered<Numbered>,
);

/// The number of no flight.
const CLOSED: u32 = u32::MAX;

impl Pipe {
    fn new(fd: OwnedFd) -> Pipe {
        Pipe::numbered(fd, 0)
    }

    /// Of a child that was just made.
    #[cfg(feature = "command")]
    pub(crate) fn of_started(fd: OwnedFd, flight: u32) -> Pipe {
        Pipe::numbered(fd, flight)
    }

    fn numbered(fd: OwnedFd, number: u32) -> Pipe {
        Pipe(Registered::new(Numbered { fd, number: AtomicU32::new(number) }))
    }

    pub(super) fn is_closed(&self) -> bool {
        self.0.get().number.load(Ordering::Relaxed) == CLOSED
    }

    fn end(&self) -> &Registered<Numbered> {
        #[cfg(feature = "command")]
        {
            let flight = &self.0.get().number;
            match flight.load(Ordering::Relaxed) {
                0 | CLOSED => {}
                number => {
                    until_released(number);
                    flight.store(0, Ordering::Relaxed);
                }
            }
        }
        &self.0
    }

    pub(super) fn fd(&self) -> &OwnedFd {
        &self.end().get().fd
    }

    fn into_fd(self) -> OwnedFd {
        self.end();
        self.0.into_inner().fd
    }

    /// Blocks where the descriptor does not.
    fn retry<R>(
        &self,
        interest: PollFlags,
        mut act: impl FnMut(&OwnedFd) -> Result<R, rustix::io::Errno>,
    ) -> io::Result<R> {
        loop {
            match act(self.fd()) {
                Err(rustix::io::Errno::AGAIN) => poll_one(self.fd(), interest, None)?,
                result => return Ok(result?),
            }
        }
    }

    pub(super) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.retry(PollFlags::IN, |fd| rustix::io::read(fd, &mut *buffer))
    }

    pub(super) fn write(&self, buffer: &[u8]) -> io::Result<usize> {
        if self.is_closed() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.retry(PollFlags::OUT, |fd| rustix::io::write(fd, buffer))
    }

    /// The descriptor as another process expects it: blocking.
    fn into_blocking(self) -> io::Result<OwnedFd> {
        self.set_nonblocking(false)?;
        Ok(self.into_fd())
    }

    /// The same; a pipe cannot fail at it.
    fn into_surely_blocking(self) -> OwnedFd {
        let fd = self.into_fd();
        let _ = rustix::io::ioctl_fionbio(&fd, false);
        fd
    }

    pub(crate) fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        Ok(rustix::io::ioctl_fionbio(self.fd(), nonblocking)?)
    }

    /// Appends up to `limit` bytes from an `O_NONBLOCK` pipe; `None` if there are none now, 0 at its end.
    pub(super) fn try_read(&self, buffer: &mut Vec<u8>, limit: usize) -> io::Result<Option<usize>> {
        buffer.reserve(limit);
        without_waiting(|| rustix::io::read(self.fd(), rustix::buffer::spare_capacity(buffer)))
    }

    /// How many bytes are in it.
    pub(super) fn pending(&self) -> usize {
        rustix::io::ioctl_fionread(self.fd()).map_or(0, |count| count as usize)
    }

    /// Writes what fits into an `O_NONBLOCK` pipe; `None` if nothing does now. That nobody reads is an error alone, and no
    /// signal.
    pub(super) fn try_write(&self, bytes: &[u8]) -> io::Result<Option<usize>> {
        without_waiting(|| without_sigpipe(|| rustix::io::write(self.fd(), bytes)))
    }

    /// Closes it. A descriptor that cannot be written to takes its place, since it may be borrowed later.
    #[cfg(feature = "async-io")]
    pub(super) fn close(&mut self) -> io::Result<()> {
        if !self.is_closed() {
            let flags = rustix::event::epoll::CreateFlags::CLOEXEC;
            let nothing = above_stdio(rustix::event::epoll::create(flags)?)?;
            self.end();
            *self = Pipe::numbered(nothing, CLOSED);
        }
        Ok(())
    }

    #[cfg(feature = "async-io")]
    pub(super) fn source(&self) -> io::Result<&async_io::Async<BorrowedFd<'static>>> {
        self.end().source()
    }
}

fn without_waiting<R>(mut act: impl FnMut() -> Result<R, rustix::io::Errno>) -> io::Result<Option<R>> {
    loop {
        match act() {
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => return Ok(None),
            result => return Ok(Some(result?)),
        }
    }
}

impl AsFd for Pipe {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd().as_fd()
    }
}

macro_rules! pipe_end {
    ($(#[$doc:meta])* $name:ident, $std:ty) => {
        $(#[$doc])*
        pub struct $name(pub(super) Pipe);

        /// With the number of its descriptor.
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($name)).field(&self.as_raw_fd()).finish()
            }
        }

        impl $name {
            /// The same end with `std`'s traits, whose calls block: see [`Blocking`].
            pub fn blocking(&self) -> Blocking<'_, $name> {
                Blocking(self)
            }

            /// The pipe as the standard input, output or error of another child, as async-process has it;
            /// `Stdio::from` does the same at once.
            ///
            /// # Errors
            /// None that a pipe can cause.
            #[cfg(all(feature = "async-io", feature = "command"))]
            pub async fn into_stdio(self) -> io::Result<Stdio> {
                Ok(self.0.into_blocking()?.into())
            }
        }

        impl From<OwnedFd> for $name {
            fn from(fd: OwnedFd) -> $name {
                Pipe::new(fd).into()
            }
        }

        impl From<Pipe> for $name {
            fn from(pipe: Pipe) -> $name {
                $name(pipe)
            }
        }

        impl From<$name> for Pipe {
            fn from(end: $name) -> Pipe {
                end.0
            }
        }

        impl From<$std> for $name {
            fn from(pipe: $std) -> $name {
                OwnedFd::from(pipe).into()
            }
        }

        impl TryFrom<$name> for OwnedFd {
            type Error = io::Error;

            /// The descriptor, blocking.
            fn try_from(pipe: $name) -> io::Result<OwnedFd> {
                pipe.0.into_blocking()
            }
        }

        #[cfg(feature = "command")]
        impl From<$name> for Stdio {
            fn from(pipe: $name) -> Stdio {
                pipe.0.into_surely_blocking().into()
            }
        }

        /// It blocks, and can be kept: [`blocking`]($name::blocking) borrows.
        impl From<$name> for $std {
            fn from(pipe: $name) -> $std {
                pipe.0.into_surely_blocking().into()
            }
        }

        /// For a command of `std`'s.
        impl From<$name> for std::process::Stdio {
            fn from(pipe: $name) -> std::process::Stdio {
                pipe.0.into_surely_blocking().into()
            }
        }

        impl AsFd for $name {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.0.as_fd()
            }
        }

        impl AsRawFd for $name {
            fn as_raw_fd(&self) -> RawFd {
                self.as_fd().as_raw_fd()
            }
        }
    };
}

pipe_end! {
    /// The writing end of the pipe to a child's standard input.
    ///
    /// With the feature `async-io` it is an `AsyncWrite`; [`blocking`](ChildStdin::blocking) writes at once, as `std`'s does.
    /// Dropping it closes it, and so does `close().await`.
    ///
    /// ```
    /// # use childset::{Command, Stdio};
    /// use std::io::Write;
    ///
    /// let mut child = Command::new("grep").args(["-q", "needle"]).stdin(Stdio::piped()).spawn()?;
    /// let stdin = child.stdin.take().unwrap();
    /// stdin.blocking().write_all(b"hay\nneedle\n")?;
    /// drop(stdin);
    /// assert!(child.wait()?.success());
    /// # std::io::Result::Ok(())
    /// ```
    ChildStdin, std::process::ChildStdin
}

pipe_end! {
    /// The reading end of the pipe from a child's standard output.
    ///
    /// With the feature `async-io` it is an `AsyncRead`; [`blocking`](ChildStdout::blocking) reads at once, as `std`'s does.
    ///
    /// ```
    /// # use childset::{Command, Stdio};
    /// use std::io::Read;
    ///
    /// let mut echo = Command::new("echo").arg("hello").stdout(Stdio::piped()).spawn()?;
    /// let pipe = echo.stdout.take().unwrap();
    /// let mut tr = Command::new("tr").args(["a-z", "A-Z"]).stdin(pipe).stdout(Stdio::piped()).spawn()?;
    /// let mut text = String::new();
    /// tr.stdout.take().unwrap().blocking().read_to_string(&mut text)?;
    /// assert_eq!(text, "HELLO\n");
    /// # std::io::Result::Ok(())
    /// ```
    ChildStdout, std::process::ChildStdout
}

pipe_end! {
    /// The reading end of the pipe from a child's standard error.
    ///
    /// It reads as [`ChildStdout`] does.
    ChildStderr, std::process::ChildStderr
}
