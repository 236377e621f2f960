//! Making a set, putting children in, and taking their exits.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::blocked::Blocked;
use super::events::Place;
use super::insert::{InsertError, IntoChild};
#[cfg(feature = "command")]
use super::member::Member;
use super::member::{Exited, Key, SetId};
use super::wait::WaitExits;
use super::{ChildSet, Members, Until};
use crate::child::Child;
#[cfg(feature = "command")]
use crate::command::{Spawn, SpawnError, Started};
use crate::pidfd::Forked;
use crate::sync::{lock, Mutex};
use crate::sys::origin::Origin;
use crate::watch::dropped::sweep;
use crate::watch::Watch;

/// Says that the child runs: a caller that passes the error on with `?` drops the child without another word.
#[cfg(feature = "command")]
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
            id: SetId::new(),
            epoll: Arc::clone(watch.epoll()),
            members: Mutex::new(Members { watch, closed: false, newcomers: None }),
            origin: Origin::here(),
            blocked: Blocked::default(),
            reading: Mutex::new(Place::None),
            #[cfg(feature = "async-io")]
            consumers: std::sync::OnceLock::new(),
        })
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
    /// The [`InsertError`] gives the tag back. If the child was spawned but could not be watched, it gives the child
    /// back, too. That child runs on, and the reason says so, even if `?` drops it. The reasons are those of
    /// [`Command::spawn`](crate::Command::spawn) and of [`insert`](ChildSet::insert). A closed set starts nothing.
    #[cfg(feature = "command")]
    #[allow(clippy::result_large_err, reason = "it gives the child back")]
    pub fn spawn<S: Spawn>(&self, command: S, tag: T) -> Result<Key, InsertError<Option<Child>, T>> {
        self.start(tag, || command.start())
    }

    /// Makes a process in the set, and does not wait until its program runs: as
    /// [`Command::launch`](crate::Command::launch).
    ///
    /// It comes out once, with its tag, whatever became of it. If its program could not be run,
    /// [`Exited::exit`] is the [`SpawnError`](crate::SpawnError).
    ///
    /// ```
    /// use childset::{ChildSet, Command};
    ///
    /// let set = ChildSet::new()?;
    /// for name in ["true", "/no/such/program"] {
    ///     set.launch(&mut Command::new(name), name)?;
    /// }
    /// while let Some(exited) = set.wait(None)? {
    ///     assert_eq!(exited.exit.is_ok(), exited.tag == "true");
    /// }
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// As [`spawn`](ChildSet::spawn), with the reasons of [`Command::launch`](crate::Command::launch).
    #[cfg(feature = "command")]
    #[allow(clippy::result_large_err, reason = "it gives the child back")]
    pub fn launch<S: Spawn>(&self, command: S, tag: T) -> Result<Key, InsertError<Option<Child>, T>> {
        self.start(tag, || command.start_unawaited())
    }

    #[cfg(feature = "command")]
    #[allow(clippy::result_large_err, reason = "it gives the child back")]
    fn start(
        &self,
        tag: T,
        make: impl FnOnce() -> io::Result<Started>,
    ) -> Result<Key, InsertError<Option<Child>, T>> {
        // Nothing is started in vain. Only if the set is closed at this moment, the child is given back.
        let open = self.members().and_then(|members| members.check_open());
        let member = match open.and_then(|()| make()) {
            Ok(started) => Member::from_started(started, tag),
            Err(error) => return Err(InsertError { error, child: None, tag, spawned: false }),
        };
        lock(&self.members).insert(member).map(|slot| self.key(slot)).map_err(|(error, member)| {
            let (child, tag) = member.into_child(None);
            InsertError { error: unwatched(&child, &error), child: Some(child), tag, spawned: false }
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
    /// - [`Gone`](crate::Gone): somebody else has reaped a `std::process::Child`;
    /// - `EBADF`: what was inserted as a `Pidfd` is none;
    /// - [`BrokenPipe`](io::ErrorKind::BrokenPipe): the set was [closed](ChildSet::close);
    /// - [`Forked`]: the set or the child belongs to the process that this one was forked from;
    /// - [`Unsupported`](io::ErrorKind::Unsupported): this kernel has no pidfds.
    pub fn insert<C: IntoChild>(&self, child: C, tag: T) -> Result<Key, InsertError<C, T>> {
        sweep();
        if let Err(error) = Forked::check(self.origin) {
            return Err(InsertError { error, child, tag, spawned: true });
        }
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
    /// The set itself cannot watch. No case of this is known.
    #[doc(alias = "reap")]
    pub fn try_wait(&self) -> io::Result<Option<Exited<T>>> {
        Ok(self.take()?.map(|taken| self.exited(taken)))
    }

    /// Takes the exit of the next child that ends, blocking this thread until one does.
    ///
    /// `None` if the set is empty, if another consumer takes the last child meanwhile, or if the timeout runs out first.
    ///
    /// ```
    /// # use childset::{ChildSet, Signal};
    /// # use std::process::{Command, Stdio};
    /// # use std::time::Duration;
    /// let set = ChildSet::new()?;
    /// let key = set.insert(Command::new("cat").stdin(Stdio::piped()).spawn()?, ())?;
    /// assert!(set.wait(Some(Duration::from_millis(10)))?.is_none());
    /// set.send_signal(key, Signal::KILL)?;
    /// assert_eq!(set.wait(None)?.unwrap().exit?.signal(), Some(Signal::KILL));
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// `EMFILE`, `ENFILE`, `ENOMEM`: no descriptor to block on. No exit is lost.
    pub fn wait(&self, timeout: Option<Duration>) -> io::Result<Option<Exited<T>>> {
        // A deadline beyond the end of the clock is no deadline.
        self.wait_until(timeout.and_then(|timeout| Instant::now().checked_add(timeout)), Until::Empty)
    }

    /// The exits of all children, also of those that are inserted later, until the set is
    /// [closed](ChildSet::close) and empty. Each step blocks this thread until a child ends.
    ///
    /// ```
    /// # use childset::{ChildSet, Command};
    /// let set = ChildSet::new()?;
    /// std::thread::scope(|scope| {
    ///     let waiting = scope.spawn(|| set.wait_exits().map(|exited| exited.unwrap().tag).sum::<i32>());
    ///     for tag in [1, 2, 3] {
    ///         set.spawn(&mut Command::new("true"), tag)?;
    ///     }
    ///     set.close();
    ///     assert_eq!(waiting.join().unwrap(), 6);
    ///     std::io::Result::Ok(())
    /// })
    /// # ?; std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// As [`wait`](ChildSet::wait); the iterator may be asked again.
    pub fn wait_exits(&self) -> WaitExits<'_, T> {
        WaitExits { set: self }
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
        let slot = self.slot(key)?;
        let mut members = self.members().ok()?;
        let member = members.watch.remove(slot)?;
        let ended = members.ended();
        drop(members);
        ended.into_iter().for_each(|ended| self.end(ended));
        Some(member.into_child(None))
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
        let Ok(mut members) = self.members() else {
            return;
        };
        members.closed = true;
        let ended = members.ended();
        drop(members);
        ended.into_iter().for_each(|ended| self.end(ended));
    }
}
