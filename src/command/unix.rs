//! What programs written against async-process import.

#![allow(unsafe_code)]

use std::ffi::OsStr;
use std::io;

use super::Command;
use crate::sys::plan::PreExec;

/// The methods of [`Command`] that async-process has in its trait of this name: a program written against it imports
/// them by the same path.
///
/// [`groups`](Command::groups), [`setsid`](Command::setsid) and the like are methods of `Command` itself.
///
/// ```
/// # #![deny(warnings, unused_imports)]
/// use childset::{unix::CommandExt, Command};
///
/// let status = Command::new("sh").arg0("shell").args(["-c", "exit 3"]).spawn()?.wait()?;
/// assert_eq!(status.code(), Some(3));
/// # std::io::Result::Ok(())
/// ```
pub trait CommandExt: sealed::Sealed {
    /// Sets the user id. See setuid(2).
    ///
    /// Supplementary groups are dropped, unless [`groups`](Command::groups) sets them. Where that is not allowed,
    /// spawning fails with `EPERM`, except if there is none, or if the user stays the same. The child runs on a
    /// [copy](Command#on-a-copy) of our memory until its `execve`.
    ///
    /// ```
    /// # use childset::{unix::CommandExt, Command, Stdio};
    /// # use std::io::ErrorKind;
    /// let mut command = Command::new("sh");
    /// command.args(["-c", "id -u; id -G"]).stdout(Stdio::piped());
    /// match command.uid(65534).gid(65533).groups(&[65533]).spawn() {
    ///     Ok(child) => assert_eq!(child.wait_with_output()?.stdout, b"65534\n65533\n"),
    ///     // Only root may.
    ///     Err(error) => assert_eq!(error.kind(), ErrorKind::PermissionDenied),
    /// }
    /// # std::io::Result::Ok(())
    /// ```
    fn uid(&mut self, id: u32) -> &mut Command;

    /// Sets the group id: see [`uid`](CommandExt::uid) and setgid(2).
    fn gid(&mut self, id: u32) -> &mut Command;

    /// Sets argument 0, which is the program's name otherwise.
    ///
    /// ```
    /// # use childset::{unix::CommandExt, Command, Stdio};
    /// let mut command = Command::new("sh");
    /// command.arg0("shell").args(["-c", "echo $0"]).stdout(Stdio::piped());
    /// assert_eq!(command.spawn()?.wait_with_output()?.stdout, b"shell\n");
    /// # std::io::Result::Ok(())
    /// ```
    fn arg0<S: AsRef<OsStr>>(&mut self, arg: S) -> &mut Command;

    /// Replaces this process by the program, and returns only to say why it cannot.
    ///
    /// What [`Command`] sets for the child, it sets for this process. If the program cannot be run, what was done before
    /// stays done, such as a change of directory. The signal mask, signal dispositions, and what stays open over an
    /// `execve`, are then as they were. Descriptors are as with [`spawn`](Command::spawn). See execve(2).
    ///
    /// A [`parent_death_signal`](Command::parent_death_signal) comes when the parent of this process dies.
    ///
    /// ```no_run
    /// # use childset::unix::CommandExt;
    /// // The last line of a wrapper.
    /// let error = childset::Command::new("make").args(std::env::args_os().skip(1)).exec();
    /// eprintln!("{error}");
    /// ```
    ///
    /// # Errors
    /// As [`spawn`](Command::spawn).
    fn exec(&mut self) -> io::Error;

    /// Runs a closure in the child, just before `execve`.
    ///
    /// The child is then made by `fork`, with a copy of this process's memory, at a cost that grows with it. Handlers of
    /// pthread_atfork(3) run, as in `std`. If the closure fails, spawning fails with its errno. If it panics, the child
    /// aborts, as in `std`.
    /// [`exec`](CommandExt::exec) runs the closure in this process.
    ///
    /// ```
    /// # use childset::{unix::CommandExt, Command, SpawnError};
    /// # use std::io::Error;
    /// let mut command = Command::new("true");
    /// // SAFETY: it neither allocates nor locks.
    /// unsafe { command.pre_exec(|| Err(Error::from_raw_os_error(libc::EXDEV))) };
    /// let error = command.spawn().unwrap_err();
    /// assert_eq!(SpawnError::from_io_error(&error).unwrap().errno(), libc::EXDEV);
    /// ```
    ///
    /// # Safety
    /// As [`std::os::unix::process::CommandExt::pre_exec`]: after a fork, only what signal-safety(7)
    /// allows is sound. In particular, allocating or locking may hang.
    unsafe fn pre_exec<F>(&mut self, act: F) -> &mut Command
    where
        F: FnMut() -> io::Result<()> + Send + Sync + 'static;
}

impl CommandExt for Command {
    fn uid(&mut self, id: u32) -> &mut Command {
        self.options.uid = Some(id);
        self
    }

    fn gid(&mut self, id: u32) -> &mut Command {
        self.options.gid = Some(id);
        self
    }

    fn arg0<S: AsRef<OsStr>>(&mut self, arg: S) -> &mut Command {
        // `std` prints its own, and gives none away.
        std::os::unix::process::CommandExt::arg0(&mut self.std, &arg);
        self.arg0 = Some(arg.as_ref().to_owned());
        self
    }

    fn exec(&mut self) -> io::Error {
        self.exec_here().unwrap_or_else(|error| error)
    }

    unsafe fn pre_exec<F>(&mut self, act: F) -> &mut Command
    where
        F: FnMut() -> io::Result<()> + Send + Sync + 'static,
    {
        // SAFETY: the caller's promise.
        self.acts.push(unsafe { PreExec::new(act) });
        self
    }
}

mod sealed {
    pub trait Sealed {}

    impl Sealed for crate::command::Command {}
}
