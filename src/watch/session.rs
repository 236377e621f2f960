//! The processes of sessions, which the kernel has no call for.

use std::collections::HashSet;
use std::fs;
use std::io;

use crate::pidfd::{field, Signal};
use crate::watch::members;

/// Sends signals to all processes in the sessions of these leaders. No leader was reaped. Reads all of `/proc` twice or
/// more.
///
/// # Errors
/// `/proc` cannot be read; and those of [`members::send`].
pub(crate) fn send(leaders: &HashSet<u32>, signals: &[Signal]) -> io::Result<()> {
    members::send(signals, || pids(leaders))
}

fn pids(leaders: &HashSet<u32>) -> io::Result<Vec<u32>> {
    let names = fs::read_dir("/proc")?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let pids = names.filter_map(|name| name.parse().ok());
    Ok(pids.filter(|&pid| session(pid).is_some_and(|leader| leaders.contains(&leader))).collect())
}

fn session(pid: u32) -> Option<u32> {
    field(&fs::read(format!("/proc/{pid}/stat")).ok()?, 6)
}
