use super::Command;
use crate::child::Unit;
use crate::pidfd::Signal;

/// What becomes of the process when it is dropped, or this one ends.
impl Command {
    /// Whether a dropped child is reaped when it ends; true unless set. See [`Child::set_reap_on_drop`].
    ///
    /// [`Child::set_reap_on_drop`]: crate::Child::set_reap_on_drop
    pub fn reap_on_drop(&mut self, reap: bool) -> &mut Command {
        self.on_drop.reap = reap;
        self
    }

    /// Sets what belongs to the process, and is ended with it: [`Unit::Process`] unless set.
    ///
    /// [`Unit::ProcessGroup`] makes it the leader of a group, as [`process_group(0)`](Command::process_group) does, and
    /// [`Unit::Session`] that of a session, as [`setsid`](Command::setsid) does. [`Unit::Cgroup`] makes it in the
    /// [`cgroup`](Command::cgroup) that was given, or in one made for it, which needs the right to make one below that of
    /// this process. With one that was given, the child runs on a [copy](Command#on-a-copy) of our memory until its
    /// `execve`. One that was made costs some system calls, whatever our memory. A child that joins
    /// [another](Command::process_group) group leads none: then `ProcessGroup` is the child alone.
    ///
    /// The directory is removed when the cgroup is empty and its [`Child`](crate::Child), [`Exited`](crate::Exited) and
    /// handles were dropped: at once, or by a later call of the crate. To have it removed before this program ends, wait
    /// for the unit: by [`wait_terminated`](crate::Child::wait_terminated), [`shutdown`](crate::ChildSet::shutdown), or
    /// [`wait_unit_gone`](crate::Child::wait_unit_gone).
    ///
    /// ```
    /// # use childset::{Command, Stdio, Unit};
    /// # use std::io::Read;
    /// # use std::time::Duration;
    /// let mut command = Command::new("sh");
    /// command.args(["-c", "sleep 60 &"]).stdout(Stdio::piped()).unit(Unit::ProcessGroup);
    /// let mut child = command.spawn()?;
    /// child.wait()?;
    /// # // Before Linux 6.9 nothing reaches the group of a leader that was reaped.
    /// # if child.send_signal_to_group(0).is_err() { return Ok(()); }
    /// // What it has left behind.
    /// child.wait_terminated(Duration::from_secs(5))?;
    /// assert_eq!(child.stdout.take().unwrap().blocking().read(&mut [0])?, 0);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// Spawning fails with [`Unsupported`](std::io::ErrorKind::Unsupported) where no cgroup can be made for want of the file
    /// system, and with `EACCES` for want of the right.
    pub fn unit(&mut self, unit: Unit) -> &mut Command {
        self.options.unit = unit;
        self
    }

    /// Whether dropping the child kills its [`unit`](Command::unit); false unless set.
    ///
    /// ```
    /// # use childset::{Command, Signal};
    /// let mut command = Command::new("sleep");
    /// // The zombie is for us.
    /// let child = command.arg("60").kill_on_drop(true).reap_on_drop(false).spawn()?;
    /// let pidfd = child.pidfd().try_clone()?;
    /// drop(child);
    /// assert_eq!(pidfd.wait()?.signal(), Some(Signal::KILL));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn kill_on_drop(&mut self, kill: bool) -> &mut Command {
        self.on_drop.kill = kill;
        self
    }

    /// Has the kernel send the process a signal when its parent dies. See prctl(2), `PR_SET_PDEATHSIG`.
    ///
    /// "Parent" is the **thread** that spawns it: when that thread ends, the signal comes, though this process
    /// lives on. Spawn from a thread that stays.
    ///
    /// ```
    /// # use childset::{Command, Signal};
    /// let child = std::thread::spawn(|| {
    ///     Command::new("sleep").arg("60").parent_death_signal(Signal::TERM).spawn()
    /// });
    /// // The thread has ended.
    /// assert_eq!(child.join().unwrap()?.wait()?.signal(), Some(Signal::TERM));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn parent_death_signal(&mut self, signal: impl Into<Signal>) -> &mut Command {
        self.options.parent_death_signal = Some(signal.into());
        self
    }

    /// Has the process killed when this one ends, however it ends.
    ///
    /// Where the kernel can (Linux 7.1, `CLONE_PIDFD_AUTOKILL`), it kills the process when the last descriptor
    /// of it is closed: when this process has ended, but also when the [`Child`](crate::Child) is dropped. It
    /// then reaps it too, and there is a status but no resource use. Without privilege, that needs
    /// [`no_new_privs`](Command::no_new_privs). Elsewhere it is [`parent_death_signal`](Command::parent_death_signal)
    /// with `SIGKILL`, with its caveats: it comes at the end of the spawning thread, and a program that changes
    /// its user (set-user-ID) escapes it.
    ///
    /// ```
    /// # use childset::{Command, Stdio};
    /// # use std::io::Read;
    /// let mut child = std::thread::spawn(|| {
    ///     let mut command = Command::new("cat");
    ///     command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_with_parent(true).spawn()
    /// })
    /// .join()
    /// .unwrap()?;
    /// let (_stdin, stdout) = (child.stdin.take(), child.stdout.take());
    /// // What spawned it has ended, and its last descriptor is closed. Either one kills it.
    /// drop(child);
    /// assert_eq!(stdout.unwrap().blocking().read(&mut [0])?, 0);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn kill_with_parent(&mut self, kill: bool) -> &mut Command {
        self.options.kill_with_parent = kill;
        self
    }

    /// Leaves it to the kernel to reap the process, if it can (Linux 7.1, `CLONE_AUTOREAP`). Then there is never a
    /// zombie. There is a status, but no resource use. An older kernel cannot: there the child is reaped after it was
    /// dropped, like any other.
    ///
    /// ```
    /// # use childset::Command;
    /// // Started and forgotten.
    /// drop(Command::new("true").autoreap(true).spawn()?);
    /// // Who asks is told.
    /// let child = Command::new("sh").args(["-c", "exit 3"]).autoreap(true).spawn()?;
    /// assert_eq!(child.wait()?.code(), Some(3));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn autoreap(&mut self, autoreap: bool) -> &mut Command {
        self.options.autoreap = autoreap;
        self
    }
}
