use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::Timespec;

use crate::pidfd::Pidfd;

/// An edge-triggered watch on one pidfd, for waiting until a zombie that a tracer holds back can be reaped.
///
/// Such a zombie is readable all the time; the edges come when the process ends, when the tracer lets go,
/// and when it is reaped. The descriptor of the watch is readable while an edge has not been consumed.
#[derive(Debug)]
pub(crate) struct Edge(OwnedFd);

impl Edge {
    /// Starts with an edge if the process has ended already.
    pub(crate) fn new(pidfd: &Pidfd) -> io::Result<Edge> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, pidfd, EventData::new_u64(0), EventFlags::IN | EventFlags::ET)?;
        Ok(Edge(epoll))
    }

    /// Consumes an edge if there is one.
    #[cfg(feature = "async-io")]
    pub(crate) fn consume(&self) -> io::Result<()> {
        self.fetch(Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))
    }

    /// Blocks until there is an edge, and consumes it.
    pub(crate) fn wait(&self) -> io::Result<()> {
        self.fetch(None)
    }

    fn fetch(&self, timeout: Option<&Timespec>) -> io::Result<()> {
        let mut events = [Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }];
        match epoll::wait(&self.0, &mut events, timeout) {
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
