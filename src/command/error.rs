use std::error::Error;
use std::ffi::CString;
use std::fmt;
use std::io;

/// Why a process could not be spawned: what was tried, and the errno. No process is left of it, except where
/// [`ChildSet::spawn`](crate::ChildSet::spawn) cannot watch it.
///
/// It is the inner error of the [`io::Error`] that spawning returns, whose kind is that of the errno.
///
/// ```
/// use childset::{Command, SpawnError};
/// use std::io::ErrorKind;
///
/// let error = Command::new("/no/such/program").spawn().unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::NotFound);
/// assert_eq!(SpawnError::from_io_error(&error).unwrap().errno(), 2);
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
    pub fn from_io_error(error: &io::Error) -> Option<&SpawnError> {
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

pub(super) fn c_string(bytes: impl Into<Vec<u8>>, what: &str) -> io::Result<CString> {
    CString::new(bytes).map_err(|error| null_byte(&error.into_vec(), what))
}

pub(super) fn check(bytes: &[u8], what: &str) -> io::Result<()> {
    match bytes.contains(&0) {
        false => Ok(()),
        true => Err(null_byte(bytes, what)),
    }
}

fn null_byte(bytes: &[u8], what: &str) -> io::Error {
    let why = format!("{what} contains a null byte: {}", bytes.escape_ascii());
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

/// `clone3` is refused, and `std` cannot do this.
pub(super) fn unsupported_by_std(what: &str) -> io::Error {
    let why = format!("{what} needs clone3, which this system refuses");
    io::Error::new(io::ErrorKind::Unsupported, why)
}

/// Only `std` can do this, and not for a prepared command.
pub(super) fn unsupported_by_flat(what: &str) -> io::Error {
    let why = format!("a command with {what} cannot be prepared");
    io::Error::new(io::ErrorKind::Unsupported, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_null_byte_is_named() {
        let error = c_string(*b"a\0b", "an argument").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains(r"an argument contains a null byte: a\x00b"), "{error}");
    }
}
