//! Blocking waits, and waking them when the set becomes empty under them.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustix::event::{eventfd, EventfdFlags, PollFd, PollFlags};

use super::{ChildSet, Exited};
use crate::sync::lock;
use crate::sys::poll::poll;

/// The threads that block on a set.
///
/// The epoll descriptor wakes them when a child ends, but not when another consumer takes the last one: that
/// makes `eventfd` readable, until each of them has left.
#[derive(Debug, Default)]
pub(super) struct Blocked(Mutex<Threads>);

#[derive(Debug, Default)]
struct Threads {
    count: usize,
    woken: bool,
    /// Made by the first thread that blocks, and kept.
    eventfd: Option<std::sync::Arc<OwnedFd>>,
}

impl Blocked {
    pub(super) fn wake(&self) {
        let mut threads = lock(&self.0);
        if threads.count > 0 && !threads.woken {
            if let Some(eventfd) = &threads.eventfd {
                threads.woken = rustix::io::write(eventfd, &1u64.to_ne_bytes()).is_ok();
            }
        }
    }

    fn enter(&self) -> io::Result<Guard<'_>> {
        let mut threads = lock(&self.0);
        let eventfd = match &threads.eventfd {
            Some(eventfd) => eventfd.clone(),
            None => {
                let new = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
                threads.eventfd.insert(new.into()).clone()
            }
        };
        threads.count += 1;
        Ok(Guard { blocked: self, eventfd })
    }
}

/// One thread that is about to block.
struct Guard<'a> {
    blocked: &'a Blocked,
    eventfd: std::sync::Arc<OwnedFd>,
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        let mut threads = lock(&self.blocked.0);
        threads.count -= 1;
        if threads.count == 0 && threads.woken {
            let _ = rustix::io::read(&self.eventfd, &mut [0; 8]);
            threads.woken = false;
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
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            if let Some(exited) = self.try_wait()? {
                return Ok(Some(exited));
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) || self.is_empty() {
                return Ok(None);
            }
            self.block(left)?;
        }
    }

    /// Blocks until a child may have ended, the set is empty, or the time is over.
    fn block(&self, left: Option<Duration>) -> io::Result<()> {
        let guard = self.blocked.enter()?;
        // Only now that a wake-up cannot be missed.
        if self.is_empty() {
            return Ok(());
        }
        let mut fds = [PollFd::new(&*self.epoll, PollFlags::IN), PollFd::new(&guard.eventfd, PollFlags::IN)];
        poll(&mut fds, left)
    }
}
