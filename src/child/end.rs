//! Ending a child: gently, with all that it started, and with what it wrote.

#[cfg(feature = "async-io")]
use std::future::Future;
use std::io;
use std::time::{Duration, Instant};

use super::output::Pump;
use super::{Child, Output};
use crate::exit::Exit;

/// How far [`Child::kill_tree`] reached.
///
/// ```
/// # use childset::{Command, Containment};
/// let child = Command::new("sleep").arg("60").spawn()?;
/// // It is in our process group, which is spared.
/// assert_eq!(child.kill_tree()?, Containment::Process);
/// # child.wait()?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Containment {
    /// The cgroup that the child was made in: everything in it and below.
    Cgroup,
    /// The process group that the child leads: all but processes that left it.
    ProcessGroup,
    /// The child alone.
    Process,
}

impl Child {
    /// Blocks until the child has ended or the timeout runs out: then `None`.
    ///
    /// ```
    /// # use childset::{Command, Stdio};
    /// # use std::time::Duration;
    /// let mut child = Command::new("cat").stdin(Stdio::piped()).spawn()?;
    /// assert_eq!(child.wait_timeout(Duration::from_millis(10))?, None);
    /// drop(child.stdin.take());
    /// assert!(child.wait_timeout(Duration::MAX)?.unwrap().success());
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// - [`StatusUnknown`](crate::StatusUnknown): somebody else took the status, and the kernel kept none.
    /// - `EMFILE`, `ENFILE`, `ENOMEM`: a tracer holds the zombie back, and there is no descriptor left to wait
    ///   for that.
    pub fn wait_timeout(&self, timeout: Duration) -> io::Result<Option<Exit>> {
        // Beyond the clock's end there is no deadline.
        let deadline = Instant::now().checked_add(timeout);
        self.shared.wait_until(deadline)
    }

    /// Ends the child: `SIGTERM`, and `SIGKILL` if it has not ended when the grace is over. Blocks until it has.
    ///
    /// ```
    /// # use childset::Command;
    /// # use std::time::Duration;
    /// let child = Command::new("sleep").arg("60").spawn()?;
    /// assert_eq!(child.wait_terminated(Duration::from_secs(5))?.signal(), Some(15));
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// As [`wait`](Child::wait) and [`wait_timeout`](Child::wait_timeout), and `EPERM`: the child changed its user.
    pub fn wait_terminated(&self, grace: Duration) -> io::Result<Exit> {
        if let Some(exit) = self.try_wait()? {
            return Ok(exit);
        }
        self.signal_unless_gone(libc::SIGTERM)?;
        if let Some(exit) = self.wait_timeout(grace)? {
            return Ok(exit);
        }
        self.kill()?;
        self.wait()
    }

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

    /// Ends the child: `SIGTERM`, and `SIGKILL` if it has not ended when the grace is over.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// # use childset::Command;
    /// # use std::time::Duration;
    /// let child = Command::new("sleep").arg("60").spawn()?;
    /// assert_eq!(child.terminate(Duration::from_secs(5)).await?.signal(), Some(15));
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// As [`exit`](Child::exit), and `EPERM`: the child changed its user.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing; `SIGTERM` has been sent once it was polled.
    #[cfg(feature = "async-io")]
    pub async fn terminate(&self, grace: Duration) -> io::Result<Exit> {
        if let Some(exit) = self.try_wait()? {
            return Ok(exit);
        }
        self.signal_unless_gone(libc::SIGTERM)?;
        let exit = async { Some(self.exit().await) };
        let over = async {
            async_io::Timer::after(grace).await;
            None
        };
        if let Some(exit) = futures_lite::future::or(exit, over).await {
            return exit;
        }
        self.kill()?;
        self.exit().await
    }

    /// Sends a signal to the process group that the child leads or led.
    ///
    /// Before Linux 6.9, only until the child is reaped.
    ///
    /// ```
    /// # use childset::{Command, Stdio};
    /// # use std::io::Read;
    /// let mut command = Command::new("sh");
    /// command.args(["-c", "(sleep 60; echo late) & wait"]).stdout(Stdio::piped()).process_group(0);
    /// let mut child = command.spawn()?;
    /// child.signal_group(libc::SIGTERM)?;
    /// assert_eq!(child.wait()?.signal(), Some(libc::SIGTERM));
    /// // Nobody is left who could write.
    /// assert_eq!(child.stdout.take().unwrap().read(&mut [0])?, 0);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// As [`Pidfd::send_signal_to_group`](crate::Pidfd::send_signal_to_group).
    pub fn signal_group(&self, signal: i32) -> io::Result<()> {
        self.shared.signal_group(signal)
    }

    /// Sends `SIGKILL` to the child and to what it has started, as far as that is contained: to its cgroup, if
    /// it was made in one with [`Command::cgroup`](crate::Command::cgroup) (Linux 5.14); else to its process
    /// group, if it was made to lead one; else to the child alone. Says which.
    ///
    /// ```
    /// # use childset::{Command, Containment};
    /// let child = Command::new("sh").args(["-c", "sleep 60 & wait"]).process_group(0).spawn()?;
    /// assert_eq!(child.kill_tree()?, Containment::ProcessGroup);
    /// assert_eq!(child.wait()?.signal(), Some(9));
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// - Those of opening and writing `cgroup.kill`, such as `EACCES`.
    /// - `EPERM`: the child, or all of its group, changed their user.
    /// - [`Unsupported`](io::ErrorKind::Unsupported): it led a process group and was reaped, before Linux 6.9.
    ///
    /// That nobody is left is no error.
    pub fn kill_tree(&self) -> io::Result<Containment> {
        let process = self.shared.process();
        if let Some(cgroup) = self.shared.cgroup() {
            use rustix::fs::{openat, Mode, OFlags};
            let flags = OFlags::WRONLY | OFlags::CLOEXEC;
            match openat(cgroup, "cgroup.kill", flags, Mode::empty()) {
                Ok(file) => {
                    rustix::io::write(file, b"1")?;
                    return Ok(Containment::Cgroup);
                }
                Err(rustix::io::Errno::NOENT) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if process.leads_group {
            match self.signal_group(libc::SIGKILL) {
                Err(error) if error.raw_os_error() != Some(libc::ESRCH) => return Err(error),
                _ => return Ok(Containment::ProcessGroup),
            }
        }
        self.kill()?;
        Ok(Containment::Process)
    }

    fn signal_unless_gone(&self, signal: i32) -> io::Result<()> {
        match self.signal(signal) {
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
            result => result,
        }
    }
}
