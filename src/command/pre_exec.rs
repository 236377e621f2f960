#![allow(unsafe_code)]

use std::io;

use super::Command;
use crate::sys::fork::PreExec;

impl Command {
    /// Runs a closure in the child, just before `execve`.
    ///
    /// The child is then made by `std`, with a copy of this process's memory, at a cost that grows with it. An
    /// error of the closure's is one of spawning, with its errno.
    ///
    /// ```
    /// # use childset::{Command, SpawnError};
    /// # use std::io::Error;
    /// let mut command = Command::new("true");
    /// // SAFETY: it neither allocates nor locks.
    /// unsafe { command.pre_exec(|| Err(Error::from_raw_os_error(libc::EXDEV))) };
    /// let error = command.spawn().unwrap_err();
    /// assert_eq!(SpawnError::from_io_error(&error).unwrap().errno(), libc::EXDEV);
    /// ```
    ///
    /// # Safety
    /// As [`std::os::unix::process::CommandExt::pre_exec`]: after a fork, only what signal-signal-safety(7)
    /// allows is sound. In particular, allocating or locking may hang.
    pub unsafe fn pre_exec<F>(&mut self, act: F) -> &mut Command
    where
        F: FnMut() -> io::Result<()> + Send + Sync + 'static,
    {
        // SAFETY: the caller's promise.
        self.pre_exec.push(unsafe { PreExec::new(act) });
        self
    }
}
