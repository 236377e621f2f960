//! What all services are started, watched and remembered with.

use std::fs::File;
use std::io::{self, ErrorKind};

use childset::{ChildSet, Gone, Key, Signal};

use crate::notify::Directory;
use crate::state::StateFile;

/// What a process is to a unit, with the id of that.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Tag {
    Service(usize),
    /// Looks whether it is ready.
    Check(usize),
}

pub(crate) struct Means {
    pub(crate) set: ChildSet<Tag>,
    /// For sockets.
    pub(crate) directory: Directory,
    /// With our own program, which waits for a service to become known.
    pub(crate) state: Option<(StateFile, File)>,
}

impl Means {
    /// To the group that a service leads.
    pub(crate) fn signal(&self, key: Key, signal: Signal) -> io::Result<()> {
        match self.set.send_signal_to_group(key, signal) {
            // It has not made its group yet: launching waits for nobody.
            Err(error) if Gone::from_io_error(&error).is_some() => self.set.send_signal(key, signal),
            // Before Linux 6.9, that of a process which is no child of ours cannot be named without a race.
            Err(error) if error.kind() == ErrorKind::Unsupported => self.set.send_signal(key, signal),
            result => result,
        }
    }
}
