use std::io;
use std::sync::{Arc, Mutex};

use super::insert::{InsertError, IntoChild};
use super::member::{Exited, Key, Member, Pipes};
use super::wait::Blocked;
use super::{ChildSet, Members};
use crate::child::{Child, ChildHandle, ChildStderr, ChildStdin, ChildStdout};
use crate::command::{Spawn, SpawnError};
use crate::pidfd::{Forked, Gone, Signal};
use crate::sync::lock;
use crate::sys::origin::Origin;
use crate::watch::dropped::sweep;
use crate::watch::{Watch, Watched};

/// Says that the child runs: whoever passes the error on with `?` drops the child without another word.
fn unwatched(child: &Child, error: &io::Error) -> io::Error {
    let what = format!("watch child {}, which was started and runs", child.id());
    // A set that was closed meanwhile has no errno.
    SpawnError::new(what, error.raw_os_error().unwrap_or(libc::EPIPE)).into()
}

impl<T> ChildSet<T> {
    /// Makes an empty set: see [`ChildSet`].
    ///
    /// # Errors
    /// `EMFILE`, `ENFILE`, `ENOMEM`: out of descriptors or memory.
    pub fn new() -> io::Result<ChildSet<T>> {
        let watch = Watch::new()?;
        Ok(ChildSet {
            epoll: Arc::clone(watch.epoll()),
            members: Mutex::new(Members { watch, closed: false }),
            blocked: Blocked::default(),
            origin: Origin::here(),
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
    /// - [`Forked`]: the set or the child belongs to the process that this one was forked from;
    /// - [`Unsupported`](io::ErrorKind::Unsupported): this kernel has no pidfds.
    pub fn insert<C: IntoChild>(&self, child: C, tag: T) -> Result<Key, InsertError<C, T>> {
        sweep();
        if let Err(error) = Forked::check(self.origin) {
            return Err(InsertError { error, child, tag });
        }
        let (member, rest) = match child.dismantle(tag) {
            Ok(parts) => parts,
            Err((error, child, tag)) => return Err(InsertError { error, child, tag }),
        };
        let mut members = lock(&self.members);
        match members.insert(member) {
            Ok(key) => {
                if let (Some(pipes), Some(member)) = (C::pipes(rest), members.watch.get_mut(key)) {
                    member.set_pipes(pipes);
                }
                Ok(Key(key))
            }
            Err((error, member)) => {
                let (child, tag) = C::reassemble(member, rest);
                Err(InsertError { error, child, tag })
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
    /// The [`InsertError`] gives the tag back, and the child if it was spawned and could not be watched: it runs, and the
    /// reason says so, also where `?` has dropped the child. The reason is one of
    /// [`Command::spawn`](crate::Command::spawn)'s or of [`insert`](ChildSet::insert)'s. A closed set starts nothing.
    pub fn spawn<S: Spawn>(&self, command: S, tag: T) -> Result<Key, InsertError<Option<Child>, T>> {
        // Nothing is started that the set would not take.
        let started = match self.members().and_then(|members| members.check_open()) {
            Ok(()) => command.start(),
            Err(error) => Err(error),
        };
        let member = match started {
            Ok(started) => Member::from_started(started, tag),
            Err(error) => return Err(InsertError { error, child: None, tag }),
        };
        lock(&self.members).insert(member).map(Key).map_err(|(error, member)| {
            let (child, tag) = member.into_child(None);
            InsertError { error: unwatched(&child, &error), child: Some(child), tag }
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
        let mut members = self.members()?;
        let ended = members.watch.take_ended()?;
        let empty = members.watch.len() == 0;
        drop(members);
        if ended.is_some() && empty {
            self.notify_ended();
        }
        Ok(ended.map(Exited::new))
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
        sweep();
        let mut members = self.members().ok()?;
        let member = members.watch.remove(key.0)?;
        let empty = members.watch.len() == 0;
        drop(members);
        if empty {
            self.notify_ended();
        }
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
        self.members().is_ok_and(|members| members.watch.get(key.0).is_some())
    }

    /// The keys of all children in the set at this moment, in no order: see [`contains`](ChildSet::contains).
    pub fn keys(&self) -> Vec<Key> {
        self.members().map_or_else(|_| Vec::new(), |members| members.watch.keys().map(Key).collect())
    }

    /// The pid of a child: `None` if it is no longer in the set, or [not known](Child::pid).
    pub fn pid(&self, key: Key) -> Option<u32> {
        self.members().ok()?.watch.get(key.0)?.pid()
    }

    /// A handle of a child, which outlives its membership; `None` if it is no longer in the set. See [`ChildHandle`].
    pub fn handle(&self, key: Key) -> Option<ChildHandle> {
        self.members().ok()?.watch.get_mut(key.0).map(Member::handle)
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
        self.members().ok()?.watch.get_mut(key.0)?.pipes().and_then(take)
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
        self.members().map_or(0, |members| members.watch.len())
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
        for member in self.members()?.watch.values() {
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
        // A copy of the process closes nothing: the set is not its own.
        if let Ok(mut members) = self.members() {
            members.closed = true;
            drop(members);
            self.notify_ended();
        }
    }
}
