//! Pipes with the traits of futures-lite.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use async_io::Async;
use futures_lite::{ready, AsyncRead, AsyncWrite};

use super::pipe::{ChildStderr, ChildStdin, ChildStdout, Pipe};

impl Pipe {
    fn poll<R>(
        &mut self,
        mut act: impl FnMut(&OwnedFd) -> Result<R, rustix::io::Errno>,
        mut poll_ready: impl FnMut(&Async<BorrowedFd<'static>>) -> Poll<io::Result<()>>,
    ) -> Poll<io::Result<R>> {
        // The flag is set first, since what is registered is awaited with calls that must not block.
        if !self.0.is_registered() {
            rustix::io::ioctl_fionbio(self.fd(), true)?;
        }
        self.source()?;
        loop {
            match act(self.fd()) {
                Err(rustix::io::Errno::AGAIN) => {
                    if let Err(error) = ready!(poll_ready(self.source()?)) {
                        // async-io has kept the waker, and would not ask the kernel again.
                        self.0.unregister();
                        return Poll::Ready(Err(error));
                    }
                }
                Err(rustix::io::Errno::INTR) => {}
                result => return Poll::Ready(Ok(result?)),
            }
        }
    }

    fn poll_read(&mut self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.poll(|fd| rustix::io::read(fd, &mut *buffer), |source| source.poll_readable(context))
    }
}

impl AsyncWrite for ChildStdin {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.0.is_closed() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        self.0.poll(|fd| rustix::io::write(fd, buffer), |source| source.poll_writable(context))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Closes the pipe: the child reads its end, and further writes are
    /// [`BrokenPipe`](io::ErrorKind::BrokenPipe).
    ///
    /// # Errors
    /// `EMFILE`, `ENFILE`, `ENOMEM`: no descriptor to put in its place. It is open still; dropping it closes it.
    fn poll_close(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.0.close())
    }
}

impl AsyncRead for ChildStdout {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_read(context, buffer)
    }
}

impl AsyncRead for ChildStderr {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_read(context, buffer)
    }
}
