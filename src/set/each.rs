//! One child of a set, by its key; and signals.

use std::io;

use super::member::{Key, Member, Pipes};
use super::{sessions, ChildSet};
use crate::child::{ChildHandle, ChildStderr, ChildStdin, ChildStdout, Containment, KILL, TERMINATE};
use crate::pidfd::{Gone, Signal, StateChange};
use crate::watch::Watched;

impl<T> ChildSet<T> {
    /// Whether this child is in the set. Otherwise it was taken or removed.
    ///
    /// ```
    /// # use childset::{ChildSet, Command};
    /// let set = ChildSet::new()?;
    /// let key = set.spawn(&mut Command::new("true"), ())?;
    /// assert!(set.contains(key) && set.keys() == [key]);
    /// assert_eq!(set.pid(key), set.wait(None)?.unwrap().pid);
    /// assert!(!set.contains(key) && set.pid(key).is_none());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn contains(&self, key: Key) -> bool {
        self.slot(key)
            .zip(self.members().ok())
            .is_some_and(|(slot, members)| members.watch.get(slot).is_some())
    }

    /// The keys of all children in the set at this moment, in no order: see [`contains`](ChildSet::contains).
    pub fn keys(&self) -> Vec<Key> {
        let members = self.members();
        members.iter().flat_map(|members| members.watch.keys()).map(|slot| self.key(slot)).collect()
    }

    /// The pid of a child: `None` if it is no longer in the set, or [not known](crate::Child::pid).
    pub fn pid(&self, key: Key) -> Option<u32> {
        let slot = self.slot(key)?;
        self.members().ok()?.watch.get(slot)?.pid()
    }

    /// A handle of a child, which outlives its membership; `None` if it is no longer in the set. See [`ChildHandle`].
    pub fn handle(&self, key: Key) -> Option<ChildHandle> {
        let slot = self.slot(key)?;
        self.members().ok()?.watch.get_mut(slot).map(Member::handle)
    }

    /// Takes the pipe to a child's standard input out of the set, to write to it while the child runs. `None` if it
    /// has none, or is no longer in the set.
    ///
    /// ```
    /// use childset::{ChildSet, Command, Stdio};
    /// use std::io::Write;
    ///
    /// let set = ChildSet::new()?;
    /// let key = set.spawn(Command::new("grep").arg("-q").arg("needle").stdin(Stdio::piped()), ())?;
    /// set.take_stdin(key).expect("it was piped").blocking().write_all(b"needle\n")?;
    /// assert!(set.wait(None)?.unwrap().exit?.success());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn take_stdin(&self, key: Key) -> Option<ChildStdin> {
        self.take_pipe(key, |pipes| pipes.stdin.take())
    }

    /// Takes the pipe from a child's standard output out of the set, to read from it while the child runs: see
    /// [`take_stdin`](ChildSet::take_stdin).
    ///
    /// A child that writes more than a pipe holds (64 KiB) ends only if somebody reads. Where lines will do,
    /// [`events`](ChildSet::events) reads the pipes of all.
    ///
    /// ```
    /// use childset::{ChildSet, Command, Stdio};
    /// use std::io::Read;
    ///
    /// let set = ChildSet::new()?;
    /// let key = set.spawn(Command::new("seq").arg("100000").stdout(Stdio::piped()), "seq")?;
    /// let pipe = set.take_stdout(key).expect("it was piped");
    /// let mut text = String::new();
    /// pipe.blocking().read_to_string(&mut text)?;
    /// assert_eq!(text.lines().count(), 100_000);
    /// assert!(set.wait(None)?.unwrap().exit?.success());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn take_stdout(&self, key: Key) -> Option<ChildStdout> {
        self.take_pipe(key, |pipes| pipes.stdout.take())
    }

    /// Takes the pipe from a child's standard error out of the set: see [`take_stdout`](ChildSet::take_stdout).
    pub fn take_stderr(&self, key: Key) -> Option<ChildStderr> {
        self.take_pipe(key, |pipes| pipes.stderr.take())
    }

    fn take_pipe<P>(&self, key: Key, take: impl FnOnce(&mut Pipes) -> Option<P>) -> Option<P> {
        let slot = self.slot(key)?;
        self.members().ok()?.watch.get_mut(slot)?.pipes().and_then(take)
    }

    /// Takes a stop or a continuation of each child that was stopped or continued since the last call. Never blocks.
    /// Exits are not taken.
    ///
    /// It asks the kernel once for each child in the set. A stop does not make the set's descriptor readable:
    /// [`Child::try_wait_state`](crate::Child::try_wait_state) says when to call this.
    ///
    /// ```
    /// # use childset::{ChildSet, Command, Signal, StateChange};
    /// let set = ChildSet::new()?;
    /// let key = set.spawn(Command::new("sleep").arg("60"), ())?;
    /// set.send_signal(key, Signal::STOP)?;
    /// while set.state_changes()? != [(key, StateChange::Stopped(Signal::STOP))] {}
    /// assert_eq!(set.state_changes()?, []);
    /// set.kill_tree(key)?;
    /// assert_eq!(set.wait(None)?.unwrap().exit?.signal(), Some(Signal::KILL));
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// [`Forked`](crate::Forked): the set belongs to the process that this one was forked from.
    pub fn state_changes(&self) -> io::Result<Vec<(Key, StateChange)>> {
        let members = self.members()?;
        let changes = members.watch.keys().filter_map(|slot| {
            let member = members.watch.get(slot).filter(|member| member.is_our_child())?;
            // One that somebody else has reaped comes out with what is known of it.
            let change = member.pidfd().try_wait_state().ok()??;
            Some((self.key(slot), change)).filter(|_| change != StateChange::Ended)
        });
        Ok(changes.collect())
    }

    /// Sends a signal to one child. If the child has ended and was not taken, this does nothing.
    ///
    /// ```
    /// # use childset::{ChildSet, Command, Signal};
    /// # use std::io::ErrorKind;
    /// let set = ChildSet::new()?;
    /// let key = set.spawn(Command::new("sleep").arg("60"), ())?;
    /// set.send_signal(key, Signal::TERM)?;
    /// assert_eq!(set.wait(None)?.unwrap().exit?.signal(), Some(Signal::TERM));
    /// assert_eq!(set.send_signal(key, Signal::TERM).unwrap_err().kind(), ErrorKind::NotFound);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// - [`Gone`]: the child is no longer in the set, or was reaped.
    /// - As [`Pidfd::send_signal`](crate::Pidfd::send_signal).
    pub fn send_signal(&self, key: Key, signal: impl Into<Signal>) -> io::Result<()> {
        self.with(key, |member| member.pidfd().send_signal(signal))
    }

    /// Sends a signal to the process group that one child leads.
    ///
    /// ```
    /// # use childset::{ChildSet, Command, Signal};
    /// let set = ChildSet::new()?;
    /// let child = Command::new("sleep").arg("60").process_group(0).spawn()?;
    /// let group = child.id() as i32;
    /// let leader = set.insert(child, "leader")?;
    /// set.spawn(Command::new("sleep").arg("60").process_group(group), "member")?;
    /// set.send_signal_to_group(leader, Signal::TERM)?;
    /// while let Some(exited) = set.wait(None)? {
    ///     assert_eq!(exited.exit?.signal(), Some(Signal::TERM));
    /// }
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// - [`Gone`]: the child is no longer in the set, or was reaped.
    /// - As [`Child::send_signal_to_group`](crate::Child::send_signal_to_group).
    pub fn send_signal_to_group(&self, key: Key, signal: impl Into<Signal>) -> io::Result<()> {
        self.with(key, |member| member.send_signal_to_group(signal.into()))
    }

    /// Asks one child to end, with its [unit](crate::Unit): `SIGTERM`, and `SIGCONT` so that a stopped process can act on
    /// it. Does not wait. Returns how far that reached. [`kill_tree`](ChildSet::kill_tree) may follow, after a grace.
    ///
    /// ```
    /// # use childset::{ChildSet, Command, Containment, Signal, Unit};
    /// let set = ChildSet::new()?;
    /// let mut command = Command::new("sh");
    /// let key = set.spawn(command.args(["-c", "sleep 60 & wait"]).unit(Unit::ProcessGroup), ())?;
    /// assert_eq!(set.terminate(key)?, Containment::ProcessGroup);
    /// assert_eq!(set.wait(None)?.unwrap().exit?.signal(), Some(Signal::TERM));
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// - [`Gone`]: the child is no longer in the set, or was reaped.
    /// - `EPERM`: the child, or every process of its unit, has changed its user.
    pub fn terminate(&self, key: Key) -> io::Result<Containment> {
        self.with(key, |member| member.send_to_unit(TERMINATE))
    }

    /// Sends `SIGKILL` to one child and to what it has started, as far as that is contained: as
    /// [`Child::kill_tree`](crate::Child::kill_tree).
    ///
    /// # Errors
    /// - [`Gone::NotInSet`]: the child is no longer in the set.
    /// - As [`Child::kill_tree`](crate::Child::kill_tree).
    pub fn kill_tree(&self, key: Key) -> io::Result<Containment> {
        self.with(key, Member::kill_tree)
    }

    /// Asks the units of all children to end, or kills them.
    pub(super) fn end_all(&self, kill: bool) -> io::Result<()> {
        let signals = if kill { KILL } else { TERMINATE };
        let members = self.members()?;
        let mut result = Ok(());
        for member in members.watch.values() {
            member.begin_ending();
            if member.session().is_none() {
                result = result.and(Gone::is_fine(member.send_to_unit(signals).map(drop)));
            }
        }
        result.and(sessions::send(members.watch.values(), signals))
    }

    /// Sends a signal to every child in the set. Children that have ended are skipped.
    ///
    /// ```
    /// # use childset::{ChildSet, Command, Signal};
    /// let set = ChildSet::new()?;
    /// for seconds in ["50", "60"] {
    ///     set.spawn(Command::new("sleep").arg(seconds), ())?;
    /// }
    /// set.send_signal_to_all(Signal::TERM)?;
    /// while let Some(exited) = set.wait(None)? {
    ///     assert_eq!(exited.exit?.signal(), Some(Signal::TERM));
    /// }
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// As [`Pidfd::send_signal`](crate::Pidfd::send_signal); the first one, after all children were tried.
    pub fn send_signal_to_all(&self, signal: impl Into<Signal>) -> io::Result<()> {
        let signal = signal.into();
        let mut result = Ok(());
        for member in self.members()?.watch.values() {
            let sent = Gone::is_fine(member.pidfd().send_signal(signal));
            result = result.and(sent);
        }
        result
    }
}
