use std::error::Error;
use std::ffi::CString;
use std::fmt;
use std::io;

use super::describe::quoted;

/// Why a process could not be spawned: what was tried, and the errno. No process is left of it, except where
/// [`ChildSet::spawn`](crate::ChildSet::spawn) cannot watch it.
///
/// It is the inner error of the [`io::Error`] that spawning returns, whose kind is that of the errno.
///
/// An `io::Error` is either an errno or an explanation: `raw_os_error()` is `None` where the text names the program.
/// Programs that decide by the errno ask [`SpawnError::raw_os_error`] instead, and those that pass the error on to code
/// that does make it plain with [`SpawnError::into_os_error`].
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

    /// The errno of any error, as [`io::Error::raw_os_error`] gives it for a plain one: also of the `SpawnError` in it.
    ///
    /// ```
    /// # use childset::{Command, SpawnError};
    /// # use std::io;
    /// let error = Command::new("/no/such/program").spawn().unwrap_err();
    /// assert_eq!(error.raw_os_error(), None);
    /// assert_eq!(SpawnError::raw_os_error(&error), Some(2));
    /// assert_eq!(SpawnError::raw_os_error(&io::Error::from_raw_os_error(24)), Some(24));
    /// ```
    pub fn raw_os_error(error: &io::Error) -> Option<i32> {
        SpawnError::from_io_error(error).map(SpawnError::errno).or_else(|| error.raw_os_error())
    }

    /// The error as `std` would have returned it: with its `raw_os_error()`, and without the explanation. Errors without a
    /// `SpawnError` stay as they are.
    ///
    /// ```
    /// # use childset::{Child, Command, SpawnError};
    /// # use std::io;
    /// fn start(program: &str) -> io::Result<Child> {
    ///     Command::new(program).spawn().map_err(SpawnError::into_os_error)
    /// }
    /// let error = start("/no/such/program").unwrap_err();
    /// assert_eq!(error.raw_os_error(), Some(2));
    /// assert_eq!(error.to_string(), "No such file or directory (os error 2)");
    /// ```
    pub fn into_os_error(error: io::Error) -> io::Error {
        match SpawnError::from_io_error(&error) {
            Some(failure) => io::Error::from_raw_os_error(failure.errno),
            None => error,
        }
    }

    /// The errno of the system call that failed. See [`SpawnError`].
    pub fn errno(&self) -> i32 {
        self.errno
    }

    /// What kind of error the errno is. See [`SpawnError`].
    pub fn kind(&self) -> io::ErrorKind {
        io::Error::from_raw_os_error(self.errno).kind()
    }
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}: {}", self.what, io::Error::from_raw_os_error(self.errno))
    }
}

impl Error for SpawnError {}

/// The error stays inside, since it explains: [`SpawnError::from_io_error`] finds it.
impl From<SpawnError> for io::Error {
    fn from(error: SpawnError) -> io::Error {
        io::Error::new(error.kind(), error)
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
    let position = bytes.iter().position(|&byte| byte == 0).map_or(0, |index| index + 1);
    let why = format!("{what} contains a null byte (byte {position}): {}", quoted(bytes));
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

/// A `Stdio` of `std` serves one spawn, and cannot be looked into.
pub(super) fn unprepared() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "a command with a std::process::Stdio cannot be prepared")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_errors_stay_as_they_are() {
        let null_byte = SpawnError::into_os_error(null_byte(b"\0", "an argument"));
        assert_eq!(SpawnError::raw_os_error(&null_byte), None);
        assert!(null_byte.to_string().contains("a null byte"));
        let plain = SpawnError::into_os_error(io::Error::from_raw_os_error(libc::EMFILE));
        assert_eq!(plain.raw_os_error(), Some(libc::EMFILE));
    }

    #[test]
    fn a_null_byte_is_named() {
        let error = c_string(*b"a\0b", "an argument").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(
            error.to_string().contains(r#"an argument contains a null byte (byte 2): "a\0b""#),
            "{error}"
        );
    }
}
