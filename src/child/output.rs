//! What a child writes, as `std` gives it.

#[cfg(feature = "async-io")]
use std::future::Future;
use std::io;
use std::process::Output;
use std::time::Duration;

use super::Child;

impl Child {
    /// Blocks until the child has ended, and returns what it wrote to its pipes.
    ///
    /// [`Capture`](crate::Capture) says when it returns; [`capture`](Child::capture) also gives the resource use, and
    /// says whether a pipe was still open.
    ///
    /// ```
    /// # use childset::{Command, Stdio};
    /// let child = Command::new("echo").arg("hello").stdout(Stdio::piped()).spawn()?;
    /// let output: std::process::Output = child.wait_with_output()?;
    /// assert_eq!(output.stdout, b"hello\n");
    /// assert!(output.status.success());
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// As [`wait`](Child::wait), and those of reading a pipe; `EMFILE`, `ENFILE`: no descriptor to block on.
    pub fn wait_with_output(self) -> io::Result<Output> {
        self.capture().wait().map(Into::into)
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
    pub fn wait_with_input(self, input: impl Into<Vec<u8>>) -> io::Result<Output> {
        self.capture().input(input).wait().map(Into::into)
    }

    /// Awaits the end of the child, and returns what it wrote to its pipes.
    ///
    /// [`Capture`](crate::Capture) says when it returns; [`capture`](Child::capture) also gives the resource use, and
    /// says whether a pipe was still open.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// # use childset::{Command, Stdio};
    /// let child = Command::new("echo").arg("hello").stdout(Stdio::piped()).spawn()?;
    /// let output: std::process::Output = child.output().await?;
    /// assert_eq!(output.stdout, b"hello\n");
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
        self,
        input: impl Into<Vec<u8>>,
    ) -> impl Future<Output = io::Result<Output>> + Send + 'static {
        let captured = self.capture().input(input).captured();
        async move { Ok(captured.await?.into()) }
    }

    /// If another process holds a pipe open after the exit, sets how long that pipe may be silent before the wait for
    /// its end is given up. The default is 200 ms. Fractions of a millisecond are ignored.
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

    /// If another process holds a pipe open after the exit, sets how long its end is waited for at most, however much
    /// comes through it. The default is 5 s, or the [drain grace](Child::set_drain_grace) if that is longer. The least
    /// is one millisecond.
    ///
    /// ```
    /// # use childset::{Command, Stdio, Unit};
    /// # use std::time::{Duration, Instant};
    /// let line = "(while sleep 0.01; do echo more; done) & echo first";
    /// let mut command = Command::new("sh");
    /// let mut child = command.args(["-c", line]).stdout(Stdio::piped()).unit(Unit::ProcessGroup).spawn()?;
    /// let handle = child.handle();
    /// child.set_drain_limit(Duration::from_millis(300));
    /// let captured = child.capture().wait()?;
    /// assert!(captured.pipe_open && captured.stdout.starts_with(b"first\n"));
    /// # // Before Linux 6.9 nothing reaches the group of a leader that was reaped.
    /// # let _ = handle.kill();
    /// # std::io::Result::Ok(())
    /// ```
    pub fn set_drain_limit(&mut self, limit: Duration) {
        self.shared.set_drain_limit(limit);
    }
}
