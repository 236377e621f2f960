//! The cgroup of a service: made before anything is started, and removed in the end.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::path::PathBuf;

#[derive(Debug)]
pub(crate) struct Cgroup {
    path: PathBuf,
    /// By us.
    made: bool,
}

impl Cgroup {
    pub(crate) fn make(path: PathBuf) -> io::Result<Cgroup> {
        let made = match fs::create_dir(&path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => false,
            result => result.map(|()| true)?,
        };
        Ok(Cgroup { path, made })
    }

    /// For a process to be made in.
    pub(crate) fn open(&self) -> io::Result<OwnedFd> {
        File::open(&self.path).map(OwnedFd::from)
    }

    /// Kills all that is in it and below. Needs Linux 5.14.
    pub(crate) fn kill(&self) -> io::Result<()> {
        fs::write(self.path.join("cgroup.kill"), "1")
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        if self.made {
            // Somebody else may have put a process in it, or a cgroup below it.
            let _ = fs::remove_dir(&self.path);
        }
    }
}
