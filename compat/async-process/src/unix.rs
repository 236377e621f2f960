//! What a [`Command`] has on Unix alone.

use std::ffi::OsStr;
use std::io;

use crate::Command;

/// The methods that a [`Command`] has on Unix alone. No other type implements it.
///
/// ```
/// use async_process::unix::CommandExt;
/// use async_process::Command;
///
/// # futures_lite::future::block_on(async {
/// let output = Command::new("sh").arg0("name").args(["-c", "echo $0"]).output().await?;
/// assert_eq!(output.stdout, b"name\n");
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
pub trait CommandExt: sealed::Sealed {
    /// The child's user; without a group of its own, as [`std::os::unix::process::CommandExt::uid`] has it.
    fn uid(&mut self, id: u32) -> &mut Command;

    /// The child's group.
    fn gid(&mut self, id: u32) -> &mut Command;

    /// Becomes the program instead of spawning it; returns only if that fails.
    fn exec(&mut self) -> io::Error;

    /// Argument 0, instead of the program's name.
    fn arg0<S>(&mut self, arg: S) -> &mut Command
    where
        S: AsRef<OsStr>;
}

impl CommandExt for Command {
    fn uid(&mut self, id: u32) -> &mut Command {
        self.set_uid(id)
    }

    fn gid(&mut self, id: u32) -> &mut Command {
        self.set_gid(id)
    }

    fn exec(&mut self) -> io::Error {
        self.exec_by_std()
    }

    fn arg0<S: AsRef<OsStr>>(&mut self, arg: S) -> &mut Command {
        self.set_arg0(arg.as_ref())
    }
}

mod sealed {
    pub trait Sealed {}

    impl Sealed for crate::Command {}
}
