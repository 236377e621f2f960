use std::ffi::{CString, OsStr};
use std::io;
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt;

use crate::error;

/// One thing that the child does to its descriptors or its working directory.
#[derive(Clone, Debug)]
pub enum Action {
    /// Opens a file under this number, which is closed before.
    Open {
        /// The number.
        fd: RawFd,
        /// Relative to the working directory at that point.
        path: CString,
        /// `O_*`
        flags: i32,
        /// The mode of a new file, before the file mode mask.
        mode: u32,
    },
    /// Closes a descriptor; one that is not open is no error.
    Close(RawFd),
    /// Makes the second number one for the first's file, or removes the close-on-exec flag if they are equal.
    Dup2(RawFd, RawFd),
    /// Changes the working directory.
    Chdir(CString),
    /// Changes the working directory to an open one.
    Fchdir(RawFd),
    /// Closes all descriptors from this one on.
    CloseFrom(RawFd),
    /// Makes the child's process group the terminal's foreground one.
    TcSetPgrp(RawFd),
}

/// `posix_spawn_file_actions_t`: what the child does before it runs its program, in this order.
///
/// Each `add` fails as its namesake does: with `EBADF` for a number that is negative or beyond the limit.
#[derive(Clone, Debug, Default)]
pub struct FileActions(Vec<Action>);

impl FileActions {
    /// None yet.
    pub fn new() -> FileActions {
        FileActions::default()
    }

    /// See posix_spawn_file_actions_addopen(3).
    pub fn addopen<P: AsRef<OsStr>>(&mut self, fd: RawFd, path: P, flags: i32, mode: u32) -> io::Result<()> {
        let fd = valid(fd)?;
        self.0.push(Action::Open { fd, path: c_string(path.as_ref())?, flags, mode });
        Ok(())
    }

    /// See posix_spawn_file_actions_addclose(3).
    pub fn addclose(&mut self, fd: RawFd) -> io::Result<()> {
        self.0.push(Action::Close(valid(fd)?));
        Ok(())
    }

    /// See posix_spawn_file_actions_adddup2(3).
    pub fn adddup2(&mut self, fd: RawFd, newfd: RawFd) -> io::Result<()> {
        self.0.push(Action::Dup2(valid(fd)?, valid(newfd)?));
        Ok(())
    }

    /// `posix_spawn_file_actions_addchdir`, which glibc calls `addchdir_np`.
    pub fn addchdir<P: AsRef<OsStr>>(&mut self, path: P) -> io::Result<()> {
        self.0.push(Action::Chdir(c_string(path.as_ref())?));
        Ok(())
    }

    /// `posix_spawn_file_actions_addfchdir`, which glibc calls `addfchdir_np`.
    pub fn addfchdir(&mut self, fd: RawFd) -> io::Result<()> {
        self.0.push(Action::Fchdir(valid(fd)?));
        Ok(())
    }

    /// `posix_spawn_file_actions_addclosefrom_np` of glibc 2.34.
    pub fn addclosefrom_np(&mut self, from: RawFd) -> io::Result<()> {
        self.0.push(Action::CloseFrom(valid(from)?));
        Ok(())
    }

    /// `posix_spawn_file_actions_addtcsetpgrp_np` of glibc 2.35.
    pub fn addtcsetpgrp_np(&mut self, fd: RawFd) -> io::Result<()> {
        self.0.push(Action::TcSetPgrp(valid(fd)?));
        Ok(())
    }

    /// The actions, in order.
    pub fn as_slice(&self) -> &[Action] {
        &self.0
    }
}

fn valid(fd: RawFd) -> io::Result<RawFd> {
    // SAFETY: reads and writes no memory of ours.
    let limit = unsafe { libc::sysconf(libc::_SC_OPEN_MAX) };
    match fd >= 0 && (limit < 0 || i64::from(fd) < limit) {
        true => Ok(fd),
        false => Err(error(libc::EBADF)),
    }
}

fn c_string(path: &OsStr) -> io::Result<CString> {
    CString::new(path.as_bytes()).map_err(|_| error(libc::EINVAL))
}
