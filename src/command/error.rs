use std::error::Error;
use std::fmt;
use std::io;

/// Why a process could not be spawned: what was tried, and the errno. No process is left of it.
///
/// It is the inner error of the [`io::Error`] that spawning returns, whose kind is that of the errno.
///
/// ```
/// use childset::{Command, SpawnError};
/// use std::io::ErrorKind;
///
/// let error = Command::new("/no/such/program").spawn().unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::NotFound);
/// assert_eq!(SpawnError::of(&error).unwrap().errno(), 2);
/// assert!(error.to_string().contains("/no/such/program"));
///
/// let error = Command::new("true").current_dir("/no/such/directory").spawn().unwrap_err();
/// assert!(error.to_string().contains("/no/such/directory"));
/// ```
#[derive(Clone, Debug)]
pub struct SpawnError {
    what: String,
    errno: i32,
}

impl SpawnError {
    /// `what` completes "cannot".
    pub(crate) fn new(what: impl Into<String>, errno: i32) -> SpawnError {
        SpawnError { what: what.into(), errno }
    }

    /// Finds the `SpawnError` in an error that spawning returned; `None` if it is another one. See
    /// [`SpawnError`].
    pub fn of(error: &io::Error) -> Option<&SpawnError> {
        error.get_ref()?.downcast_ref()
    }

    /// The errno of the system call that failed. See [`SpawnError`].
    pub fn errno(&self) -> i32 {
        self.errno
    }
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}: {}", self.what, io::Error::from_raw_os_error(self.errno))
    }
}

impl Error for SpawnError {}

impl From<SpawnError> for io::Error {
    fn from(error: SpawnError) -> io::Error {
        io::Error::new(io::Error::from_raw_os_error(error.errno).kind(), error)
    }
}
