use std::error::Error;
use std::fmt;
use std::io;

use super::member::{Member, Pipes};
use crate::child::{Child, Process};
use crate::pidfd::Pidfd;

/// What a [`ChildSet`](crate::ChildSet) accepts: a [`Child`], a `std::process::Child`, or a [`Pidfd`].
///
/// A pidfd may refer to any process. One that is not our child comes out of the set when it ends. Its status is known if
/// its parent has reaped it by then (Linux 6.15). Otherwise the error is
/// [`StatusUnknown::Zombie`](crate::StatusUnknown::Zombie), and [`wait`](Pidfd::wait) gets the status later.
///
/// ```
/// use childset::{ChildSet, Command, Pidfd};
///
/// let mut std = std::process::Command::new("true");
/// let set = ChildSet::new()?;
/// set.insert(Command::new("true").spawn()?, "Child")?;
/// set.insert(std.spawn()?, "std::process::Child")?;
/// set.insert(Pidfd::from_child(&std.spawn()?)?, "Pidfd")?;
/// while let Some(exited) = set.wait(None)? {
///     assert!(exited.exit?.success(), "{}", exited.tag);
/// }
/// # std::io::Result::Ok(())
/// ```
pub trait IntoChild: sealed::Dismantle {}

impl IntoChild for Child {}
impl IntoChild for Pidfd {}
impl IntoChild for std::process::Child {}

pub(super) mod sealed {
    use super::{io, Member, Pipes};

    /// The child in parts; or as it was, with the tag.
    pub(crate) type Dismantled<C, T> = Result<(Member<T>, <C as Dismantle>::Rest), (io::Error, C, T)>;

    /// Taking a child apart, so that it can be put together again if the set cannot watch it.
    pub trait Dismantle: Sized {
        /// What the set does not hold while it tries.
        type Rest;

        #[allow(private_interfaces)]
        fn dismantle<T>(self, tag: T) -> Dismantled<Self, T>;

        /// The set does watch it: what of the rest belongs to the child.
        #[allow(private_interfaces)]
        fn pipes(rest: Self::Rest) -> Option<Pipes>;

        #[allow(private_interfaces)]
        fn reassemble<T>(member: Member<T>, rest: Self::Rest) -> (Self, T);
    }
}

#[allow(private_interfaces)]
impl sealed::Dismantle for Child {
    type Rest = ();

    fn dismantle<T>(self, tag: T) -> sealed::Dismantled<Self, T> {
        match self.shared.check() {
            Ok(()) => Ok((Member::from_child(self, tag), ())),
            Err(error) => Err((error, self, tag)),
        }
    }

    fn pipes((): ()) -> Option<Pipes> {
        None
    }

    fn reassemble<T>(member: Member<T>, (): ()) -> (Child, T) {
        member.into_child(None)
    }
}

#[allow(private_interfaces)]
impl sealed::Dismantle for Pidfd {
    type Rest = ();

    fn dismantle<T>(self, tag: T) -> sealed::Dismantled<Self, T> {
        match Process::of_pidfd(self) {
            Ok(process) => Ok((Member::new(process, tag), ())),
            Err((error, pidfd)) => Err((error, pidfd, tag)),
        }
    }

    fn pipes((): ()) -> Option<Pipes> {
        None
    }

    fn reassemble<T>(member: Member<T>, (): ()) -> (Pidfd, T) {
        let (process, tag) = member.into_process();
        (process.into_pidfd(), tag)
    }
}

#[allow(private_interfaces)]
impl sealed::Dismantle for std::process::Child {
    type Rest = std::process::Child;

    fn dismantle<T>(self, tag: T) -> sealed::Dismantled<Self, T> {
        match Process::from_child(&self) {
            Ok(process) => Ok((Member::new(process, tag), self)),
            Err(error) => Err((error, self, tag)),
        }
    }

    fn pipes(rest: Self) -> Option<Pipes> {
        Some(Pipes {
            stdin: rest.stdin.map(Into::into),
            stdout: rest.stdout.map(Into::into),
            stderr: rest.stderr.map(Into::into),
        })
    }

    fn reassemble<T>(member: Member<T>, rest: Self) -> (Self, T) {
        let (process, tag) = member.into_process();
        drop(process.into_pidfd());
        (rest, tag)
    }
}

/// A child could not be inserted: the child and its tag are given back as they were.
///
/// ```
/// # use childset::{ChildSet, Command};
/// # use std::io::ErrorKind;
/// let set = ChildSet::new()?;
/// set.close();
/// let error = set.insert(Command::new("true").spawn()?, "tag").unwrap_err();
/// assert_eq!((error.error.kind(), error.tag), (ErrorKind::BrokenPipe, "tag"));
/// assert!(error.child.wait()?.success());
/// # std::io::Result::Ok(())
/// ```
#[non_exhaustive]
pub struct InsertError<C, T> {
    /// Why not.
    pub error: io::Error,
    /// The child, untouched.
    pub child: C,
    /// The tag.
    pub tag: T,
    /// Whether there is a child.
    pub(super) spawned: bool,
}

impl<C, T> fmt::Debug for InsertError<C, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InsertError").field("error", &self.error).finish_non_exhaustive()
    }
}

impl<C, T> fmt::Display for InsertError<C, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.spawned {
            true => write!(f, "cannot watch the child: {}", self.error),
            false => self.error.fmt(f),
        }
    }
}

impl<C, T> Error for InsertError<C, T> {
    /// The source of the reason, which is printed with the error.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

/// The reason alone. The child and its tag are dropped.
impl<C, T> From<InsertError<C, T>> for io::Error {
    fn from(error: InsertError<C, T>) -> io::Error {
        error.error
    }
}
