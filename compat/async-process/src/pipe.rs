use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::pin::Pin;
use std::process::Stdio;
use std::task::{Context, Poll};

use futures_lite::{AsyncRead, AsyncWrite};
use rustix::io::ioctl_fionbio;

macro_rules! pipe_end {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name(childset::$name);

        impl $name {
            /// It never blocks, whoever reads or writes it.
            pub(crate) fn new(pipe: childset::$name) -> io::Result<$name> {
                ioctl_fionbio(&pipe, true)?;
                Ok($name(pipe))
            }

            /// The pipe as the standard input, output or error of another child.
            ///
            /// # Errors
            /// None that a pipe can cause.
            pub async fn into_stdio(self) -> io::Result<Stdio> {
                Ok(OwnedFd::try_from(self.0)?.into())
            }
        }

        impl AsRawFd for $name {
            fn as_raw_fd(&self) -> RawFd {
                self.0.as_raw_fd()
            }
        }

        impl AsFd for $name {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.0.as_fd()
            }
        }

        impl TryFrom<$name> for OwnedFd {
            type Error = io::Error;

            /// The descriptor, non-blocking as it was.
            fn try_from(pipe: $name) -> io::Result<OwnedFd> {
                let fd = OwnedFd::try_from(pipe.0)?;
                ioctl_fionbio(&fd, true)?;
                Ok(fd)
            }
        }
    };
}

pipe_end! {
    /// The writing end of the pipe to a child's standard input. Dropping it closes it.
    ChildStdin
}

pipe_end! {
    /// The reading end of the pipe from a child's standard output.
    ChildStdout
}

pipe_end! {
    /// The reading end of the pipe from a child's standard error.
    ChildStderr
}

impl AsyncWrite for ChildStdin {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    /// Flushes, and leaves the pipe open, as in async-process: dropping it closes it.
    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(context)
    }
}

impl AsyncRead for ChildStdout {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncRead for ChildStderr {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}
