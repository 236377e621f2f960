use std::fmt;
use std::io;
use std::thread;
use std::time::{Duration, Instant};
#[cfg(feature = "async-io")]
use std::{
    future::{poll_fn, Future},
    pin::Pin,
    task::{Context, Poll},
};

#[cfg(feature = "async-io")]
use futures_lite::{ready, Stream};

use super::{ChildSet, Exited, Until};
use crate::child::{ChildHandle, Looks};

/// The end of a set's children: their exits, and `SIGKILL` for those that outlive the grace.
///
/// Made by [`ChildSet::shutdown`]. [`try_wait`](Shutdown::try_wait) never blocks, [`wait`](Shutdown::wait) blocks, and
/// `next()` or the `Stream` awaits.
///
#[cfg_attr(feature = "async-io", doc = "```")]
#[cfg_attr(not(feature = "async-io"), doc = "```ignore")]
/// # futures_lite::future::block_on(async {
/// # use childset::{ChildSet, Command, Signal};
/// # use std::time::Duration;
/// let set = ChildSet::new()?;
/// set.spawn(Command::new("sleep").arg("60").signal_mask(&[Signal::TERM]), "stubborn")?;
/// let mut shutdown = set.shutdown(Duration::from_millis(10));
/// while let Some(exited) = shutdown.next().await {
///     assert_eq!(exited?.exit?.signal(), Some(Signal::KILL));
/// }
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
#[must_use = "the children are killed at the deadline only while their exits are taken"]
pub struct Shutdown<'a, T> {
    set: &'a ChildSet<T>,
    /// Those that have come out, and something of whose units is left. After the kill, those whose end can be awaited.
    rest: Vec<ChildHandle>,
    looks: Looks,
    /// What sending the signals met with, to be reported once.
    error: Option<io::Error>,
    #[cfg(feature = "async-io")]
    timer: Option<async_io::Timer>,
    /// For the next look at the rest.
    #[cfg(feature = "async-io")]
    look: Option<async_io::Timer>,
    #[cfg(feature = "async-io")]
    ticket: Option<super::stream::Ticket>,
}

impl<T> ChildSet<T> {
    /// Ends all children with their [units](crate::Unit): `SIGTERM` now, and `SIGCONT`, so that stopped ones can act on it;
    /// and `SIGKILL` to those that are still there when the grace is over.
    ///
    /// Their exits are taken from the returned [`Shutdown`]. It ends when the set is empty, and nothing of the units is
    /// left or the rest was killed. A killed cgroup may take up to a second to be empty. The calls that take exits send
    /// `SIGKILL`. It comes in time while a thread blocks in [`wait`](Shutdown::wait), or a task awaits `next()`. Otherwise
    /// it comes with the next call that takes an exit. After the `Shutdown` was dropped, it never comes: the other children
    /// stay in the set, and live.
    ///
    /// Both signals go to the children that are in the set at that moment. If others may still put children into it,
    /// [close](ChildSet::close) it first.
    ///
    /// ```
    /// # use childset::{ChildSet, Signal};
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
            rest: Vec::new(),
            looks: Looks::new(Instant::now().checked_add(grace)),
            error: self.end_all(false).err(),
            #[cfg(feature = "async-io")]
            timer: None,
            #[cfg(feature = "async-io")]
            look: None,
            #[cfg(feature = "async-io")]
            ticket: None,
        }
    }
}

impl<T> Shutdown<'_, T> {
    /// Takes the exit of a child that has ended, or `None` if no child has, and sends what is due. Never blocks.
    ///
    /// ```
    /// # use childset::{ChildSet, Command};
    /// # use std::time::Duration;
    /// let set = ChildSet::new()?;
    /// set.spawn(Command::new("sleep").arg("60"), ())?;
    /// let mut shutdown = set.shutdown(Duration::from_secs(5));
    /// while !shutdown.is_over() {
    ///     // A frame of a game.
    ///     if let Some(exited) = shutdown.try_wait()? {
    ///         println!("{}", exited.exit?);
    ///     }
    /// }
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// As [`wait`](Shutdown::wait).
    pub fn try_wait(&mut self) -> io::Result<Option<Exited<T>>> {
        self.kill_if_due();
        match self.error.take() {
            Some(error) => Err(error),
            None => Ok(self.set.try_wait()?.inspect(|exited| self.note(exited))),
        }
    }

    /// Takes the exit of the next child that ends, blocking this thread; `None` when the set is empty. See
    /// [`ChildSet::shutdown`].
    ///
    /// # Errors
    /// - Once after each round of signals, `EPERM`: a child changed its user. The others got theirs.
    /// - As [`ChildSet::wait`].
    pub fn wait(&mut self) -> io::Result<Option<Exited<T>>> {
        loop {
            // First, since exits that can be taken must not put it off, however many there are.
            self.kill_if_due();
            if let Some(error) = self.error.take() {
                return Err(error);
            }
            let exited = self.set.wait_until(self.looks.due(), Until::Empty)?;
            if let Some(exited) = exited {
                self.note(&exited);
                return Ok(Some(exited));
            }
            if !self.looks.is_due() {
                // The set is empty.
                if self.is_rest_gone() {
                    return Ok(None);
                }
                thread::sleep(self.looks.next());
            }
        }
    }

    /// Takes the exit of the next child that ends; `None` when the set is empty. See [`ChildSet::shutdown`].
    ///
    /// # Errors
    /// As [`wait`](Shutdown::wait), and those of [`ChildSet::next`].
    ///
    /// # Cancel safety
    /// A future that is dropped has taken no exit, and the deadline stays.
    #[cfg(feature = "async-io")]
    pub async fn next(&mut self) -> Option<io::Result<Exited<T>>> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    fn kill_if_due(&mut self) {
        if self.looks.is_due() {
            let mut error = self.set.end_all(true).err();
            self.rest.retain(is_left);
            for handle in &self.rest {
                error = error.or(handle.kill().err());
            }
            self.error = self.error.take().or(error);
            self.rest.retain(ChildHandle::tells_its_end);
            self.looks.kill();
        }
    }

    /// Whether everything that was asked to end has ended or was killed. Then there is nothing left to wait for. See
    /// [`try_wait`](Shutdown::try_wait).
    pub fn is_over(&mut self) -> bool {
        self.set.is_empty() && self.is_rest_gone()
    }

    fn is_rest_gone(&mut self) -> bool {
        self.rest.retain(is_left);
        self.rest.is_empty() || (self.looks.was_killed() && self.looks.is_over())
    }

    /// Notes a child that has come out: what is left of its unit is to be killed at the deadline.
    fn note(&mut self, exited: &Exited<T>) {
        if exited.child.has_unit() {
            let handle = exited.child.handle();
            if !is_left(&handle) {
                return;
            }
            if self.looks.was_killed() {
                self.error = self.error.take().or(handle.kill().err());
                self.looks.kill();
                if !handle.tells_its_end() {
                    return;
                }
            }
            self.rest.push(handle);
        }
    }
}

/// Whether a process of the unit is left. Where the kernel does not say, nobody waits.
fn is_left(handle: &ChildHandle) -> bool {
    !handle.is_unit_gone().unwrap_or(true)
}

/// # Cancel safety
/// No exit is lost, and the deadline stays.
#[cfg(feature = "async-io")]
impl<T> Stream for Shutdown<'_, T> {
    type Item = io::Result<Exited<T>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        while let Some(deadline) = this.looks.due() {
            // Which starts the reactor, or says why not.
            if let Err(error) = this.set.consumers() {
                return Poll::Ready(Some(Err(error)));
            }
            let timer = this.timer.get_or_insert_with(|| async_io::Timer::at(deadline));
            if Pin::new(timer).poll(context).is_pending() {
                break;
            }
            this.timer = None;
            this.kill_if_due();
        }
        if let Some(error) = this.error.take() {
            return Poll::Ready(Some(Err(error)));
        }
        match ready!(this.set.poll_exit(context, Until::Empty, Some(&mut this.ticket))) {
            Some(Ok(exited)) => {
                this.note(&exited);
                Poll::Ready(Some(Ok(exited)))
            }
            Some(Err(error)) => Poll::Ready(Some(Err(error))),
            None => {
                while !this.is_rest_gone() {
                    let pause = this.looks.next();
                    let look = this.look.get_or_insert_with(|| async_io::Timer::after(pause));
                    ready!(Pin::new(look).poll(context));
                    this.look = None;
                    this.kill_if_due();
                }
                Poll::Ready(this.error.take().map(Err))
            }
        }
    }
}

impl<T> fmt::Debug for Shutdown<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shutdown")
            .field("set", self.set)
            .field("deadline", &self.looks.due())
            .finish_non_exhaustive()
    }
}
