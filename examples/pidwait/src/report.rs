//! What `pidwait` says, and its exit codes.

use std::fmt::Display;
use std::io;

use childset::{Exit, StatusUnknown};

/// Those of procps; the last is timeout(1)'s.
pub(crate) const ENDED: u8 = 0;
pub(crate) const NONE_FOUND: u8 = 1;
pub(crate) const FAILED: u8 = 3;
pub(crate) const TIMED_OUT: u8 = 124;

pub(crate) fn complain(what: impl Display) {
    shared::complain("pidwait", what);
}

/// How a process ended, as far as it is known.
pub(crate) fn told(exit: io::Result<Option<Exit>>) -> io::Result<String> {
    match exit {
        Ok(Some(exit)) => Ok(exit.status().to_string()),
        Ok(None) => Ok("ended, not collected yet".to_owned()),
        Err(error) if StatusUnknown::from_io_error(&error).is_some() => {
            Ok("ended, its status is not told".to_owned())
        }
        Err(error) => Err(error),
    }
}
