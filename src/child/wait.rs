//! Waiting for a child: blocking, without blocking, awaiting. And who it is.

#[cfg(feature = "async-io")]
use std::future::Future;
use std::io;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use super::Child;
use crate::pidfd::{Exit, Pidfd, StateChange};
use crate::watch::dropped::wakes_sweepers;

impl Child {
    /// Blocks until the child has ended, and returns the same exit as often as it is called.
    ///
    /// Standard input stays open: a child that reads it to the end ends only after `child.stdin.take()`.
    ///
    /// ```
    /// # use childset::{Command, Stdio};
    /// let mut child = Command::new("cat").stdin(Stdio::piped()).spawn()?;
    /// drop(child.stdin.take());
    /// assert!(child.wait()?.success());
    /// assert_eq!(child.wait()?, child.wait()?);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// - [`StatusUnknown`](crate::StatusUnknown): somebody else took the status, and the kernel kept none.
    /// - [`SpawnError`](crate::SpawnError): it was [launched](crate::Command::launch), and its program could not be run.
    /// - `EMFILE`: the pidfd was made `O_NONBLOCK`, and there is no descriptor left to block on it.
    pub fn wait(&self) -> io::Result<Exit> {
        let mut held_back = false;
        loop {
            if let Some(exit) = self.try_wait()? {
                return Ok(exit);
            }
            match wakes_sweepers() {
                Some(sweepers) if !held_back => held_back = self.shared.block(None, Some(sweepers), None)?,
                // A zombie that a tracer holds back is readable all the time.
                _ => self.pidfd().block()?,
            }
        }
    }

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
    /// - [`SpawnError`](crate::SpawnError): it was [launched](crate::Command::launch), and its program could not be run.
    /// - `EMFILE`, `ENFILE`, `ENOMEM`: a tracer holds the zombie back, and there is no descriptor left to wait
    ///   for that.
    pub fn wait_timeout(&self, timeout: Duration) -> io::Result<Option<Exit>> {
        // Beyond the clock's end there is no deadline.
        let deadline = Instant::now().checked_add(timeout);
        self.shared.wait_until(deadline)
    }

    /// Returns the exit if the child has ended. Never blocks.
    ///
    /// ```
    /// # use childset::Command;
    /// let child = Command::new("sleep").arg("60").spawn()?;
    /// assert_eq!(child.try_wait()?, None);
    /// child.kill()?;
    /// let exit = child.wait()?;
    /// assert_eq!(child.try_wait()?, Some(exit));
    /// assert_eq!(child.try_status()?, Some(exit.status()));
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// As [`wait_timeout`](Child::wait_timeout), except for the last.
    pub fn try_wait(&self) -> io::Result<Option<Exit>> {
        self.shared.try_wait()
    }

    /// The exit status if the child has ended: [`try_wait`](Child::try_wait) without the resource use.
    ///
    /// # Errors
    /// As [`try_wait`](Child::try_wait).
    pub fn try_status(&self) -> io::Result<Option<ExitStatus>> {
        Ok(self.try_wait()?.map(|exit| exit.status()))
    }

    /// Takes the next stop or continuation of the child, or `None` if there is none to report. Never blocks.
    ///
    /// Each is reported once; the end as often as one asks, without taking the exit. A pidfd does not become readable by a
    /// stop or a continuation. The kernel sends `SIGCHLD` instead. A program that handles that signal (by signal-hook or
    /// async-signal, say, without `SA_NOCLDSTOP`) calls this when it comes. Others call it now and then. If nothing else is
    /// waited for, [`Pidfd::wait_state`] blocks. See waitid(2).
    ///
    /// ```
    /// # use childset::{Command, Signal, StateChange};
    /// let child = Command::new("sleep").arg("60").spawn()?;
    /// assert_eq!(child.try_wait_state()?, None);
    /// child.send_signal(Signal::STOP)?;
    /// assert_eq!(child.pidfd().wait_state()?, StateChange::Stopped(Signal::STOP));
    /// child.send_signal(Signal::CONT)?;
    /// while child.try_wait_state()? != Some(StateChange::Continued) {}
    /// # child.kill()?;
    /// # child.wait()?;
    /// assert_eq!(child.try_wait_state()?, Some(StateChange::Ended));
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// `ECHILD`: the process is not our child, or somebody else has reaped it.
    pub fn try_wait_state(&self) -> io::Result<Option<StateChange>> {
        self.shared.try_wait_state()
    }

    /// Awaits the end of the child, and returns the same exit as often as it is called.
    ///
    /// Standard input stays open: a child that reads it to the end ends only after `child.stdin.take()`. The
    /// future does not borrow the `Child`, which is dropped (as [`reap_dropped`](crate::reap_dropped) describes)
    /// only together with it.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// let child = childset::Command::new("sh").args(["-c", "exit 5"]).spawn()?;
    /// let exit = child.exit().await?;
    /// assert_eq!(exit.code(), Some(5));
    /// assert_eq!(child.exit().await?, exit);
    /// assert_eq!(child.status().await?, exit.status());
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// - [`StatusUnknown`](crate::StatusUnknown): somebody else took the status, and the kernel kept none.
    /// - [`SpawnError`](crate::SpawnError): it was [launched](crate::Command::launch), and its program could not be run.
    /// - The reactor cannot start, or cannot watch the child: `EMFILE`, `ENFILE`, `ENOMEM`, `ENOSPC`.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    #[cfg(feature = "async-io")]
    pub fn exit(&self) -> impl Future<Output = io::Result<Exit>> + Send + 'static {
        let shared = self.shared.clone();
        async move { shared.exit().await }
    }

    /// Awaits the exit status: [`exit`](Child::exit) without the resource use.
    ///
    /// # Errors
    /// As [`exit`](Child::exit).
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    #[cfg(feature = "async-io")]
    pub fn status(&self) -> impl Future<Output = io::Result<ExitStatus>> + Send + 'static {
        let exit = self.exit();
        async move { Ok(exit.await?.status()) }
    }

    /// The pid, as `std` and async-process give it; 0 where [`pid`](Child::pid) is `None`.
    ///
    /// ```
    /// # use childset::{Command, Stdio};
    /// let child = Command::new("sh").args(["-c", "echo $$"]).stdout(Stdio::piped()).spawn()?;
    /// let id = child.id();
    /// assert_eq!(child.wait_with_output()?.stdout, format!("{id}\n").into_bytes());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn id(&self) -> u32 {
        self.pid().unwrap_or(0)
    }

    /// The pid, also when it is free for others again.
    ///
    /// `None` if the process came as a [`Pidfd`], and had no number in this process's pid namespace, or was reaped
    /// already, or (before Linux 6.13) `/proc` cannot be read. Never 0, which stands for one's own group in the calls
    /// that take pids.
    pub fn pid(&self) -> Option<u32> {
        self.shared.process().pid()
    }

    /// The descriptor of the process.
    ///
    /// Signals may be sent through it; the exit should be taken through the `Child`, which keeps it.
    ///
    /// ```
    /// # use childset::{Command, State};
    /// let child = Command::new("sleep").arg("60").spawn()?;
    /// assert_eq!(child.pidfd().state()?, State::Running);
    /// child.pidfd().kill()?;
    /// child.wait()?;
    /// assert_eq!(child.pidfd().state()?, State::Reaped);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn pidfd(&self) -> &Pidfd {
        self.shared.pidfd()
    }
}
