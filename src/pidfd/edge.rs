use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};

use super::Pidfd;
use crate::sys::low::above_stdio;
use crate::sys::poll::timespec;

/// An edge-triggered watch on one pidfd, for waiting until a zombie that a tracer holds back can be reaped.
///
/// Such a zombie is readable all the time; the edges come when the process ends, when the tracer lets go,
/// and when it is reaped. The descriptor of the watch is readable while an edge has not been consumed.
#[derive(Debug)]
pub(crate) struct Edge(OwnedFd);

impl Edge {
    /// Starts with an edge if the process has ended already.
    pub(crate) fn new(pidfd: &Pidfd) -> io::Result<Edge> {
        let epoll = above_stdio(epoll::create(CreateFlags::CLOEXEC)?)?;
        epoll::add(&epoll, pidfd, EventData::new_u64(0), EventFlags::IN | EventFlags::ET)?;
        Ok(Edge(epoll))
    }

    /// Consumes an edge if there is one.
    pub(crate) fn consume(&self) -> io::Result<()> {
        self.wait(Some(Duration::ZERO))
    }

    /// Blocks until there is an edge, and consumes it, or until the time is over.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> io::Result<()> {
        let timeout = timeout.map(timespec);
        let mut events = [Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }];
        match epoll::wait(&self.0, &mut events, timeout.as_ref()) {
            // The caller looks at the process before it waits again, so an interruption does no harm.
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for Edge {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
