use std::error::Error;
use std::fmt;
use std::io;

use crate::child::Child;
use crate::pidfd::Pidfd;
use crate::process::Process;

/// What a [`ChildSet`](crate::ChildSet) accepts: a [`Child`], a `std::process::Child`, or a [`Pidfd`].
///
/// A pidfd may refer to any process. If that is not a child of ours, it comes out of the set when it ends, and
/// its status is known if its parent has reaped it by then (Linux 6.15); else
/// [`StatusUnknown::Zombie`](crate::StatusUnknown::Zombie) says to [`wait`](Pidfd::wait) for it.
pub trait IntoChild: sealed::Dismantle {}

impl IntoChild for Child {}
impl IntoChild for Pidfd {}
impl IntoChild for std::process::Child {}

pub(super) mod sealed {
    use super::{io, Child};

    /// Taking a child apart, so that it can be put together again if the set cannot watch it.
    pub trait Dismantle: Sized {
        /// What `Child` does not hold.
        type Rest;

        fn dismantle(self) -> Result<(Child, Self::Rest), (io::Error, Self)>;

        fn reassemble(child: Child, rest: Self::Rest) -> Self;
    }
}

impl sealed::Dismantle for Child {
    type Rest = ();

    fn dismantle(self) -> Result<(Child, ()), (io::Error, Child)> {
        Ok((self, ()))
    }

    fn reassemble(child: Child, (): ()) -> Child {
        child
    }
}

impl sealed::Dismantle for Pidfd {
    type Rest = ();

    fn dismantle(self) -> Result<(Child, ()), (io::Error, Pidfd)> {
        Process::of_pidfd(self).map(|process| (Child::new(process), ()))
    }

    fn reassemble(child: Child, (): ()) -> Pidfd {
        child.process.into_pidfd()
    }
}

impl sealed::Dismantle for std::process::Child {
    type Rest = std::process::Child;

    fn dismantle(self) -> Result<(Child, Self), (io::Error, Self)> {
        match Process::of_child(&self) {
            Ok(process) => Ok(Child::with_pipes_of(self, process)),
            Err(error) => Err((error, self)),
        }
    }

    fn reassemble(child: Child, rest: Self) -> Self {
        child.return_pipes(rest)
    }
}

/// A child could not be inserted: the child and its tag are given back as they were.
#[non_exhaustive]
pub struct InsertError<C, T> {
    /// Why not.
    pub error: io::Error,
    /// The child, untouched.
    pub child: C,
    /// The tag.
    pub tag: T,
}

impl<C, T> fmt::Debug for InsertError<C, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InsertError").field("error", &self.error).finish_non_exhaustive()
    }
}

impl<C, T> fmt::Display for InsertError<C, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot watch the child: {}", self.error)
    }
}

impl<C, T> Error for InsertError<C, T> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}

/// Drops the child and its tag, and leaves the reason.
impl<C, T> From<InsertError<C, T>> for io::Error {
    fn from(error: InsertError<C, T>) -> io::Error {
        error.error
    }
}
