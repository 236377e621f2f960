//! The children, as build.rs has compiled them.

/// Ends at once.
pub(crate) const CHILD: &str = concat!(env!("OUT_DIR"), "/child");

/// Keeps a processor busy.
pub(crate) const SPIN: &str = concat!(env!("OUT_DIR"), "/spin");

/// Ends with its standard input.
pub(crate) const HELD: &str = concat!(env!("OUT_DIR"), "/held");

/// Ends after 0.3 ms: its parent waits by then.
pub(crate) const BRIEF: &str = concat!(env!("OUT_DIR"), "/brief");

/// Ends after 20 ms: its parent waits by then, also if it is traced.
pub(crate) const LATE: &str = concat!(env!("OUT_DIR"), "/late");
