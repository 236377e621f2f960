//! One child of a set, by its key; and signals.

use std::io;

use super::member::{Key, Member, Pipes};
use super::ChildSet;
use crate::child::{ChildHandle, ChildStderr, ChildStdin, ChildStdout};
use crate::pidfd::{Gone, Signal};
use crate::watch::Watched;

impl<T> ChildSet<T> {
    /// Whether this child is in the set: it was not taken, nor removed.
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
    /// set.take_stdin(key).expect("it was piped").write_all(b"needle\n")?;
    /// assert!(set.wait(None)?.unwrap().exit?.success());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn take_stdin(&self, key: Key) -> Option<ChildStdin> {
        self.take_pipe(key, |pipes| pipes.stdin.take())
    }

    /// Takes the pipe from a child's standard output out of the set, to read from it while the child runs: see
    /// [`take_stdin`](ChildSet::take_stdin).
    ///
    /// A child that writes more than a pipe holds (64 KiB) ends only if somebody reads.
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

    /// Sends a signal to one child. To one that has ended and was not taken it does nothing.
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

    /// Sends a signal to every child in the set; those that have ended are passed over.
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
