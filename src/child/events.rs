//! What a child writes, as it comes, and its end: as one stream.

use std::collections::VecDeque;
use std::fmt;
#[cfg(feature = "async-io")]
use std::future::{poll_fn, Future};
use std::io;
#[cfg(feature = "async-io")]
use std::pin::Pin;
#[cfg(feature = "async-io")]
use std::task::{Context, Poll};

#[cfg(feature = "async-io")]
use futures_lite::{ready, Stream};

use super::capture::{Captured, Limits};
use super::pump::Pump;
use super::{Child, Keeper};
use crate::pidfd::Exit;

/// Something that a child has written, or its end: out of [`Events`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A line of its standard output, with the newline at its end; the last one may have none. Or a part of it: see
    /// [`Events::chunks`].
    Stdout(Vec<u8>),
    /// The same of its standard error.
    Stderr(Vec<u8>),
    /// It has ended, and nothing comes after this.
    Exited {
        /// The status, with the resource use.
        exit: Exit,
        /// Whether somebody, most likely a process that the child left behind, still held a pipe open when the grace was
        /// over. What comes later is lost.
        pipe_open: bool,
    },
}

/// What a child writes to its pipes, line by line, and its end: made by [`Child::events`].
///
/// [`wait`](Events::wait) blocks, and `next()` or the `Stream` awaits. The end comes last: when the child has ended and its
/// pipes are at their end, or when the [drain grace](Child::set_drain_grace) or the [drain limit](Child::set_drain_limit) is
/// over. So neither a child that closes its output early, nor one that leaves a process behind, holds anything up, and
/// nothing that was written before the exit is lost.
///
/// The lines of one pipe come in their order. The order between two pipes is not known.
///
/// ```
/// use childset::{Command, Event, Stdio};
///
/// let mut command = Command::new("sh");
/// command.args(["-c", "echo one; echo two; exit 3"]).stdout(Stdio::piped());
/// let mut events = command.spawn()?.events()?;
/// let mut lines = Vec::new();
/// while let Some(event) = events.wait()? {
///     match event {
///         Event::Stdout(line) => lines.push(line),
///         Event::Exited { exit, .. } => assert_eq!(exit.code(), Some(3)),
///         _ => {}
///     }
/// }
/// assert_eq!(lines, [b"one\n", b"two\n"]);
/// # std::io::Result::Ok(())
/// ```
pub struct Events {
    shared: Keeper,
    /// `None` after the end.
    pump: Option<Pump>,
    /// How long a line may be that is kept until it is whole: 0 where chunks are wanted.
    longest: usize,
    queue: VecDeque<Event>,
    #[cfg(feature = "async-io")]
    awaiting: Option<Awaiting>,
}

#[cfg(feature = "async-io")]
struct Awaiting {
    ended: Pin<Box<dyn Future<Output = io::Result<Exit>> + Send>>,
    timer: Option<async_io::Timer>,
}

/// A longer line comes in parts.
pub(crate) const LONGEST: usize = 1024 * 1024;

const MAKE: [fn(Vec<u8>) -> Event; 2] = [Event::Stdout, Event::Stderr];

impl Child {
    /// What it writes to its pipes, line by line, and its end: see [`Events`].
    ///
    /// Standard input is closed: take it before, to write to it.
    ///
    /// # Errors
    /// [`Forked`](crate::Forked): the child belongs to the process that this one was forked from.
    pub fn events(mut self) -> io::Result<Events> {
        let pump = Pump::new(&mut self, Vec::new(), Limits::NONE)?;
        Ok(Events {
            shared: self.shared,
            pump: Some(pump),
            longest: LONGEST,
            queue: VecDeque::new(),
            #[cfg(feature = "async-io")]
            awaiting: None,
        })
    }
}

impl Events {
    /// Gives what comes as it comes, instead of lines: for progress bars, prompts and bytes.
    ///
    /// ```
    /// # use childset::{Command, Event, Stdio};
    /// let child = Command::new("printf").arg("no newline").stdout(Stdio::piped()).spawn()?;
    /// let mut events = child.events()?.chunks();
    /// assert_eq!(events.wait()?, Some(Event::Stdout(b"no newline".to_vec())));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn chunks(mut self) -> Events {
        self.longest = 0;
        self
    }

    /// The next one, blocking this thread until there is one; `None` after the end. See [`Events`].
    ///
    /// # Errors
    /// As [`Child::wait`], and those of reading a pipe, which is closed then. What was read is not lost, and it may be called
    /// again.
    pub fn wait(&mut self) -> io::Result<Option<Event>> {
        loop {
            if let Some(event) = self.queue.pop_front() {
                return Ok(Some(event));
            }
            let Some(pump) = &mut self.pump else {
                return Ok(None);
            };
            let done = pump.advance(&self.shared)?;
            self.sort(done);
        }
    }

    /// The next one; `None` after the end. See [`Events`].
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// # use childset::{Command, Event, Stdio};
    /// let child = Command::new("echo").arg("hello").stdout(Stdio::piped()).spawn()?;
    /// let mut events = child.events()?;
    /// assert_eq!(events.next().await.transpose()?, Some(Event::Stdout(b"hello\n".to_vec())));
    /// assert!(matches!(events.next().await.transpose()?, Some(Event::Exited { pipe_open: false, .. })));
    /// assert!(events.next().await.is_none());
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// As [`Child::exit`], and those of reading a pipe.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    #[cfg(feature = "async-io")]
    pub async fn next(&mut self) -> Option<io::Result<Event>> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    /// Queues what has come.
    fn sort(&mut self, done: Option<Captured>) {
        let Some(pump) = &mut self.pump else {
            return;
        };
        let outputs = pump.outputs();
        let end = done.map(|Captured { exit, stdout, stderr, pipe_open, .. }| {
            [outputs[0].buffer, outputs[1].buffer] = [stdout, stderr];
            Event::Exited { exit, pipe_open }
        });
        for (output, make) in outputs.iter_mut().zip(MAKE) {
            output.take_come(self.longest, |line| self.queue.push_back(make(line)));
            if end.is_some() {
                self.queue.extend(output.take_rest().map(make));
            }
        }
        if end.is_some() {
            self.queue.extend(end);
            self.pump = None;
            #[cfg(feature = "async-io")]
            {
                self.awaiting = None;
            }
        }
    }
}

/// # Cancel safety
/// Nothing is lost.
#[cfg(feature = "async-io")]
impl Stream for Events {
    type Item = io::Result<Event>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if let Some(event) = this.queue.pop_front() {
                return Poll::Ready(Some(Ok(event)));
            }
            let Some(pump) = &mut this.pump else {
                return Poll::Ready(None);
            };
            let Awaiting { ended, timer } = this.awaiting.get_or_insert_with(|| {
                let shared = this.shared.clone();
                Awaiting { ended: Box::pin(async move { shared.exit().await }), timer: None }
            });
            let done = match ready!(pump.poll(&this.shared, ended.as_mut(), timer, context)) {
                Ok(done) => done,
                Err(error) => {
                    // A future that has failed is not polled again.
                    this.awaiting = None;
                    return Poll::Ready(Some(Err(error)));
                }
            };
            this.sort(done);
        }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("pid", &self.shared.process().pid()).finish_non_exhaustive()
    }
}
