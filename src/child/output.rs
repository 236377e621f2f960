//! Waiting for a child together with what it writes.

#[cfg(feature = "async-io")]
use std::future::Future;
use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use super::pump::Pump;
use super::Child;
use crate::pidfd::Exit;

/// How a child ended, and what it wrote.
///
/// ```
/// # use childset::{Command, Stdio};
/// let mut command = Command::new("sh");
/// command.args(["-c", "echo out; echo err >&2; exit 3"]).stdout(Stdio::piped()).stderr(Stdio::piped());
/// let output = command.spawn()?.wait_with_output()?;
/// assert_eq!(output.status.code(), Some(3));
/// assert_eq!((&output.stdout[..], &output.stderr[..]), (&b"out\n"[..], &b"err\n"[..]));
/// // For what expects `std`'s.
/// let output = std::process::Output::from(output);
/// # assert_eq!(output.status.code(), Some(3));
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Output {
    /// The exit status.
    pub status: ExitStatus,
    /// What it wrote to standard output, if that was piped.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error, if that was piped.
    pub stderr: Vec<u8>,
    /// The status with the resource use.
    pub exit: Exit,
    /// Whether somebody, most likely a process that the child left behind, still held a pipe open when the
    /// grace was over. What comes later is not in here.
    pub pipe_open: bool,
}

impl From<Output> for std::process::Output {
    fn from(output: Output) -> std::process::Output {
        std::process::Output { status: output.status, stdout: output.stdout, stderr: output.stderr }
    }
}

impl Child {
    /// Blocks until the child has ended, and returns what it wrote to its pipes.
    ///
    /// Standard input is closed first. It returns when the child has ended and its pipes are at their end; or,
    /// where another process holds one open, when nothing has come for the
    /// [drain grace](Child::set_drain_grace) after the exit. [`Output::pipe_open`] says so. Nothing that
    /// was written before the exit is lost.
    ///
    /// ```
    /// # use childset::{Command, Stdio};
    /// let child = Command::new("echo").arg("hello").stdout(Stdio::piped()).spawn()?;
    /// let output = child.wait_with_output()?;
    /// assert_eq!(output.stdout, b"hello\n");
    /// assert!(output.status.success() && !output.pipe_open);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// As [`wait`](Child::wait), and those of reading a pipe.
    pub fn wait_with_output(self) -> io::Result<Output> {
        self.wait_with_input(Vec::new())
    }

    /// As [`wait_with_output`](Child::wait_with_output), with bytes for the child to read, if its standard input
    /// is piped. It need not read them all.
    ///
    /// ```
    /// # use childset::{Command, Stdio};
    /// let child = Command::new("tr").args(["a-z", "A-Z"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    /// assert_eq!(child.wait_with_input("hello")?.stdout, b"HELLO");
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// As [`wait_with_output`](Child::wait_with_output).
    pub fn wait_with_input(mut self, input: impl Into<Vec<u8>>) -> io::Result<Output> {
        Pump::new(&mut self, input.into())?.run(&self.shared)
    }

    /// Awaits the end of the child, and returns what it wrote to its pipes.
    ///
    /// As [`wait_with_output`](Child::wait_with_output), which tells when.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// # use childset::{Command, Stdio};
    /// // The sleeping process keeps the pipe for a minute.
    /// let mut command = Command::new("sh");
    /// command.args(["-c", "echo hello; sleep 60 &"]).stdout(Stdio::piped()).process_group(0);
    /// let child = command.spawn()?;
    /// # let group = rustix::process::Pid::from_raw(child.id() as i32).unwrap();
    /// let output = child.output().await?;
    /// # rustix::process::kill_process_group(group, rustix::process::Signal::KILL)?;
    /// assert_eq!(output.stdout, b"hello\n");
    /// assert!(output.pipe_open);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// As [`exit`](Child::exit), and those of reading a pipe.
    ///
    /// # Cancel safety
    /// Dropping the future drops the child, and what it wrote so far is lost.
    #[cfg(feature = "async-io")]
    pub fn output(self) -> impl Future<Output = io::Result<Output>> + Send + 'static {
        self.output_with_input(Vec::new())
    }

    /// As [`output`](Child::output), with bytes for the child to read, if its standard input is piped. It need
    /// not read them all.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// # use childset::{Command, Stdio};
    /// let child = Command::new("head").arg("-c2").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    /// let output = child.output_with_input(vec![b'y'; 1_000_000]).await?;
    /// assert_eq!(output.stdout, b"yy");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// As [`output`](Child::output).
    ///
    /// # Cancel safety
    /// As [`output`](Child::output).
    #[cfg(feature = "async-io")]
    pub fn output_with_input(
        mut self,
        input: impl Into<Vec<u8>>,
    ) -> impl Future<Output = io::Result<Output>> + Send + 'static {
        let pump = Pump::new(&mut self, input.into());
        async move { pump?.pump(&self.shared).await }
    }

    /// Sets how long a pipe that somebody else holds open may be silent after the exit before its end is no
    /// longer waited for; 200 ms unless set. Whole milliseconds count.
    ///
    /// ```
    /// # use childset::{Command, Stdio};
    /// # use std::time::Duration;
    /// let line = "(sleep 0.3; echo late) & echo early";
    /// let mut child = Command::new("sh").args(["-c", line]).stdout(Stdio::piped()).spawn()?;
    /// child.set_drain_grace(Duration::from_secs(60));
    /// assert_eq!(child.wait_with_output()?.stdout, b"early\nlate\n");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn set_drain_grace(&mut self, grace: Duration) {
        self.shared.set_drain_grace(grace);
    }
}
