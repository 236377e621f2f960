use std::convert::TryFrom;
use std::error::Error;
use std::fmt;
use std::io;
use std::process::{ChildStderr, ChildStdin, ChildStdout};
use std::sync::Mutex;

use crate::exit::{collect, Collected, Exit};
use crate::pidfd::Pidfd;
use crate::process::Process;
use crate::sync::lock;

/// A child process: its pidfd, its pipes, and its exit once that was taken.
///
/// Unlike `std`'s, it waits through `&self`, never closes a pipe unasked, keeps the whole [`Exit`] so that
/// every wait gives the same answer, and leaves no zombie when it is dropped: it is then reaped as soon as it
/// ends, by [`reap_dropped`](crate::reap_dropped) or what that describes.
///
/// A child of `std`'s is adopted with `Child::try_from`:
///
/// ```
/// use childset::Child;
/// use std::io::Read;
/// use std::process::{Command, Stdio};
///
/// let mut child = Child::try_from(Command::new("echo").arg("hello").stdout(Stdio::piped()).spawn()?)?;
/// assert!(child.wait()?.success());
/// assert!(child.wait()?.success());
///
/// let mut text = String::new();
/// child.stdout.take().unwrap().read_to_string(&mut text)?;
/// assert_eq!(text, "hello\n");
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct Child {
    /// The writing end of the pipe to the child's standard input, if there is one.
    pub stdin: Option<ChildStdin>,
    /// The reading end of the pipe from the child's standard output, if there is one.
    pub stdout: Option<ChildStdout>,
    /// The reading end of the pipe from the child's standard error, if there is one.
    pub stderr: Option<ChildStderr>,
    pub(crate) process: Process,
    /// Locked while the exit is taken, so that of two waiters the second one finds it here.
    pub(crate) kept: Mutex<Option<Exit>>,
}

impl Child {
    pub(crate) fn new(process: Process) -> Child {
        Child { stdin: None, stdout: None, stderr: None, process, kept: Mutex::new(None) }
    }

    /// Moves the pipes of `std`'s child to a new one.
    pub(crate) fn with_pipes_of(
        mut std: std::process::Child,
        process: Process,
    ) -> (Child, std::process::Child) {
        let child = Child {
            stdin: std.stdin.take(),
            stdout: std.stdout.take(),
            stderr: std.stderr.take(),
            ..Child::new(process)
        };
        (child, std)
    }

    /// Undoes [`with_pipes_of`](Child::with_pipes_of), and leaves the process to `std`'s child.
    pub(crate) fn return_pipes(self, mut std: std::process::Child) -> std::process::Child {
        std.stdin = self.stdin;
        std.stdout = self.stdout;
        std.stderr = self.stderr;
        drop(self.process.into_pidfd());
        std
    }

    /// Keeps an exit that was taken for this child.
    pub(crate) fn keep(&mut self, exit: Exit) {
        self.process.set_reaped();
        *lock(&self.kept) = Some(exit);
    }

    /// The pid; 0 if the process came as a [`Pidfd`] and had no number in this process's pid namespace, or
    /// was reaped already.
    pub fn id(&self) -> u32 {
        self.process.pid
    }

    /// The descriptor of the process.
    ///
    /// Signals may be sent through it; the exit should be taken through the `Child`, which keeps it.
    pub fn pidfd(&self) -> &Pidfd {
        self.process.pidfd()
    }

    /// Waits until the child has ended, and returns the same exit as often as it is called.
    ///
    /// Standard input stays open: a child that reads it to the end ends only after `child.stdin.take()`.
    ///
    /// # Errors
    /// - [`StatusUnknown`](crate::StatusUnknown): somebody else took the status, and the kernel kept none.
    /// - `EMFILE`: the pidfd was made `O_NONBLOCK`, and there is no descriptor left to block on it.
    pub fn wait(&self) -> io::Result<Exit> {
        loop {
            match self.try_wait()? {
                Some(exit) => return Ok(exit),
                None => self.pidfd().block()?,
            }
        }
    }

    /// Returns the exit if the child has ended. Never blocks.
    ///
    /// # Errors
    /// [`StatusUnknown`](crate::StatusUnknown): somebody else took the status, and the kernel kept none.
    pub fn try_wait(&self) -> io::Result<Option<Exit>> {
        let mut kept = lock(&self.kept);
        if kept.is_none() {
            if let Collected::Exit(exit) = collect(self.pidfd(), libc::WNOHANG)? {
                self.process.set_reaped();
                *kept = Some(exit);
            }
        }
        Ok(*kept)
    }

    /// Sends a signal. To a zombie it does nothing.
    ///
    /// # Errors
    /// As [`Pidfd::send_signal`]: `ESRCH` once the child was reaped.
    pub fn signal(&self, signal: i32) -> io::Result<()> {
        self.pidfd().send_signal(signal)
    }

    /// Sends `SIGKILL`; a child that has ended is no error, as in `std`.
    ///
    /// # Errors
    /// `EPERM`: the child changed its user.
    pub fn kill(&self) -> io::Result<()> {
        match self.pidfd().kill() {
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
            result => result,
        }
    }

    /// Whether dropping the `Child` kills it; false unless set.
    pub fn set_kill_on_drop(&mut self, kill: bool) {
        self.process.kill_on_drop = kill;
    }

    /// Whether a dropped child is reaped when it ends; true unless set.
    ///
    /// Otherwise it stays a zombie until this process ends, or until something else waits for it.
    pub fn set_reap_on_drop(&mut self, reap: bool) {
        self.process.reap_on_drop = reap;
    }
}

/// Adopts a child of `std`'s, with its pipes.
///
/// It must not have been waited for through `std`.
impl TryFrom<std::process::Child> for Child {
    type Error = AdoptError;

    /// # Errors
    /// `EMFILE`, `ENFILE`, `ENOMEM`, `ESRCH` (somebody else has reaped it), or
    /// [`Unsupported`](io::ErrorKind::Unsupported); the error gives the child back.
    fn try_from(child: std::process::Child) -> Result<Child, AdoptError> {
        match Process::of_child(&child) {
            Ok(process) => Ok(Child::with_pipes_of(child, process).0),
            Err(error) => Err(AdoptError { error, child }),
        }
    }
}

/// A child of `std`'s could not be adopted, and is given back.
#[derive(Debug)]
#[non_exhaustive]
pub struct AdoptError {
    /// Why not.
    pub error: io::Error,
    /// The child, untouched.
    pub child: std::process::Child,
}

impl fmt::Display for AdoptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot adopt child {}: {}", self.child.id(), self.error)
    }
}

impl Error for AdoptError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}

impl From<AdoptError> for io::Error {
    fn from(error: AdoptError) -> io::Error {
        io::Error::new(error.error.kind(), error)
    }
}
