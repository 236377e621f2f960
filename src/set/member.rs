use std::fmt;
use std::io;
use std::process::{ChildStderr, ChildStdin, ChildStdout};
use std::sync::{Mutex, PoisonError};

use slotmap::{DefaultKey, Key as _};

use crate::child::Child;
use crate::exit::Exit;
use crate::pidfd::Pidfd;
use crate::process::Process;
use crate::watch::{Ended, Watched};

/// Names a child in the [`ChildSet`](crate::ChildSet) that it was inserted into.
///
/// It stays unique: a later child never gets the key of an earlier one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub(super) DefaultKey);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({:#x})", self.0.data().as_ffi())
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
    /// The pid that it had: free for others now. See [`Child::id`].
    pub pid: u32,
    /// What was inserted with the child.
    pub tag: T,
    /// How it ended; or [`StatusUnknown`](crate::StatusUnknown), where the kernel does not tell.
    pub exit: io::Result<Exit>,
    /// The child: its exit, and its pipes as they were inserted, so that what it wrote can still be read.
    pub child: Child,
}

impl<T> Exited<T> {
    /// The child, for its pipes.
    pub fn into_child(self) -> Child {
        self.child
    }

    pub(super) fn new(ended: Ended<Member<T>>) -> Exited<T> {
        let Ended { key, value, exit } = ended;
        let (mut child, tag) = value.into_child();
        if let Ok(exit) = &exit {
            child.keep(*exit);
        }
        Exited { key: Key(key), pid: child.id(), tag, exit, child }
    }
}

/// A child as the set stores it: smaller than a `Child`, since hardly any has its exit yet.
#[derive(Debug)]
pub(super) struct Member<T> {
    process: Process,
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    kept: Option<Box<Exit>>,
    tag: T,
}

impl<T> Member<T> {
    pub(super) fn new(child: Child, tag: T) -> Member<T> {
        let kept = child.kept.into_inner().unwrap_or_else(PoisonError::into_inner);
        Member {
            process: child.process,
            stdin: child.stdin,
            stdout: child.stdout,
            stderr: child.stderr,
            kept: kept.map(Box::new),
            tag,
        }
    }

    pub(super) fn into_child(self) -> (Child, T) {
        let child = Child {
            stdin: self.stdin,
            stdout: self.stdout,
            stderr: self.stderr,
            process: self.process,
            kept: Mutex::new(self.kept.map(|exit| *exit)),
        };
        (child, self.tag)
    }
}

impl<T> Watched for Member<T> {
    fn pidfd(&self) -> &Pidfd {
        self.process.pidfd()
    }

    fn is_our_child(&self) -> bool {
        self.process.is_our_child
    }

    fn kept(&self) -> Option<Exit> {
        self.kept.as_deref().copied()
    }
}
