//! Signals, and ending a child: gently, and with all that it started.

#[cfg(feature = "async-io")]
use std::future::Future;
use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Child;
use crate::pidfd::{Exit, Gone, Signal};

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
    /// Sends a signal. To a zombie it does nothing.
    ///
    /// ```
    /// # use childset::{Command, Signal};
    /// let child = Command::new("sleep").arg("60").spawn()?;
    /// child.send_signal(Signal::TERM)?;
    /// assert_eq!(child.wait()?.signal(), Some(Signal::TERM));
    /// assert_eq!(child.send_signal(Signal::TERM).unwrap_err().kind(), std::io::ErrorKind::NotFound);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// As [`Pidfd::send_signal`](crate::Pidfd::send_signal): [`Gone`] once the child was reaped.
    pub fn send_signal(&self, signal: impl Into<Signal>) -> io::Result<()> {
        self.shared.own_pidfd()?.send_signal(signal)
    }

    /// Sends `SIGKILL`; a child that has ended is no error, as in `std`.
    ///
    /// ```
    /// # use childset::{Command, Signal};
    /// let child = Command::new("sleep").arg("60").spawn()?;
    /// child.kill()?;
    /// assert_eq!(child.wait()?.signal(), Some(Signal::KILL));
    /// child.kill()?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// `EPERM`: the child changed its user.
    pub fn kill(&self) -> io::Result<()> {
        Gone::is_fine(self.shared.own_pidfd()?.kill())
    }

    /// Whether dropping the `Child` kills it; false unless set.
    ///
    /// ```
    /// # use childset::{Command, Signal};
    /// let mut child = Command::new("sleep").arg("60").spawn()?;
    /// let pidfd = child.pidfd().try_clone()?;
    /// child.set_kill_on_drop(true);
    /// // The zombie is for us.
    /// child.set_reap_on_drop(false);
    /// drop(child);
    /// assert_eq!(pidfd.wait()?.signal(), Some(Signal::KILL));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn set_kill_on_drop(&mut self, kill: bool) {
        self.shared.process().kill_on_drop.store(kill, Ordering::Relaxed);
    }

    /// Whether a dropped child is reaped when it ends; true unless set.
    ///
    /// Otherwise it stays a zombie until this process ends, or until something else waits for it.
    pub fn set_reap_on_drop(&mut self, reap: bool) {
        self.shared.process().reap_on_drop.store(reap, Ordering::Relaxed);
    }

    /// Ends the child: `SIGTERM`, and `SIGKILL` if it has not ended when the grace is over. Blocks until it has.
    ///
    /// ```
    /// # use childset::{Command, Signal};
    /// # use std::time::Duration;
    /// let child = Command::new("sleep").arg("60").spawn()?;
    /// assert_eq!(child.wait_terminated(Duration::from_secs(5))?.signal(), Some(Signal::TERM));
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// As [`wait`](Child::wait) and [`wait_timeout`](Child::wait_timeout), and `EPERM`: the child changed its user.
    pub fn wait_terminated(&self, grace: Duration) -> io::Result<Exit> {
        if let Some(exit) = self.try_wait()? {
            return Ok(exit);
        }
        Gone::is_fine(self.send_signal(Signal::TERM))?;
        if let Some(exit) = self.wait_timeout(grace)? {
            return Ok(exit);
        }
        self.kill()?;
        self.wait()
    }

    /// Ends the child: `SIGTERM`, and `SIGKILL` if it has not ended when the grace is over.
    ///
    /// The future does not borrow the `Child`, which is dropped only together with it.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// # use childset::{Command, Signal};
    /// # use std::time::Duration;
    /// let child = Command::new("sleep").arg("60").spawn()?;
    /// assert_eq!(child.terminate(Duration::from_secs(5)).await?.signal(), Some(Signal::TERM));
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// As [`exit`](Child::exit), and `EPERM`: the child changed its user.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing; `SIGTERM` has been sent once it was polled.
    #[cfg(feature = "async-io")]
    pub fn terminate(&self, grace: Duration) -> impl Future<Output = io::Result<Exit>> + Send + 'static {
        let shared = self.shared.clone();
        async move {
            if let Some(exit) = shared.try_wait()? {
                return Ok(exit);
            }
            Gone::is_fine(shared.own_pidfd()?.send_signal(Signal::TERM))?;
            let exit = async { Some(shared.exit().await) };
            let over = async {
                async_io::Timer::after(grace).await;
                None
            };
            if let Some(exit) = futures_lite::future::or(exit, over).await {
                return exit;
            }
            Gone::is_fine(shared.own_pidfd()?.kill())?;
            shared.exit().await
        }
    }

    /// Sends a signal to the process group that the child leads or led.
    ///
    /// Before Linux 6.9, only until the child is reaped.
    ///
    /// ```
    /// # use childset::{Command, Signal, Stdio};
    /// # use std::io::Read;
    /// let mut command = Command::new("sh");
    /// command.args(["-c", "(sleep 60; echo late) & wait"]).stdout(Stdio::piped()).process_group(0);
    /// let mut child = command.spawn()?;
    /// child.send_signal_to_group(Signal::TERM)?;
    /// assert_eq!(child.wait()?.signal(), Some(Signal::TERM));
    /// // Nobody is left who could write.
    /// assert_eq!(child.stdout.take().unwrap().read(&mut [0])?, 0);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// As [`Pidfd::send_signal_to_group`](crate::Pidfd::send_signal_to_group).
    pub fn send_signal_to_group(&self, signal: impl Into<Signal>) -> io::Result<()> {
        self.shared.send_signal_to_group(signal.into())
    }

    /// Sends `SIGKILL` to the child and to what it has started, as far as that is contained: to its cgroup, if
    /// it was made in one with [`Command::cgroup`](crate::Command::cgroup) (Linux 5.14); else to its process
    /// group, if it was made to lead one; else to the child alone. Says which.
    ///
    /// ```
    /// # use childset::{Command, Containment, Signal};
    /// let child = Command::new("sh").args(["-c", "sleep 60 & wait"]).process_group(0).spawn()?;
    /// assert_eq!(child.kill_tree()?, Containment::ProcessGroup);
    /// assert_eq!(child.wait()?.signal(), Some(Signal::KILL));
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
        self.shared.check()?;
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
            Gone::is_fine(self.send_signal_to_group(Signal::KILL))?;
            return Ok(Containment::ProcessGroup);
        }
        self.kill()?;
        Ok(Containment::Process)
    }
}
