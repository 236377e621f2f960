//! Blocking waits.

use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};

use super::{ChildSet, Exited, Until};
use crate::sys::poll::poll;

impl<T> ChildSet<T> {
    /// Takes the exit of the next child that ends, blocking this thread until one does.
    ///
    /// `None` if the set is empty, also when another consumer takes the last child meanwhile, or if the
    /// timeout ran out first.
    ///
    /// ```
    /// # use childset::{ChildSet, Signal};
    /// # use std::process::{Command, Stdio};
    /// # use std::time::Duration;
    /// let set = ChildSet::new()?;
    /// let key = set.insert(Command::new("cat").stdin(Stdio::piped()).spawn()?, ())?;
    /// assert!(set.wait(Some(Duration::from_millis(10)))?.is_none());
    /// set.send_signal(key, Signal::KILL)?;
    /// assert_eq!(set.wait(None)?.unwrap().exit?.signal(), Some(Signal::KILL));
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// `EMFILE`, `ENFILE`, `ENOMEM`: no descriptor to block on. No exit is lost.
    pub fn wait(&self, timeout: Option<Duration>) -> io::Result<Option<Exited<T>>> {
        // A deadline that lies too far ahead for the clock is none.
        self.wait_until(timeout.and_then(|timeout| Instant::now().checked_add(timeout)), Until::Empty)
    }

    /// The exits of all children, also of those that are inserted later, until the set is
    /// [closed](ChildSet::close) and empty. Each step blocks this thread until a child ends.
    ///
    /// ```
    /// # use childset::{ChildSet, Command};
    /// let set = ChildSet::new()?;
    /// std::thread::scope(|scope| {
    ///     let waiting = scope.spawn(|| set.wait_exits().map(|exited| exited.unwrap().tag).sum::<i32>());
    ///     for tag in [1, 2, 3] {
    ///         set.spawn(&mut Command::new("true"), tag)?;
    ///     }
    ///     set.close();
    ///     assert_eq!(waiting.join().unwrap(), 6);
    ///     std::io::Result::Ok(())
    /// })
    /// # ?; std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// As [`wait`](ChildSet::wait); the iterator may be asked again.
    pub fn wait_exits(&self) -> WaitExits<'_, T> {
        WaitExits { set: self }
    }

    /// With a deadline, `None` may mean that it has passed.
    pub(super) fn wait_until(
        &self,
        deadline: Option<Instant>,
        until: Until,
    ) -> io::Result<Option<Exited<T>>> {
        self.blocked.wait(
            || deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())),
            || self.try_wait(),
            (until, || self.has_ended(until)),
            |bell, left| {
                let fds = &mut [PollFd::new(&*self.epoll, PollFlags::IN), PollFd::new(bell, PollFlags::IN)];
                poll(fds, left)
            },
        )
    }
}

/// The iterator of [`ChildSet::wait_exits`].
#[must_use = "iterators do nothing unless used"]
pub struct WaitExits<'a, T> {
    set: &'a ChildSet<T>,
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
