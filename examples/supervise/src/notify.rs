//! What services say about themselves: sd_notify(3), by a socket for each one, which its user may write to.
//!
//! Whoever of a service's processes says it, it counts.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{chown, DirBuilderExt, PermissionsExt};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::config::Service;

/// Where the sockets are: beside the state file, so that a successor finds them, or anywhere.
pub(crate) enum Directory {
    Beside(PathBuf),
    Temporary(Option<TempDir>),
}

impl Directory {
    pub(crate) fn new(state: Option<&Path>) -> Directory {
        let beside = |state: &Path| {
            let mut name = state.as_os_str().to_owned();
            name.push(".d");
            // Services have other directories.
            Directory::Beside(std::path::absolute(&name).unwrap_or(name.into()))
        };
        state.map_or(Directory::Temporary(None), beside)
    }

    /// Made when it is asked for.
    pub(crate) fn path(&mut self) -> io::Result<&Path> {
        match self {
            Directory::Beside(path) => {
                match fs::DirBuilder::new().mode(0o711).create(&path) {
                    Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
                    _ => {}
                }
                Ok(path)
            }
            Directory::Temporary(directory) => {
                if directory.is_none() {
                    let made = tempfile::Builder::new().prefix("supervise-").tempdir()?;
                    fs::set_permissions(made.path(), fs::Permissions::from_mode(0o711))?;
                    *directory = Some(made);
                }
                Ok(directory.as_ref().map(TempDir::path).unwrap_or(Path::new("")))
            }
        }
    }
}

impl Directory {
    /// Where a successor finds it, too.
    pub(crate) fn outlives_us(&self) -> Option<&Path> {
        match self {
            Directory::Beside(path) => Some(path),
            Directory::Temporary(_) => None,
        }
    }
}

/// Nobody is left that speaks to us.
impl Drop for Directory {
    fn drop(&mut self) {
        if let Directory::Beside(path) = self {
            let _ = fs::remove_dir(path);
        }
    }
}

#[derive(Debug)]
pub(crate) struct Notify {
    socket: UnixDatagram,
    path: PathBuf,
}

/// What was said since the last look.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Said {
    pub(crate) ready: bool,
    pub(crate) alive: bool,
    /// That it hangs, as it has found itself.
    pub(crate) hangs: bool,
}

impl Notify {
    /// In place of that of a predecessor.
    pub(crate) fn new(directory: &mut Directory, id: usize, service: &Service) -> Result<Notify> {
        let why = || format!("cannot make the socket that {} speaks to", service.name);
        let path = directory.path().with_context(why)?.join(format!("notify-{id}"));
        let make = || -> io::Result<UnixDatagram> {
            let _ = fs::remove_file(&path);
            let socket = UnixDatagram::bind(&path)?;
            socket.set_nonblocking(true)?;
            // Nobody else's before it is its user's.
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
            if let Some(account) = &service.account {
                chown(&path, Some(account.uid), None)?;
            }
            Ok(socket)
        };
        Ok(Notify { socket: make().with_context(why)?, path })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn take(&self) -> Said {
        let mut said = Said::default();
        let mut buffer = [0; 4096];
        // Within reason: one who speaks without end has its turn, as others have.
        for _ in 0..64 {
            match self.socket.recv(&mut buffer) {
                Ok(count) => buffer[..count].split(|&byte| byte == b'\n').for_each(|line| said.hear(line)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        said
    }
}

impl Said {
    fn hear(&mut self, line: &[u8]) {
        match line {
            b"READY=1" => self.ready = true,
            b"WATCHDOG=1" => self.alive = true,
            b"WATCHDOG=trigger" => self.hangs = true,
            _ => {}
        }
    }
}

impl AsFd for Notify {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Notify {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}
