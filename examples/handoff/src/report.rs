//! What `handoff` says, and its exit codes.

use std::fmt::Display;
use std::io::{self, Write};

/// Of `handoff` itself having failed, as opposed to the process.
pub(crate) const FAILED: u8 = 125;
/// As shells have it.
pub(crate) const SIGNALLED: u8 = 128;

pub(crate) fn complain(what: impl Display) {
    shared::complain("handoff", what);
}

/// On standard output. Whether somebody reads it does not matter.
pub(crate) fn say(what: impl Display) {
    let _ = writeln!(io::stdout(), "{what}");
}
