//! The process group that each job leads.

use std::fs;
use std::io::{self, ErrorKind};

use childset::{Child, ChildSet, Gone, Key, Signal};
use shared::Stat;

/// Signals the job's process group; only the job before Linux 6.9, or if it moved to another group.
pub(crate) fn signal<T>(set: &ChildSet<T>, key: Key, signal: Signal) -> io::Result<()> {
    match set.send_signal_to_group(key, signal) {
        Err(error) if error.kind() == ErrorKind::Unsupported || is_gone(&error) => {
            set.send_signal(key, signal).or_else(|error| if is_gone(&error) { Ok(()) } else { Err(error) })
        }
        result => result,
    }
}

/// The same for a child that is in no set.
pub(crate) fn signal_child(child: &Child, signal: Signal) -> io::Result<()> {
    child.send_signal_to_group(signal).or_else(|_| child.send_signal(signal))
}

/// Whether anybody lives in the process group of a job that was reaped; false where the kernel cannot tell.
pub(crate) fn outlives(leader: &Child) -> bool {
    // Zombies count as members, and in a container without an init nobody may ever reap them.
    leader.pidfd().send_signal_to_group(0).is_ok() && has_living_member(leader.id()).unwrap_or(true)
}

/// The number is not given to another group while this one has members.
fn has_living_member(group: u32) -> io::Result<bool> {
    for entry in fs::read_dir("/proc")? {
        // Of a process that is gone meanwhile there is nothing to read.
        let stat = fs::read(entry?.path().join("stat")).unwrap_or_default();
        if Stat::parse(&stat).is_some_and(|stat| stat.group == group && !stat.is_dead()) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_gone(error: &io::Error) -> bool {
    Gone::from_io_error(error).is_some()
}
