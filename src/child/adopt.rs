use std::error::Error;
use std::fmt;
use std::io;

use super::{Child, Keeper, Process, Shared};
use crate::watch::dropped::sweep;

/// Adopts a [`std::process::Child`], with its pipes.
///
/// It must not have been waited for through `std`.
impl TryFrom<std::process::Child> for Child {
    type Error = AdoptError;

    /// # Errors
    /// `EMFILE`, `ENFILE`, `ENOMEM`, `ESRCH` (somebody else has reaped it), or
    /// [`Unsupported`](io::ErrorKind::Unsupported); the error gives the child back.
    fn try_from(mut child: std::process::Child) -> Result<Child, AdoptError> {
        sweep();
        match Process::from_child(&child) {
            Ok(process) => Ok(Child {
                stdin: child.stdin.take().map(Into::into),
                stdout: child.stdout.take().map(Into::into),
                stderr: child.stderr.take().map(Into::into),
                ..Child::new(Keeper::new(Shared::new(process, None)))
            }),
            Err(error) => Err(AdoptError { error, child }),
        }
    }
}

/// A [`std::process::Child`] could not be adopted, and is given back.
///
/// ```
/// # use childset::Child;
/// # use rustix::process::{getrlimit, setrlimit, Resource, Rlimit};
/// # use std::process::{Command, Stdio};
/// let child = Command::new("cat").stdin(Stdio::piped()).spawn()?;
/// // No descriptor is left for a pidfd.
/// let limit = Rlimit { current: Some(0), ..getrlimit(Resource::Nofile) };
/// setrlimit(Resource::Nofile, limit)?;
///
/// let mut error = Child::try_from(child).unwrap_err();
/// assert_eq!(error.error.raw_os_error(), Some(libc::EMFILE));
/// assert!(error.child.wait()?.success());
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct AdoptError {
    /// Why not.
    pub error: io::Error,
    /// The child, untouched.
    pub child: std::process::Child,
}

impl fmt::Display for AdoptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot adopt child {}: {}", self.child.id(), self.error)
    }
}

impl Error for AdoptError {
    /// The source of the reason, which is printed with the error.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

/// The reason alone. The child is dropped.
impl From<AdoptError> for io::Error {
    fn from(error: AdoptError) -> io::Error {
        error.error
    }
}
