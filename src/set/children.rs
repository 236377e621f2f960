use std::io;
use std::sync::Arc;

use super::blocked::Blocked;
use super::insert::{InsertError, IntoChild};
use super::member::{Exited, Key, Member, Pipes, SetId};
use super::{ChildSet, Members};
use crate::child::{Child, ChildHandle, ChildStderr, ChildStdin, ChildStdout};
#[cfg(feature = "command")]
use crate::command::Spawn;
use crate::pidfd::{Gone, Signal};
use crate::sync::{lock, Mutex};
use crate::watch::dropped::sweep;
use crate::watch::{Watch, Watched};

impl<T> ChildSet<T> {
    /// Makes an empty set: see [`ChildSet`].
    ///
    /// # Errors
    /// `EMFILE`, `ENFILE`, `ENOMEM`: out of descriptors or memory.
    pub fn new() -> io::Result<ChildSet<T>> {
        let watch = Watch::new()?;
        Ok(ChildSet {
            id: SetId::new(),
            epoll: Arc::clone(watch.epoll()),
            members: Mutex::new(Members { watch, closed: false }),
            blocked: Blocked::default(),
            #[cfg(feature = "async-io")]
            consumers: std::sync::OnceLock::new(),
        })
    }

    /// Puts a child into the set.
    ///
    /// A child that has ended already comes out at once, and one whose exit was taken comes out with it.
    ///
    /// ```
    /// # use childset::{ChildSet, Command};
    /// let child = Command::new("sh").args(["-c", "exit 3"]).spawn()?;
    /// let exit = child.wait()?;
    /// let set = ChildSet::new()?;
    /// set.insert(child, "a tag of any type")?;
    /// let exited = set.try_wait()?.expect("it has ended");
    /// assert_eq!((exited.tag, exited.exit?), ("a tag of any type", exit));
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// The [`InsertError`] gives the child and the tag back. Its reason is
    /// - `EMFILE`, `ENFILE`, `ENOMEM`: no descriptor or no memory for the pidfd of a `std::process::Child`, or
    ///   to watch any child;
    /// - `ENOSPC`: the user's limit of watched descriptors (`/proc/sys/fs/epoll/max_user_watches`);
    /// - [`Gone`]: somebody else has reaped a `std::process::Child`;
    /// - `EBADF`: what was inserted as a `Pidfd` is none;
    /// - [`BrokenPipe`](io::ErrorKind::BrokenPipe): the set was [closed](ChildSet::close);
    /// - [`Unsupported`](io::ErrorKind::Unsupported): this kernel has no pidfds.
    pub fn insert<C: IntoChild>(&self, child: C, tag: T) -> Result<Key, InsertError<C, T>> {
        sweep();
        let (member, rest) = match child.dismantle(tag) {
            Ok(parts) => parts,
            Err((error, child, tag)) => return Err(InsertError { error, child, tag, spawned: true }),
        };
        let mut members = lock(&self.members);
        match members.insert(member) {
            Ok(slot) => {
                if let (Some(pipes), Some(member)) = (C::pipes(rest), members.watch.get_mut(slot)) {
                    member.set_pipes(pipes);
                }
                Ok(self.key(slot))
            }
            Err((error, member)) => {
                let (child, tag) = C::reassemble(member, rest);
                Err(InsertError { error, child, tag, spawned: true })
            }
        }
    }

    /// Spawns a process, from a `&mut Command` or a `&Prepared`, into the set.
    ///
    /// ```
    /// use childset::{ChildSet, Command};
    ///
    /// let set = ChildSet::new()?;
    /// for line in ["exit 1", "exit 2"] {
    ///     set.spawn(Command::new("sh").args(["-c", line]), line)?;
    /// }
    /// while let Some(exited) = set.wait(None)? {
    ///     println!("{}: {}", exited.tag, exited.exit?.status());
    /// }
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// The [`InsertError`] gives the tag back, and the child if it was spawned and could not be watched. Its
    /// reason is one of [`Command::spawn`](crate::Command::spawn)'s or of [`insert`](ChildSet::insert)'s.
    #[cfg(feature = "command")]
    pub fn spawn<S: Spawn>(&self, command: S, tag: T) -> Result<Key, InsertError<Option<Child>, T>> {
        // Nothing is started in vain; only a set that is closed just now gives the child back.
        let open = lock(&self.members).check_open();
        let member = match open.and_then(|()| command.start()) {
            Ok(started) => Member::from_started(started, tag),
            Err(error) => return Err(InsertError { error, child: None, tag, spawned: false }),
        };
        lock(&self.members).insert(member).map(|slot| self.key(slot)).map_err(|(error, member)| {
            let (child, tag) = member.into_child(None);
            InsertError { error, child: Some(child), tag, spawned: true }
        })
    }

    /// Takes the exit of a child that has ended, or `None` if no child has. Never blocks.
    ///
    /// ```
    /// # use childset::{ChildSet, Command, Signal};
    /// use rustix::event::{poll, PollFd, PollFlags};
    ///
    /// let set = ChildSet::new()?;
    /// let sleep = set.spawn(Command::new("sleep").arg("60"), "sleep")?;
    /// assert!(set.try_wait()?.is_none());
    /// set.send_signal(sleep, Signal::TERM)?;
    /// // An event loop does this.
    /// poll(&mut [PollFd::new(&set, PollFlags::IN)], None)?;
    /// assert_eq!(set.try_wait()?.unwrap().exit?.signal(), Some(Signal::TERM));
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// The set itself cannot watch: none that is known to happen.
    #[doc(alias = "reap")]
    pub fn try_wait(&self) -> io::Result<Option<Exited<T>>> {
        sweep();
        let mut members = lock(&self.members);
        let Some(child) = members.watch.take_ended()? else {
            return Ok(None);
        };
        let ended = members.ended();
        drop(members);
        ended.into_iter().for_each(|ended| self.end(ended));
        Ok(Some(Exited::new(self.id, child)))
    }

    /// Takes a child out of the set before it comes out by itself, with its tag.
    ///
    /// `None` if it has come out, or was removed. The child may have ended meanwhile.
    ///
    /// ```
    /// # use childset::ChildSet;
    /// # use std::process::{Command, Stdio};
    /// # let child = Command::new("cat").stdin(Stdio::piped()).spawn()?;
    /// let set = ChildSet::new()?;
    /// let key = set.insert(child, "cat")?;
    /// let (child, tag) = set.remove(key).unwrap();
    /// assert!(set.is_empty());
    /// # child.kill()?;
    /// # child.wait()?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn remove(&self, key: Key) -> Option<(Child, T)> {
        let slot = self.slot(key)?;
        let mut members = lock(&self.members);
        let member = members.watch.remove(slot)?;
        let ended = members.ended();
        drop(members);
        ended.into_iter().for_each(|ended| self.end(ended));
        Some(member.into_child(None))
    }

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
        self.slot(key).is_some_and(|slot| lock(&self.members).watch.get(slot).is_some())
    }

    /// The keys of all children in the set at this moment, in no order: see [`contains`](ChildSet::contains).
    pub fn keys(&self) -> Vec<Key> {
        lock(&self.members).watch.keys().map(|slot| self.key(slot)).collect()
    }

    /// The pid of a child: `None` if it is no longer in the set, or [not known](Child::pid).
    pub fn pid(&self, key: Key) -> Option<u32> {
        let slot = self.slot(key)?;
        lock(&self.members).watch.get(slot)?.pid()
    }

    /// A handle of a child, which outlives its membership; `None` if it is no longer in the set. See [`ChildHandle`].
    pub fn handle(&self, key: Key) -> Option<ChildHandle> {
        let slot = self.slot(key)?;
        lock(&self.members).watch.get_mut(slot).map(Member::handle)
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
        lock(&self.members).watch.get_mut(slot)?.pipes().and_then(take)
    }

    /// How many children are in the set: those that have not been taken, whether they run or have ended.
    ///
    /// ```
    /// # use childset::{ChildSet, Command};
    /// let set = ChildSet::new()?;
    /// assert!(set.is_empty());
    /// set.spawn(&mut Command::new("true"), ())?;
    /// assert_eq!(set.len(), 1);
    /// set.wait(None)?;
    /// assert_eq!(set.len(), 0);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn len(&self) -> usize {
        lock(&self.members).watch.len()
    }

    /// Whether no child is in the set: see [`len`](ChildSet::len).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
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
    /// - As [`Child::send_signal_to_group`].
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
        for member in lock(&self.members).watch.values() {
            let sent = Gone::is_fine(member.pidfd().send_signal(signal));
            result = result.and(sent);
        }
        result
    }

    /// Ends the set for good: nothing can be inserted any more, and once the children in it were taken,
    /// the stream `exits()` ends.
    ///
    /// ```
    /// # use childset::{ChildSet, Command};
    /// # use std::io::ErrorKind;
    /// let set = ChildSet::new()?;
    /// set.spawn(&mut Command::new("true"), "first")?;
    /// set.close();
    /// let error = set.spawn(&mut Command::new("true"), "second").unwrap_err();
    /// assert_eq!(error.error.kind(), ErrorKind::BrokenPipe);
    /// assert_eq!(set.wait(None)?.unwrap().tag, "first");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn close(&self) {
        let mut members = lock(&self.members);
        members.closed = true;
        let ended = members.ended();
        drop(members);
        ended.into_iter().for_each(|ended| self.end(ended));
    }
}
