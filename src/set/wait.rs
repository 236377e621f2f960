//! Blocking waits: how `wait` and `wait_exits` block.

use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags};

use super::{ChildSet, Exited, Until};
use crate::sys::poll::poll;
use crate::watch::dropped::wakes_sweepers;

impl<T> ChildSet<T> {
    /// With a deadline, `None` may mean that it has passed.
    pub(super) fn wait_until(
        &self,
        deadline: Option<Instant>,
        until: Until,
    ) -> io::Result<Option<Exited<T>>> {
        let taken = self.blocked.wait(
            || deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())),
            || self.take(),
            (until, || self.has_ended(until)),
            |bell, left| {
                let sweepers = wakes_sweepers().unwrap_or(&self.epoll).as_fd();
                let fds = [self.epoll.as_fd(), bell.as_fd(), sweepers];
                poll(&mut fds.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)), left)
            },
        );
        // Without a copy on the way.
        match taken {
            Ok(Some(taken)) => Ok(Some(self.exited(taken))),
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The iterator of [`ChildSet::wait_exits`].
#[must_use = "iterators do nothing unless used"]
pub struct WaitExits<'a, T> {
    pub(super) set: &'a ChildSet<T>,
}

impl<T> Iterator for WaitExits<'_, T> {
    type Item = io::Result<Exited<T>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.set.wait_until(None, Until::Closed).transpose()
    }
}

impl<T> fmt::Debug for WaitExits<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitExits").field("set", self.set).finish()
    }
}
