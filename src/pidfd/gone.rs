use std::error::Error;
use std::fmt;
use std::io;

/// The process is gone: nothing can be sent to it or asked of it any more.
///
/// ```
/// use childset::{ChildSet, Command, Gone, Signal};
///
/// let child = Command::new("true").spawn()?;
/// child.wait()?;
/// let error = child.send_signal(Signal::TERM).unwrap_err();
/// assert_eq!(Gone::from_io_error(&error), Some(Gone::Reaped));
///
/// let set = ChildSet::new()?;
/// let key = set.spawn(&mut Command::new("true"), ())?;
/// set.wait(None)?;
/// let error = set.send_signal(key, Signal::TERM).unwrap_err();
/// assert_eq!(Gone::from_io_error(&error), Some(Gone::NotInSet));
/// # std::io::Result::Ok(())
/// ```
///
/// It is the inner error of an [`io::Error`] whose kind is [`NotFound`](io::ErrorKind::NotFound), from
/// [`Pidfd`](crate::Pidfd), [`Child`](crate::Child) and [`ChildSet`](crate::ChildSet) alike.
/// [`Gone::from_io_error`] finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Gone {
    /// It was reaped, or there never was one with this pid (`ESRCH`). A process group has no member left.
    Reaped,
    /// The child has come out of its set, or was removed.
    NotInSet,
}

impl Gone {
    /// Finds the `Gone` in an error. `None` if it is another error. See [`Gone`].
    pub fn from_io_error(error: &io::Error) -> Option<Gone> {
        error.get_ref()?.downcast_ref().copied()
    }

    /// `ESRCH` as users get it; every other error as it is.
    pub(crate) fn explain(error: io::Error) -> io::Error {
        match error.raw_os_error() {
            Some(libc::ESRCH) => Gone::Reaped.into(),
            _ => error,
        }
    }

    /// A process that is gone is as good as signalled.
    pub(crate) fn is_fine(result: io::Result<()>) -> io::Result<()> {
        match result {
            Err(error) if Gone::from_io_error(&error).is_some() => Ok(()),
            result => result,
        }
    }
}

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Gone::Reaped => "no such process (ESRCH): it has ended and was reaped",
            Gone::NotInSet => "the child is not in the set",
        })
    }
}

impl Error for Gone {}

/// The error stays inside, since it explains: [`Gone::from_io_error`] finds it.
impl From<Gone> for io::Error {
    fn from(gone: Gone) -> io::Error {
        io::Error::new(io::ErrorKind::NotFound, gone)
    }
}
