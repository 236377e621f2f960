//! What the children of a set write, as it comes, and their exits: as one stream.

use std::fmt;
#[cfg(feature = "async-io")]
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
#[cfg(feature = "async-io")]
use std::pin::Pin;
#[cfg(feature = "async-io")]
use std::task::Context;
use std::task::Poll;

#[cfg(feature = "async-io")]
use futures_lite::{ready, Stream};
use rustix::event::{PollFd, PollFlags};

use super::member::{Exited, Key};
use super::reading::Reading;
use super::ChildSet;
use crate::child::LONGEST;
use crate::pidfd::Forked;
use crate::sync::lock;
use crate::sys::poll::poll;
use crate::watch::dropped::{sweep, wakes_sweepers};

/// Something that a child of a set has written, or its end: out of [`SetEvents`].
#[derive(Debug)]
#[non_exhaustive]
pub enum SetEvent<T> {
    /// A line of its standard output, with the newline at its end; the last one may have none. Or a part of it: see
    /// [`SetEvents::chunks`].
    #[non_exhaustive]
    Stdout {
        /// The key that [`ChildSet::insert`] returned.
        key: Key,
        /// A copy of what was inserted with the child.
        tag: T,
        /// The line.
        line: Vec<u8>,
    },
    /// The same of its standard error.
    #[non_exhaustive]
    Stderr {
        /// See `Stdout`.
        key: Key,
        /// See `Stdout`.
        tag: T,
        /// The line.
        line: Vec<u8>,
    },
    /// It has ended, and nothing of it comes after this.
    #[non_exhaustive]
    Exited {
        /// The status and all that the set knows.
        exited: Box<Exited<T>>,
        /// Whether somebody, most likely a process that the child left behind, still held a pipe open when the grace was
        /// over. [`Exited::child`] has that pipe: dropping it closes it.
        pipe_open: bool,
    },
}

/// What the children of a set write to their pipes, line by line, and their ends: made by [`ChildSet::events`].
///
/// [`try_wait`](SetEvents::try_wait) never blocks, [`wait`](SetEvents::wait) blocks, and `next()` or the `Stream` awaits, to
/// be mixed freely. Children that come into the set later are taken up, until it is [closed](ChildSet::close) and empty.
///
/// The end of a child comes after all its lines: when it has ended and its pipes are at their end, or when its
/// [drain grace](crate::Child::set_drain_grace) or [drain limit](crate::Child::set_drain_limit) is over. A child leaves the
/// set when it ends, which may be before that.
///
/// ```
/// use childset::{ChildSet, Command, SetEvent, Stdio};
///
/// let set = ChildSet::new()?;
/// for host in ["alpha", "beta"] {
///     let mut command = Command::new("sh");
///     command.args(["-c", "echo hello from $0; exit 3", host]).stdout(Stdio::piped());
///     set.spawn(&mut command, host)?;
/// }
/// set.close();
/// let mut events = set.events()?;
/// let mut lines = Vec::new();
/// while let Some(event) = events.wait()? {
///     match event {
///         SetEvent::Stdout { tag, line, .. } => lines.push((tag, String::from_utf8_lossy(&line).into_owned())),
///         SetEvent::Exited { exited, .. } => assert_eq!(exited.exit?.code(), Some(3)),
///         _ => {}
///     }
/// }
/// lines.sort();
/// assert_eq!(lines, [("alpha", "hello from alpha\n".into()), ("beta", "hello from beta\n".into())]);
/// # std::io::Result::Ok(())
/// ```
///
/// # Which one
///
/// | you want | use |
/// |---|---|
/// | lines of many children, and their ends | this |
/// | lines of one child | [`Child::events`](crate::Child::events) |
/// | all output of a child, at its end | [`Child::capture`](crate::Child::capture), in a task or thread for each child |
/// | to read a pipe in your own way | [`take_stdout`](ChildSet::take_stdout) after the spawn |
/// | no output at all | [`Stdio::null`](crate::Stdio::null): a child whose pipe nobody reads blocks at 64 KiB |
///
/// # In another event loop
///
/// `AsFd` is one descriptor for all pipes and exits. When it is readable, call [`try_wait`](SetEvents::try_wait), a bounded
/// number of times or until it returns `None`. After an error it stays readable, and the next call tries again.
///
/// # Other consumers
///
/// Exits go to one of those that take them. If another one has [taken](ChildSet::wait) or [removed](ChildSet::remove) a
/// child, its lines still come here, until its pipes or the set are at their end. Unless that was before this has looked for
/// newcomers: then the child has its pipes with it.
///
/// # Dropping
///
/// Nothing is lost: what was read stays in the set, with the pipes, and the next [`events`](ChildSet::events) goes on.
pub struct SetEvents<'a, T> {
    set: &'a ChildSet<T>,
    /// `None` only while being dropped.
    reading: Option<Box<Reading<T>>>,
    /// How long a line may be that is kept until it is whole: 0 where chunks are wanted.
    longest: usize,
    /// How many events were given out in a row.
    #[cfg(feature = "async-io")]
    given: u8,
}

/// Where the `Reading` of a set is.
pub(super) enum Place<T> {
    /// It has none yet.
    None,
    Here(Box<Reading<T>>),
    Taken,
}

/// How many events are given out before the executor gets a turn.
#[cfg(feature = "async-io")]
const GIVEN_IN_A_ROW: u8 = 64;

impl<T> ChildSet<T> {
    /// What the children write to their pipes, line by line, and their ends: see [`SetEvents`].
    ///
    /// It takes the pipes of standard output and standard error out of the set, of all children that are in it and of those
    /// that come later. Tags are copied, one for each line: their `clone` must not use this set. Standard input stays:
    /// [take](ChildSet::take_stdin) it.
    ///
    /// # Errors
    /// - `EMFILE`, `ENFILE`, `ENOMEM`: out of descriptors or memory.
    /// - [`ResourceBusy`](io::ErrorKind::ResourceBusy): the events of this set are being taken.
    /// - [`Forked`]: the set belongs to the process that this one was forked from.
    pub fn events(&self) -> io::Result<SetEvents<'_, T>>
    where
        T: Clone,
    {
        Forked::check(self.origin)?;
        let mut place = lock(&self.reading);
        let reading = match std::mem::replace(&mut *place, Place::Taken) {
            Place::Here(reading) => reading,
            Place::None => match Reading::new(self) {
                Ok(reading) => Box::new(reading),
                Err(error) => {
                    *place = Place::None;
                    return Err(error);
                }
            },
            Place::Taken => {
                return Err(io::Error::new(
                    io::ErrorKind::ResourceBusy,
                    "the events of the set are being taken",
                ))
            }
        };
        drop(place);
        let events = SetEvents {
            set: self,
            reading: Some(reading),
            longest: LONGEST,
            #[cfg(feature = "async-io")]
            given: 0,
        };
        events.reading().begin(self)?;
        Ok(events)
    }
}

impl<T> SetEvents<'_, T> {
    fn reading(&self) -> &Reading<T> {
        self.reading.as_ref().expect("taken only by drop")
    }

    fn reading_mut(&mut self) -> &mut Reading<T> {
        self.reading.as_mut().expect("taken only by drop")
    }

    /// Gives what comes as it comes, instead of lines: for progress bars, prompts and bytes.
    ///
    /// ```
    /// # use childset::{ChildSet, Command, SetEvent, Stdio};
    /// let set = ChildSet::new()?;
    /// set.spawn(Command::new("printf").arg("no newline").stdout(Stdio::piped()), ())?;
    /// match set.events()?.chunks().wait()? {
    ///     Some(SetEvent::Stdout { line, .. }) => assert_eq!(line, b"no newline"),
    ///     other => panic!("{other:?}"),
    /// }
    /// # std::io::Result::Ok(())
    /// ```
    pub fn chunks(mut self) -> Self {
        self.longest = 0;
        self
    }
}

impl<T: Clone> SetEvents<'_, T> {
    fn look(&mut self) -> io::Result<Poll<Option<SetEvent<T>>>> {
        Forked::check(self.set.origin)?;
        let (set, longest) = (self.set, self.longest);
        self.reading_mut().next(set, longest)
    }

    /// The next one, if there is one now. Never blocks.
    ///
    /// ```
    /// # use childset::{ChildSet, Command, SetEvent, Stdio};
    /// use rustix::event::{poll, PollFd, PollFlags};
    ///
    /// let set = ChildSet::new()?;
    /// set.spawn(Command::new("echo").arg("hello").stdout(Stdio::piped()), 1)?;
    /// let mut events = set.events()?;
    /// let line = loop {
    ///     // An event loop does this.
    ///     poll(&mut [PollFd::new(&events, PollFlags::IN)], None)?;
    ///     if let Some(SetEvent::Stdout { tag: 1, line, .. }) = events.try_wait()? {
    ///         break line;
    ///     }
    /// };
    /// assert_eq!(line, b"hello\n");
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// As [`wait`](SetEvents::wait).
    pub fn try_wait(&mut self) -> io::Result<Option<SetEvent<T>>> {
        sweep();
        Ok(match self.look()? {
            Poll::Ready(event) => event,
            Poll::Pending => None,
        })
    }

    /// The next one, blocking this thread until there is one; `None` when the set is [closed](ChildSet::close) and empty.
    /// See [`SetEvents`].
    ///
    /// # Errors
    /// - `ENOMEM`, `ENOSPC`: a pipe cannot be watched. Nothing is lost, and the next call tries again. What the others write
    ///   still comes, between such errors.
    /// - Those of reading a pipe, which is closed then.
    /// - [`Forked`]: the set belongs to the process that this one was forked from.
    pub fn wait(&mut self) -> io::Result<Option<SetEvent<T>>> {
        loop {
            sweep();
            if let Poll::Ready(event) = self.look()? {
                return Ok(event);
            }
            let epoll = self.reading().epoll.get();
            let fds = [epoll, wakes_sweepers().unwrap_or(epoll)];
            poll(&mut fds.map(|fd| PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN)), None)?;
        }
    }

    /// The next one; `None` when the set is [closed](ChildSet::close) and empty. See [`SetEvents`].
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// # use childset::{ChildSet, Command, SetEvent, Stdio};
    /// let set = ChildSet::new()?;
    /// set.spawn(Command::new("echo").arg("hello").stdout(Stdio::piped()), "echo")?;
    /// set.close();
    /// let mut events = set.events()?;
    /// while let Some(event) = events.next().await.transpose()? {
    ///     match event {
    ///         SetEvent::Stdout { tag, line, .. } => println!("{tag}: {}", line.escape_ascii()),
    ///         SetEvent::Exited { exited, .. } => println!("{}: {}", exited.tag, exited.exit?.status()),
    ///         _ => {}
    ///     }
    /// }
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// As [`wait`](SetEvents::wait); and the set cannot be watched by the reactor: `EMFILE`, `ENOMEM`, `ENOSPC`.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    #[cfg(feature = "async-io")]
    pub async fn next(&mut self) -> Option<io::Result<SetEvent<T>>> {
        poll_fn(|context| self.poll(context)).await
    }

    #[cfg(feature = "async-io")]
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<SetEvent<T>>>> {
        self.given += 1;
        if self.given > GIVEN_IN_A_ROW {
            self.given = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        loop {
            if let Poll::Ready(event) = self.look()? {
                return Poll::Ready(event.map(Ok));
            }
            self.given = 0;
            if let Err(error) = ready!(self.reading().epoll.source()?.poll_readable(context)) {
                // async-io has kept the waker, and would not ask the kernel again.
                self.reading_mut().epoll.unregister();
                return Poll::Ready(Some(Err(error)));
            }
        }
    }
}

/// # Cancel safety
/// Nothing is lost.
#[cfg(feature = "async-io")]
impl<T: Clone> Stream for SetEvents<'_, T> {
    type Item = io::Result<SetEvent<T>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll(context)
    }
}

/// One descriptor for all pipes and exits. It is for waiting alone.
impl<T> AsFd for SetEvents<'_, T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reading().epoll.get().as_fd()
    }
}

/// Nothing in it is pinned.
impl<T> Unpin for SetEvents<'_, T> {}

impl<T> Drop for SetEvents<'_, T> {
    fn drop(&mut self) {
        // In a copy of this process it may be locked for good.
        let Ok(mut members) = self.set.members() else {
            return;
        };
        members.newcomers = None;
        drop(members);
        if let Some(reading) = self.reading.take() {
            *lock(&self.set.reading) = Place::Here(reading);
        }
    }
}

impl<T> fmt::Debug for SetEvents<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SetEvents").field("set", self.set).finish_non_exhaustive()
    }
}
