//! Registers an epoll instance, which holds any number of pidfds, with async-io's reactor.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use async_io::Async;

/// An epoll instance in the reactor, with the one waker that the reactor wakes when it becomes readable.
#[derive(Debug)]
pub(crate) struct Source {
    epoll: Async<Arc<OwnedFd>>,
    waker: Waker,
}

impl Source {
    pub(crate) fn new(epoll: &Arc<OwnedFd>, waker: Waker) -> io::Result<Source> {
        Ok(Source { epoll: Async::new_nonblocking(Arc::clone(epoll))?, waker })
    }

    /// Has the waker woken once the epoll instance is readable, at once if it is already.
    pub(crate) fn arm(&self) -> io::Result<()> {
        let mut context = Context::from_waker(&self.waker);
        // Ready tells of an event for which the waker was woken before; asking again registers anew.
        while let Poll::Ready(event) = self.epoll.poll_readable(&mut context) {
            event?;
        }
        Ok(())
    }
}
