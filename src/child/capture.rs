//! Waiting for a child together with what it writes, and reporting all that is known of it.

#[cfg(feature = "async-io")]
use std::future::Future;
use std::io;
use std::process::Output;
use std::time::Duration;

use super::pump::Pump;
use super::Child;
use crate::pidfd::Exit;

/// How a child ended, what it used, and what it wrote: the result of a [`Capture`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Captured {
    /// The status, with the resource use.
    pub exit: Exit,
    /// What it wrote to standard output, if that was piped.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error, if that was piped.
    pub stderr: Vec<u8>,
    /// Whether somebody, most likely a process that the child left behind, still held a pipe open when the
    /// grace was over. What comes later is not in here.
    pub pipe_open: bool,
    /// The limit at which the child was killed with its [unit](crate::Unit), if one was reached. What it had written until
    /// then is in here.
    pub limit: Option<Limit>,
}

/// A limit of a [`Capture`] that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Limit {
    /// The [time](Capture::time_limit).
    Time,
    /// The [size](Capture::size_limit).
    Size,
}

/// Leaves out what `std` has no place for.
impl From<Captured> for Output {
    fn from(captured: Captured) -> Output {
        Output { status: captured.exit.status(), stdout: captured.stdout, stderr: captured.stderr }
    }
}

/// A child whose end and whose output are to be waited for: made by [`Child::capture`].
///
/// Nothing happens until one waits: [`wait`](Capture::wait) blocks, and `.await` (with the feature `async-io`) awaits.
/// Standard input is closed, after the [`input`](Capture::input) if there is one. The wait returns when the child has
/// ended and its pipes are at their end. If another process holds a pipe open after the exit, it returns when nothing
/// has come for the [drain grace](Child::set_drain_grace), and at the [drain limit](Child::set_drain_limit) in any case.
/// [`Captured::pipe_open`] says so. Nothing that was written before the exit is lost.
///
/// ```
/// use childset::{Command, Stdio};
///
/// let mut command = Command::new("sh");
/// command.args(["-c", "tr a-z A-Z; exit 3"]).stdin(Stdio::piped()).stdout(Stdio::piped());
/// let captured = command.spawn()?.capture().input("hello").wait()?;
/// assert_eq!(captured.stdout, b"HELLO");
/// assert_eq!(captured.exit.code(), Some(3));
/// assert!(!captured.pipe_open && captured.exit.user_time().is_some());
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
#[must_use = "a capture does nothing until it is waited for or awaited"]
pub struct Capture {
    child: Child,
    input: Vec<u8>,
    limits: Limits,
}

/// What a child is killed at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) time: Option<Duration>,
    /// In bytes.
    pub(super) size: usize,
}

impl Limits {
    pub(super) const NONE: Limits = Limits { time: None, size: usize::MAX };
}

impl Child {
    /// Waits for the end of the child and for what it writes: see [`Capture`].
    ///
    /// [`wait_with_output`](Child::wait_with_output) gives less, in a type of `std`.
    pub fn capture(self) -> Capture {
        Capture { child: self, input: Vec::new(), limits: Limits::NONE }
    }
}

impl Capture {
    /// Gives the child bytes to read, if its standard input is piped. It need not read them all.
    ///
    /// See [`Capture`].
    pub fn input(mut self, input: impl Into<Vec<u8>>) -> Capture {
        self.input = input.into();
        self
    }

    /// Kills the child with its [unit](crate::Unit) if it has not ended, or its pipes are not at their end, this long after
    /// the wait began. [`Captured::limit`] says so.
    ///
    /// ```
    /// # use childset::{Command, Limit, Signal, Stdio, Unit};
    /// # use std::time::Duration;
    /// let mut command = Command::new("sh");
    /// command.args(["-c", "echo hello; sleep 60; echo late"]).stdout(Stdio::piped()).unit(Unit::ProcessGroup);
    /// let captured = command.spawn()?.capture().time_limit(Duration::from_millis(300)).wait()?;
    /// assert_eq!(captured.limit, Some(Limit::Time));
    /// assert_eq!(captured.exit.signal(), Some(Signal::KILL));
    /// assert_eq!(captured.stdout, b"hello\n");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn time_limit(mut self, limit: Duration) -> Capture {
        self.limits.time = Some(limit);
        self
    }

    /// Kills the child with its [unit](crate::Unit) if it writes more bytes than this to its pipes together. The first
    /// bytes, up to the limit, are kept. [`Captured::limit`] says so.
    ///
    /// ```
    /// # use childset::{Command, Limit, Stdio};
    /// let yes = Command::new("yes").stdout(Stdio::piped()).spawn()?;
    /// let captured = yes.capture().size_limit(1000).wait()?;
    /// assert_eq!((captured.stdout.len(), captured.limit), (1000, Some(Limit::Size)));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn size_limit(mut self, bytes: usize) -> Capture {
        self.limits.size = bytes;
        self
    }

    /// Blocks until the child has ended and its output is there: see [`Capture`].
    ///
    /// # Errors
    /// As [`Child::wait`], and those of reading a pipe; `EPERM`: a limit was reached, and the child may not be killed.
    pub fn wait(mut self) -> io::Result<Captured> {
        Pump::new(&mut self.child, self.input, self.limits)?.run(&self.child.shared)
    }

    /// Not boxed, unlike the future of `IntoFuture`, which has to be named.
    #[cfg(feature = "async-io")]
    pub(super) fn captured(mut self) -> impl Future<Output = io::Result<Captured>> + Send + 'static {
        let pump = Pump::new(&mut self.child, self.input, self.limits);
        let shared = self.child.shared;
        async move { pump?.pump(&shared).await }
    }
}

/// Awaits the end of the child and its output: see [`Capture`].
///
/// ```
/// # futures_lite::future::block_on(async {
/// # use childset::{Command, Signal, Stdio};
/// // The sleeping process keeps the pipe for a minute.
/// let mut command = Command::new("sh");
/// command.args(["-c", "echo hello; sleep 60 &"]).stdout(Stdio::piped()).process_group(0);
/// let child = command.spawn()?;
/// let handle = child.handle();
/// let captured = child.capture().await?;
/// # // Before Linux 6.9 nothing reaches the group of a leader that was reaped.
/// # let _ = handle.send_signal_to_group(Signal::KILL);
/// assert_eq!(captured.stdout, b"hello\n");
/// assert!(captured.pipe_open);
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
///
/// # Errors
/// As [`Child::exit`], and those of reading a pipe.
///
/// # Cancel safety
/// Dropping the future drops the child, and what it wrote so far is lost.
#[cfg(feature = "async-io")]
impl std::future::IntoFuture for Capture {
    type Output = io::Result<Captured>;
    type IntoFuture = std::pin::Pin<Box<dyn Future<Output = io::Result<Captured>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.captured())
    }
}
