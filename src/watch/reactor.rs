//! async-io's reactor: whether it runs, and registering an epoll instance with it.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use async_io::Async;
use rustix::event::{epoll, eventfd, EventfdFlags};

/// Whether this program has used the reactor through us. Before that, we must not start its thread.
static RUNS: AtomicBool = AtomicBool::new(false);

pub(super) fn runs() -> bool {
    RUNS.load(Ordering::Acquire)
}

/// Finds out whether the reactor can start, and notes that it does. True for the first caller alone.
///
/// # Errors
/// Where the reactor would panic, for want of its descriptors: `EMFILE`, `ENFILE`, `ENOMEM`.
pub(super) fn start() -> io::Result<bool> {
    if runs() {
        return Ok(false);
    }
    let needed = (epoll::create(epoll::CreateFlags::CLOEXEC)?, eventfd(0, EventfdFlags::CLOEXEC)?);
    drop(needed);
    Ok(!RUNS.swap(true, Ordering::AcqRel))
}

/// An epoll instance in the reactor, with the one waker that the reactor wakes when it becomes readable.
#[derive(Debug)]
pub(crate) struct Registration {
    epoll: Async<Arc<OwnedFd>>,
    waker: Waker,
}

impl Registration {
    pub(crate) fn new(epoll: &Arc<OwnedFd>, waker: Waker) -> io::Result<Registration> {
        Ok(Registration { epoll: Async::new_nonblocking(Arc::clone(epoll))?, waker })
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
