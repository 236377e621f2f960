//! Signals, and ending a child: gently, and with all that it started.

#[cfg(feature = "async-io")]
use std::future::Future;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use super::flags::Flag;
use super::unit::{Looks, TERMINATE};
use super::{Child, Containment, Shared, Unit};
use crate::pidfd::{Exit, Gone, Signal};
#[cfg(feature = "async-io")]
use crate::watch::dropped::start_reactor;

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

    /// Sends `SIGKILL` to the child's [unit](crate::Unit), which is the child alone unless set. If nobody is left, that
    /// is no error, as in `std`.
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
    /// - `EPERM`: the child, or every process of its unit, has changed its user.
    /// - [`Unsupported`](io::ErrorKind::Unsupported): it led a process group and was reaped, before Linux 6.9.
    pub fn kill(&self) -> io::Result<()> {
        self.shared.kill_unit()
    }

    /// Whether dropping the `Child` kills its [unit](crate::Unit); false unless set.
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
        self.shared.process().set(Flag::KillOnDrop, kill);
    }

    /// Whether a dropped child is reaped when it ends; true unless set.
    ///
    /// Otherwise it stays a zombie until this process ends, or until something else waits for it.
    pub fn set_reap_on_drop(&mut self, reap: bool) {
        self.shared.process().set(Flag::ReapOnDrop, reap);
    }

    /// Ends the child's [unit](crate::Unit), which is the child alone unless set: `SIGTERM`, and `SIGKILL` to what is
    /// left when the grace is over. Blocks until the child has ended, and the rest of the unit has ended or was killed. A
    /// killed cgroup may take up to a second to be empty.
    ///
    /// `SIGCONT` follows `SIGTERM`, so that a stopped process can act on it.
    ///
    /// ```
    /// # use childset::{Command, Signal};
    /// # use std::time::Duration;
    /// let child = Command::new("sleep").arg("60").spawn()?;
    /// assert_eq!(child.wait_terminated(Duration::from_secs(5))?.signal(), Some(Signal::TERM));
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// The rest of a [`Session`](crate::Unit::Session) is killed as soon as the child has ended, because nothing names the
    /// session afterwards. Before Linux 6.9, that holds for a process group, too.
    ///
    /// # Errors
    /// As [`wait`](Child::wait) and [`wait_timeout`](Child::wait_timeout), and `EPERM`: the child, or every
    /// process of its unit, has changed its user.
    pub fn wait_terminated(&self, grace: Duration) -> io::Result<Exit> {
        let deadline = Instant::now().checked_add(grace);
        let exit = match self.shared.begin_ending()? {
            Some(exit) => Some(exit),
            None => self.shared.wait_until(deadline)?,
        };
        let exit = match exit {
            Some(exit) => exit,
            None => {
                self.kill()?;
                self.wait()?
            }
        };
        let mut looks = Looks::new(deadline);
        while let Some(pause) = self.shared.end_rest(&mut looks)? {
            thread::sleep(pause);
        }
        Ok(exit)
    }

    /// Ends the child's [unit](crate::Unit): as [`wait_terminated`](Child::wait_terminated), awaited.
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
    /// As [`exit`](Child::exit), and `EPERM`: the child, or every process of its unit, has changed its user.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing. `SIGTERM` is sent at the first poll.
    #[cfg(feature = "async-io")]
    pub fn terminate(&self, grace: Duration) -> impl Future<Output = io::Result<Exit>> + Send + 'static {
        let shared = self.shared.clone();
        async move {
            let deadline = Instant::now().checked_add(grace);
            let exit = match shared.begin_ending()? {
                Some(exit) => Some(exit),
                None => {
                    let exit = async { Some(shared.exit().await) };
                    let over = async {
                        async_io::Timer::after(grace).await;
                        None
                    };
                    futures_lite::future::or(exit, over).await.transpose()?
                }
            };
            let exit = match exit {
                Some(exit) => exit,
                None => {
                    shared.kill_unit()?;
                    shared.exit().await?
                }
            };
            let mut looks = Looks::new(deadline);
            while let Some(pause) = shared.end_rest(&mut looks)? {
                // Nothing was awaited yet if the child had ended before.
                start_reactor()?;
                async_io::Timer::after(pause).await;
            }
            Ok(exit)
        }
    }

    /// Blocks until nobody is left of the child's [unit](crate::Unit), or the time is over: then false. For
    /// [`Process`](crate::Unit::Process), that is when the child was reaped.
    ///
    /// A cgroup is empty when all of its processes have ended. In a process group they must have been reaped, too. This
    /// looks now and then. For a session, this looks at the process group of the child: once that was reaped, nothing names
    /// the others. Before Linux 6.9, nothing names the group either, and this returns true.
    ///
    /// ```
    /// # use childset::{Command, Unit};
    /// # use std::time::Duration;
    /// let mut command = Command::new("sh");
    /// let child = command.args(["-c", "sleep 0.1 &"]).unit(Unit::ProcessGroup).spawn()?;
    /// child.wait()?;
    /// assert!(child.wait_unit_gone(Duration::from_secs(60))?);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// Those of reading `cgroup.events`; [`Forked`](crate::Forked).
    pub fn wait_unit_gone(&self, timeout: Duration) -> io::Result<bool> {
        let mut looks = Looks::new(Instant::now().checked_add(timeout));
        loop {
            if self.shared.is_unit_gone()? {
                return Ok(true);
            }
            match looks.next() {
                Duration::ZERO => return Ok(false),
                pause => thread::sleep(pause),
            }
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
    /// assert_eq!(child.stdout.take().unwrap().blocking().read(&mut [0])?, 0);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// As [`Pidfd::send_signal_to_group`](crate::Pidfd::send_signal_to_group).
    pub fn send_signal_to_group(&self, signal: impl Into<Signal>) -> io::Result<()> {
        self.shared.send_signal_to_group(signal.into())
    }

    /// Sends `SIGKILL` to the child and to what it has started, as far as that is contained, and returns how far that
    /// was. The first of these that there is gets the signal, whatever the child's [unit](crate::Unit): the cgroup that
    /// it was made in; the session, if that is its unit; the process group that it was made to lead; the child alone.
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
    /// - Those of the cgroup's files, such as `EACCES`, and of `/proc` for a session.
    /// - `EPERM`: the child, or every process of its group, has changed its user.
    /// - [`Unsupported`](io::ErrorKind::Unsupported): it led a process group and was reaped, before Linux 6.9.
    ///
    /// If nobody is left, that is no error.
    pub fn kill_tree(&self) -> io::Result<Containment> {
        self.shared.kill_tree()
    }
}

impl Shared {
    /// Asks the unit to end; or gives the exit, if the child has ended.
    fn begin_ending(&self) -> io::Result<Option<Exit>> {
        let exit = self.try_wait()?;
        if exit.is_none() || self.process().unit != Unit::Process {
            self.process().begin_ending();
            Gone::is_fine(self.send_to_unit(TERMINATE).map(drop)).or_else(|error| match exit {
                // Its group cannot be named any more.
                Some(_) if error.kind() == io::ErrorKind::Unsupported => Ok(()),
                _ => Err(error),
            })?;
        }
        Ok(exit)
    }

    /// After the child's end: how long to wait before the next call, while something is left of its unit. At the deadline,
    /// kills that.
    fn end_rest(&self, looks: &mut Looks) -> io::Result<Option<Duration>> {
        if self.process().unit == Unit::Process || self.is_unit_gone()? {
            return Ok(None);
        }
        if looks.is_due() {
            self.kill_unit()?;
            looks.kill();
        }
        let goes_on = !looks.was_killed() || (self.tells_its_end() && !looks.is_over());
        Ok(goes_on.then(|| looks.next()))
    }
}
