use std::error::Error;
use std::fmt;
use std::io;

use crate::sys::origin::Origin;

/// This process is a copy, made by a plain `fork()`. What was asked for belongs to the process that it is a copy of.
///
/// It is the inner error of an [`io::Error`] whose kind is [`Unsupported`](io::ErrorKind::Unsupported);
/// [`Forked::from_io_error`] finds it. See [Forking](crate#forking).
///
/// ```
/// # #![allow(unsafe_code)]
/// use childset::{Child, Command, Forked, Signal};
///
/// let child = Command::new("sleep").arg("60").spawn()?;
/// # // SAFETY: what the copy does allocates at most, which glibc and musl allow after a fork.
/// let copy = unsafe { libc::fork() };
/// if copy == 0 {
///     let error = child.kill().unwrap_err();
///     let refused = Forked::from_io_error(&error) == Some(Forked::Object);
///     # // SAFETY: it ends this process.
///     unsafe { libc::_exit(if refused { 3 } else { 1 }) };
/// }
/// let mut status = 0;
/// # // SAFETY: the status is written to the integer.
/// unsafe { libc::waitpid(copy, &mut status, 0) };
/// assert_eq!(libc::WEXITSTATUS(status), 3);
/// child.kill()?;
/// assert_eq!(child.wait()?.signal(), Some(Signal::KILL));
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Forked {
    /// A child or a set: the other process made it, and goes on with it.
    Object,
    /// Awaiting: async-io's reactor runs in the other process, and cannot be started again.
    Reactor,
}

impl Forked {
    /// Finds the `Forked` in an error; `None` if it is another one. See [`Forked`].
    pub fn from_io_error(error: &io::Error) -> Option<Forked> {
        error.get_ref()?.downcast_ref().copied()
    }

    /// Refuses an object of the process that this one is a copy of.
    #[inline]
    pub(crate) fn check(origin: Origin) -> io::Result<()> {
        match origin.is_here() {
            true => Ok(()),
            false => Err(Forked::Object.into()),
        }
    }
}

impl fmt::Display for Forked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Forked::Object => "it belongs to the process that this one was forked from",
            Forked::Reactor => "async-io's reactor runs in the process that this one was forked from",
        })
    }
}

impl Error for Forked {}

impl From<Forked> for io::Error {
    fn from(forked: Forked) -> io::Error {
        io::Error::new(io::ErrorKind::Unsupported, forked)
    }
}
