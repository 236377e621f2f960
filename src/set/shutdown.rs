use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use super::{ChildSet, Exited};
use crate::pidfd::Signal;

/// The end of a set's children: their exits, and `SIGKILL` for those that outlive the grace.
///
/// Made by [`ChildSet::shutdown`]. With async-io it is a `Stream`; [`wait`](Shutdown::wait) is for threads.
///
#[cfg_attr(feature = "async-io", doc = "```")]
#[cfg_attr(not(feature = "async-io"), doc = "```ignore")]
/// # futures_lite::future::block_on(async {
/// # use childset::{ChildSet, Command};
/// # use std::time::Duration;
/// use futures_lite::StreamExt;
///
/// let set = ChildSet::new()?;
/// set.spawn(Command::new("sleep").arg("60").signal_mask(&[libc::SIGTERM]), "stubborn")?;
/// let mut shutdown = set.shutdown(Duration::from_millis(10));
/// while let Some(exited) = shutdown.next().await {
///     assert_eq!(exited?.exit?.signal(), Some(Signal::KILL));
/// }
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
#[must_use = "the children are killed at the deadline only while their exits are taken"]
pub struct Shutdown<'a, T> {
    set: &'a ChildSet<T>,
    /// When to kill; `None` once that was done, and if it is never to be.
    deadline: Option<Instant>,
    /// What sending the signals met with, to be reported once.
    error: Option<io::Error>,
    #[cfg(feature = "async-io")]
    timer: Option<async_io::Timer>,
    #[cfg(feature = "async-io")]
    listener: Option<event_listener::EventListener>,
}

impl<T> ChildSet<T> {
    /// Ends all children: `SIGTERM` now, and `SIGKILL` to those that are still there when the grace is over.
    ///
    /// Their exits are taken from the returned [`Shutdown`], which ends when the set is empty. Dropping that
    /// before leaves the rest in the set, not killed.
    ///
    /// ```
    /// # use childset::ChildSet;
    /// # use std::process::{Command, Stdio};
    /// # use std::time::Duration;
    /// let set = ChildSet::new()?;
    /// set.insert(Command::new("cat").stdin(Stdio::piped()).spawn()?, ())?;
    /// let mut shutdown = set.shutdown(Duration::from_secs(5));
    /// while let Some(exited) = shutdown.wait()? {
    ///     assert_eq!(exited.exit?.signal(), Some(Signal::TERM));
    /// }
    /// # std::io::Result::Ok(())
    /// ```
    pub fn shutdown(&self, grace: Duration) -> Shutdown<'_, T> {
        Shutdown {
            set: self,
            deadline: Instant::now().checked_add(grace),
            error: self.send_signal_to_all(Signal::TERM).err(),
            #[cfg(feature = "async-io")]
            timer: None,
            #[cfg(feature = "async-io")]
            listener: None,
        }
    }
}

impl<T> Shutdown<'_, T> {
    /// Takes the exit of the next child that ends, blocking this thread; `None` when the set is empty. See
    /// [`ChildSet::shutdown`].
    ///
    /// # Errors
    /// - Once after each round of signals, `EPERM`: a child changed its user. The others got theirs.
    /// - As [`ChildSet::wait`].
    pub fn wait(&mut self) -> io::Result<Option<Exited<T>>> {
        loop {
            if let Some(error) = self.error.take() {
                return Err(error);
            }
            let left = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let exited = self.set.wait(left)?;
            if exited.is_some() || self.set.is_empty() {
                return Ok(exited);
            }
            if left.is_some() {
                self.kill_if_due();
            }
        }
    }

    fn kill_if_due(&mut self) {
        if self.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            self.deadline = None;
            self.error = self.set.send_signal_to_all(Signal::KILL).err();
        }
    }
}

/// # Cancel safety
/// No exit is lost, and the deadline stays.
#[cfg(feature = "async-io")]
impl<T> futures_lite::Stream for Shutdown<'_, T> {
    type Item = io::Result<Exited<T>>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        use std::future::Future;

        let this = &mut *self;
        if let Some(deadline) = this.deadline {
            let timer = this.timer.get_or_insert_with(|| async_io::Timer::at(deadline));
            if std::pin::Pin::new(timer).poll(context).is_ready() {
                this.timer = None;
                this.kill_if_due();
            }
        }
        if let Some(error) = this.error.take() {
            return std::task::Poll::Ready(Some(Err(error)));
        }
        this.set.poll_exit(context, super::stream::Until::Empty, Some(&mut this.listener))
    }
}

impl<T> fmt::Debug for Shutdown<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shutdown")
            .field("set", self.set)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
