use std::fmt;
use std::io;
#[cfg(feature = "command")]
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicUsize, Ordering};

use slotmap::{DefaultKey, Key as _};

use super::sessions;
#[cfg(feature = "command")]
use crate::child::Pipe;
use crate::child::{
    Child, ChildHandle, ChildStderr, ChildStdin, ChildStdout, Containment, Flag, Keeper, Process, Shared,
};
#[cfg(feature = "command")]
use crate::command::Started;
use crate::pidfd::{collect, Collected, Exit, Pidfd, Signal};
use crate::watch::{Ended, Watched};

/// Names a child in the [`ChildSet`](crate::ChildSet) that it was inserted into.
///
/// It stays unique: a later child never gets the key of an earlier one, and in another set it names nothing.
///
/// ```
/// # use childset::{ChildSet, Command};
/// let set = ChildSet::new()?;
/// let first = set.spawn(&mut Command::new("true"), ())?;
/// assert_eq!(set.wait(None)?.unwrap().key, first);
/// let second = set.spawn(&mut Command::new("true"), ())?;
/// assert_ne!(first, second);
/// assert!(set.remove(first).is_none());
///
/// let other = ChildSet::new()?;
/// other.spawn(&mut Command::new("true"), ())?;
/// assert!(!other.contains(second) && other.remove(second).is_none());
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    pub(super) set: SetId,
    pub(super) slot: DefaultKey,
}

/// A number for each set of this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct SetId(usize);

impl SetId {
    pub(super) fn new() -> SetId {
        // No lock, which a copy of this process might find locked for good.
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        SetId(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({}:{:#x})", self.set.0, self.slot.data().as_ffi())
    }
}

/// A child that has ended, out of its [`ChildSet`](crate::ChildSet).
///
/// ```
/// use childset::ChildSet;
/// use std::process::Command;
///
/// let set = ChildSet::new()?;
/// set.insert(Command::new("false").spawn()?, "false")?;
/// let exited = set.wait(None)?.expect("one child is in the set");
/// assert_eq!(exited.tag, "false");
/// assert_eq!(exited.exit?.code(), Some(1));
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Exited<T> {
    /// The key that [`ChildSet::insert`](crate::ChildSet::insert) returned.
    pub key: Key,
    /// The pid that it had: free for others now. See [`Child::pid`].
    pub pid: Option<u32>,
    /// What was inserted with the child.
    pub tag: T,
    /// How it ended. An error is a [`StatusUnknown`](crate::StatusUnknown), if the kernel does not report the status; or
    /// a [`SpawnError`](crate::Command::launch), if it was [launched](crate::ChildSet::launch) and its program could not
    /// be run.
    pub exit: io::Result<Exit>,
    /// The child: its exit, and its pipes as they were inserted, so that what it wrote can still be read.
    pub child: Child,
}

impl<T> Exited<T> {
    /// The child, for its pipes.
    ///
    /// ```
    /// # use childset::{ChildSet, Command, Stdio};
    /// let set = ChildSet::new()?;
    /// set.spawn(Command::new("echo").arg("hello").stdout(Stdio::piped()), ())?;
    /// let child = set.wait(None)?.expect("one child is in the set").into_child();
    /// assert_eq!(child.wait_with_output()?.stdout, b"hello\n");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn into_child(self) -> Child {
        self.child
    }

    pub(super) fn new(set: SetId, ended: Ended<Member<T>>) -> Exited<T> {
        let Ended { key: slot, value, exit } = ended;
        let (child, tag) = value.into_child(exit.as_ref().ok());
        Exited { key: Key { set, slot }, pid: child.pid(), tag, exit, child }
    }
}

/// A child as the set stores it. It is smaller than a `Child`, because most of that is not used before the exit.
pub(super) struct Member<T> {
    holder: Holder,
    pipes: Option<Box<Pipes>>,
    tag: T,
}

#[derive(Debug)]
enum Holder {
    Owned(Process),
    /// There is more to it than the process, or somebody else has an eye on it.
    Shared(Keeper),
}

#[derive(Debug, Default)]
pub(super) struct Pipes {
    pub(super) stdin: Option<ChildStdin>,
    pub(super) stdout: Option<ChildStdout>,
    pub(super) stderr: Option<ChildStderr>,
}

impl Pipes {
    #[cfg(feature = "command")]
    fn from_ends(ends: [Option<OwnedFd>; 3], flight: u32) -> Option<Box<Pipes>> {
        if ends.iter().all(Option::is_none) {
            return None;
        }
        let [stdin, stdout, stderr] = ends.map(|end| end.map(|end| Pipe::of_started(end, flight)));
        Some(Box::new(Pipes {
            stdin: stdin.map(Into::into),
            stdout: stdout.map(Into::into),
            stderr: stderr.map(Into::into),
        }))
    }

    fn into_option(self) -> Option<Box<Pipes>> {
        let any = self.stdin.is_some() || self.stdout.is_some() || self.stderr.is_some();
        any.then(|| Box::new(self))
    }
}

impl<T> Member<T> {
    pub(super) fn new(process: Process, tag: T) -> Member<T> {
        Member { holder: Holder::Owned(process), pipes: None, tag }
    }

    #[cfg(feature = "command")]
    pub(super) fn from_started(started: Started, tag: T) -> Member<T> {
        if started.cgroup.is_some() {
            return Member::from_child(started.into_child(), tag);
        }
        let Started { process, pipes, .. } = started;
        let pipes = Pipes::from_ends(pipes, process.flight());
        Member { holder: Holder::Owned(process), pipes, tag }
    }

    pub(super) fn from_child(child: Child, tag: T) -> Member<T> {
        let Child { stdin, stdout, stderr, shared } = child;
        let holder = match shared.into_inner() {
            Ok(shared) if shared.is_plain() => Holder::Owned(shared.into_process()),
            Ok(shared) => Holder::Shared(Keeper::new(shared)),
            Err(keeper) => Holder::Shared(keeper),
        };
        Member { holder, pipes: Pipes { stdin, stdout, stderr }.into_option(), tag }
    }

    pub(super) fn set_pipes(&mut self, pipes: Pipes) {
        self.pipes = pipes.into_option();
    }

    pub(super) fn into_child(self, exit: Option<&Exit>) -> (Child, T) {
        let shared = match self.holder {
            Holder::Shared(shared) => shared,
            Holder::Owned(process) => {
                if exit.is_some() {
                    process.set_reaped();
                }
                Keeper::new(Shared::new(process, exit.copied()))
            }
        };
        let Pipes { stdin, stdout, stderr } = self.pipes.map_or_else(Pipes::default, |pipes| *pipes);
        (Child { stdin, stdout, stderr, shared }, self.tag)
    }

    /// For what came as a process alone.
    pub(super) fn into_process(self) -> (Process, T) {
        match self.holder {
            Holder::Owned(process) => (process, self.tag),
            Holder::Shared(_) => unreachable!("only a `Child` is shared"),
        }
    }

    pub(super) fn send_signal_to_group(&self, signal: Signal) -> io::Result<()> {
        match &self.holder {
            // The set's lock keeps it from being reaped.
            Holder::Owned(process) => process.send_signal_to_group(signal),
            Holder::Shared(shared) => shared.send_signal_to_group(signal),
        }
    }

    /// To the whole unit.
    pub(super) fn send_to_unit(&self, signals: &[Signal]) -> io::Result<Containment> {
        match &self.holder {
            // As above.
            Holder::Owned(process) => process.send_to_unit(signals),
            Holder::Shared(shared) => shared.send_to_unit(signals),
        }
    }

    pub(super) fn kill_tree(&self) -> io::Result<Containment> {
        match &self.holder {
            // As above.
            Holder::Owned(process) => process.kill_tree(),
            Holder::Shared(shared) => shared.kill_tree(),
        }
    }

    pub(super) fn session(&self) -> Option<u32> {
        self.process().session()
    }

    /// Sees to it that nothing of the unit is left when the child has come out, or that the rest is known.
    pub(super) fn begin_ending(&self) {
        self.process().begin_ending();
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.process().pid()
    }

    /// The pipes, if it has any.
    pub(super) fn pipes(&mut self) -> Option<&mut Pipes> {
        self.pipes.as_deref_mut()
    }

    /// The pipes that it writes to, if it has any, and a copy of its tag.
    pub(super) fn take_outputs(&mut self) -> Option<(T, Option<ChildStdout>, Option<ChildStderr>)>
    where
        T: Clone,
    {
        let pipes =
            self.pipes.as_deref_mut().filter(|pipes| pipes.stdout.is_some() || pipes.stderr.is_some())?;
        let tag = self.tag.clone();
        Some((tag, pipes.stdout.take(), pipes.stderr.take()))
    }

    /// From now on somebody else has an eye on it.
    pub(super) fn handle(&mut self) -> ChildHandle {
        if let Holder::Owned(process) = &mut self.holder {
            self.holder = Holder::Shared(Keeper::new(Shared::new(process.take(), None)));
        }
        match &self.holder {
            Holder::Shared(keeper) => keeper.handle(),
            Holder::Owned(_) => unreachable!("shared above"),
        }
    }

    /// While this is kept, nobody reaps it who does not have the set's lock.
    pub(super) fn lock_kept(&self) -> Option<impl Drop + '_> {
        match &self.holder {
            Holder::Owned(_) => None,
            Holder::Shared(shared) => Some(shared.lock_kept()),
        }
    }

    /// Whether dropping it, which nobody else keeps, kills a session.
    pub(super) fn kills_session_when_dropped(&self) -> bool {
        match &self.holder {
            Holder::Owned(process) => process.kills_when_dropped() && process.session().is_some(),
            Holder::Shared(_) => false,
        }
    }

    pub(super) fn process(&self) -> &Process {
        match &self.holder {
            Holder::Owned(process) => process,
            Holder::Shared(shared) => shared.process(),
        }
    }
}

/// Without the tag, which need not be `Debug`.
impl<T> fmt::Debug for Member<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member").field("pid", &self.pid()).finish_non_exhaustive()
    }
}

impl<T> Watched for Member<T> {
    fn pidfd(&self) -> &Pidfd {
        self.process().pidfd()
    }

    fn is_our_child(&self) -> bool {
        self.process().has(Flag::IsOurChild)
    }

    fn prepare<'m>(&'m self, all: impl Iterator<Item = &'m Member<T>>) {
        sessions::end(self, all);
    }

    fn collect(&self) -> io::Result<Collected> {
        match &self.holder {
            Holder::Owned(process) => {
                process.before_reaping();
                process.told_of(collect(process.pidfd(), libc::WNOHANG))
            }
            Holder::Shared(shared) => shared.collect_told(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Member;

    #[test]
    fn an_outstanding_child_is_small() {
        assert!(std::mem::size_of::<Member<()>>() <= 24);
        assert!(std::mem::size_of::<Member<u64>>() <= 32);
    }
}
