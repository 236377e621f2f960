//! What `timeout` says, and the exit codes that are its own.

use std::fmt::Display;
use std::io;

use childset::SpawnError;
use rustix::io::Errno;

pub(crate) const TIMED_OUT: u8 = 124;
/// Of `timeout` itself having failed.
pub(crate) const TROUBLE: u8 = 125;
/// As shells have it.
pub(crate) const SIGNALLED: u8 = 128;

pub(crate) fn complain(what: impl Display) {
    shared::complain("timeout", what);
}

/// Of a command that did not run.
pub(crate) fn code_of(error: &anyhow::Error) -> u8 {
    let error = error.downcast_ref::<io::Error>().filter(|error| SpawnError::from_io_error(error).is_some());
    match error.map(|error| (error, SpawnError::raw_os_error(error).map(Errno::from_raw_os_error))) {
        // There is no process to run it in.
        None | Some((_, Some(Errno::AGAIN | Errno::NOMEM))) => TROUBLE,
        Some((error, _)) => shared::exit_code_of(error),
    }
}
