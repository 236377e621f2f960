//! Messages, and exit codes as shells have them.

use std::fmt::Display;
use std::io::{self, Write};

/// The exit code for a command that is there and cannot be run.
pub const CANNOT_RUN: u8 = 126;
/// The exit code for a command that is not there.
pub const NOT_FOUND: u8 = 127;

/// Writes a line to standard error, in one write, since others may write there, too. Nobody could be told that it failed.
pub fn complain(program: &str, message: impl Display) {
    let _ = io::stderr().write_all(format!("{program}: {message}\n").as_bytes());
}

/// A text that somebody else chose, in one line and without what a terminal would act upon.
pub fn printable(text: &[u8]) -> String {
    String::from_utf8_lossy(text).replace(|c: char| c.is_control(), "?")
}

/// What a shell gives as the exit code of a program that could not be run.
pub fn exit_code_of(error: &io::Error) -> u8 {
    match error.kind() {
        io::ErrorKind::NotFound => NOT_FOUND,
        _ => CANNOT_RUN,
    }
}
