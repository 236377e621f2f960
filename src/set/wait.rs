//! Blocking waits, and waking them when the set becomes empty or closed under them.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::event::{eventfd, EventfdFlags, PollFd, PollFlags};

use super::{ChildSet, Exited, Until};
use crate::sync::lock;
use crate::sys::poll::poll;
use crate::watch::dropped::wakes_sweepers;

/// The threads that block on a set.
///
/// The epoll descriptor wakes them when a child ends, but not when another consumer takes the last one, nor when the
/// set is closed. For that, each of them that is not woken yet gets one token of `eventfd`, a semaphore, and takes it
/// when it leaves: so it is readable only until they have left, however soon one comes back.
#[derive(Debug, Default)]
pub(super) struct Blocked(Mutex<Threads>);

#[derive(Debug, Default)]
struct Threads {
    /// How many block and were not woken.
    asleep: u64,
    /// How often all were woken.
    wakes: u64,
    /// Made by the first thread that blocks, and kept.
    eventfd: Option<Arc<OwnedFd>>,
}

impl Blocked {
    pub(super) fn wake(&self) {
        let mut threads = lock(&self.0);
        let Some(eventfd) = threads.eventfd.clone().filter(|_| threads.asleep > 0) else {
            return;
        };
        // It cannot overflow: there are no more tokens than threads.
        if rustix::io::write(&eventfd, &threads.asleep.to_ne_bytes()).is_ok() {
            threads.asleep = 0;
            threads.wakes += 1;
        }
    }

    fn enter(&self) -> io::Result<Guard<'_>> {
        let mut threads = lock(&self.0);
        let eventfd = match &threads.eventfd {
            Some(eventfd) => Arc::clone(eventfd),
            None => {
                let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK | EventfdFlags::SEMAPHORE;
                Arc::clone(threads.eventfd.insert(Arc::new(eventfd(0, flags)?)))
            }
        };
        threads.asleep += 1;
        Ok(Guard { blocked: self, eventfd, wakes: threads.wakes })
    }
}

/// One thread that is about to block.
struct Guard<'a> {
    blocked: &'a Blocked,
    eventfd: Arc<OwnedFd>,
    /// How often all had been woken when it came.
    wakes: u64,
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        let mut threads = lock(&self.blocked.0);
        match threads.wakes == self.wakes {
            true => threads.asleep -= 1,
            // Its token.
            false => drop(rustix::io::read(&self.eventfd, &mut [0; 8])),
        }
    }
}

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

    fn wait_until(&self, deadline: Option<Instant>, until: Until) -> io::Result<Option<Exited<T>>> {
        loop {
            if let Some(exited) = self.try_wait()? {
                return Ok(Some(exited));
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) || self.has_ended(until) {
                return Ok(None);
            }
            self.block(left, until)?;
        }
    }

    /// Blocks until a child may have ended, there is none to wait for any more, or the time is over.
    fn block(&self, left: Option<Duration>, until: Until) -> io::Result<()> {
        let guard = self.blocked.enter()?;
        // Only now that a wake-up cannot be missed.
        if self.has_ended(until) {
            return Ok(());
        }
        let sweepers = wakes_sweepers();
        let sweepers = sweepers.as_ref().unwrap_or(&self.epoll);
        let mut fds = [&*self.epoll, &*guard.eventfd, &**sweepers].map(|fd| PollFd::new(fd, PollFlags::IN));
        poll(&mut fds, left)
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
