mod end;
mod output;
mod pipe;
mod shared;

use std::convert::TryFrom;
use std::error::Error;
use std::fmt;
#[cfg(feature = "async-io")]
use std::future::Future;
use std::io;
use std::process::ExitStatus;
use std::sync::atomic::Ordering;
use std::sync::Arc;

use crate::exit::Exit;
use crate::pidfd::Pidfd;
use crate::process::Process;

pub(crate) use shared::Shared;

pub use end::Containment;
pub use output::Output;
pub use pipe::{ChildStderr, ChildStdin, ChildStdout};

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
    pub(crate) shared: Arc<Shared>,
}

impl Child {
    pub(crate) fn new(shared: Arc<Shared>) -> Child {
        Child { stdin: None, stdout: None, stderr: None, shared }
    }

    /// The pid; 0 if the process came as a [`Pidfd`] and had no number in this process's pid namespace, or was
    /// reaped already, or `/proc` cannot be read (before Linux 6.13).
    ///
    /// ```
    /// # use childset::{Command, Stdio};
    /// let child = Command::new("sh").args(["-c", "echo $$"]).stdout(Stdio::piped()).spawn()?;
    /// let id = child.id();
    /// assert_eq!(child.wait_with_output()?.stdout, format!("{id}\n").into_bytes());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn id(&self) -> u32 {
        self.shared.process().pid
    }

    /// The descriptor of the process.
    ///
    /// Signals may be sent through it; the exit should be taken through the `Child`, which keeps it.
    ///
    /// ```
    /// # use childset::{Command, State};
    /// let child = Command::new("sleep").arg("60").spawn()?;
    /// assert_eq!(child.pidfd().state()?, State::Running);
    /// child.pidfd().kill()?;
    /// child.wait()?;
    /// assert_eq!(child.pidfd().state()?, State::Reaped);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn pidfd(&self) -> &Pidfd {
        self.shared.pidfd()
    }

    /// Blocks until the child has ended, and returns the same exit as often as it is called.
    ///
    /// Standard input stays open: a child that reads it to the end ends only after `child.stdin.take()`.
    ///
    /// ```
    /// # use childset::{Command, Stdio};
    /// let mut child = Command::new("cat").stdin(Stdio::piped()).spawn()?;
    /// drop(child.stdin.take());
    /// assert!(child.wait()?.success());
    /// assert_eq!(child.wait()?, child.wait()?);
    /// # std::io::Result::Ok(())
    /// ```
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
    /// ```
    /// # use childset::Command;
    /// let child = Command::new("sleep").arg("60").spawn()?;
    /// assert_eq!(child.try_wait()?, None);
    /// child.kill()?;
    /// let exit = child.wait()?;
    /// assert_eq!(child.try_wait()?, Some(exit));
    /// assert_eq!(child.try_status()?, Some(exit.status()));
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// [`StatusUnknown`](crate::StatusUnknown): somebody else took the status, and the kernel kept none.
    pub fn try_wait(&self) -> io::Result<Option<Exit>> {
        self.shared.try_wait()
    }

    /// The exit status if the child has ended: [`try_wait`](Child::try_wait) without the resource use.
    ///
    /// # Errors
    /// As [`try_wait`](Child::try_wait).
    pub fn try_status(&self) -> io::Result<Option<ExitStatus>> {
        Ok(self.try_wait()?.map(|exit| exit.status()))
    }

    /// Awaits the end of the child, and returns the same exit as often as it is called.
    ///
    /// Standard input stays open: a child that reads it to the end ends only after `child.stdin.take()`. The
    /// future does not borrow the `Child`, which is dropped (as [`reap_dropped`](crate::reap_dropped) describes)
    /// only together with it.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// let child = childset::Command::new("sh").args(["-c", "exit 5"]).spawn()?;
    /// let exit = child.exit().await?;
    /// assert_eq!(exit.code(), Some(5));
    /// assert_eq!(child.exit().await?, exit);
    /// assert_eq!(child.status().await?, exit.status());
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// - [`StatusUnknown`](crate::StatusUnknown): somebody else took the status, and the kernel kept none.
    /// - The reactor cannot watch the child: `ENOMEM`, `ENOSPC`.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    #[cfg(feature = "async-io")]
    pub fn exit(&self) -> impl Future<Output = io::Result<Exit>> + Send + 'static {
        let shared = Arc::clone(&self.shared);
        async move { shared.exit().await }
    }

    /// Awaits the exit status: [`exit`](Child::exit) without the resource use.
    ///
    /// # Errors
    /// As [`exit`](Child::exit).
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    #[cfg(feature = "async-io")]
    pub fn status(&self) -> impl Future<Output = io::Result<ExitStatus>> + Send + 'static {
        let exit = self.exit();
        async move { Ok(exit.await?.status()) }
    }

    /// Sends a signal. To a zombie it does nothing.
    ///
    /// ```
    /// # use childset::Command;
    /// let child = Command::new("sleep").arg("60").spawn()?;
    /// child.signal(libc::SIGTERM)?;
    /// assert_eq!(child.wait()?.signal(), Some(libc::SIGTERM));
    /// assert_eq!(child.signal(libc::SIGTERM).unwrap_err().raw_os_error(), Some(libc::ESRCH));
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// As [`Pidfd::send_signal`]: `ESRCH` once the child was reaped.
    pub fn signal(&self, signal: i32) -> io::Result<()> {
        self.pidfd().send_signal(signal)
    }

    /// Sends `SIGKILL`; a child that has ended is no error, as in `std`.
    ///
    /// ```
    /// # use childset::Command;
    /// let child = Command::new("sleep").arg("60").spawn()?;
    /// child.kill()?;
    /// assert_eq!(child.wait()?.signal(), Some(libc::SIGKILL));
    /// child.kill()?;
    /// # std::io::Result::Ok(())
    /// ```
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
    ///
    /// ```
    /// # use childset::Command;
    /// let mut child = Command::new("sleep").arg("60").spawn()?;
    /// let pidfd = child.pidfd().try_clone()?;
    /// child.set_kill_on_drop(true);
    /// // The zombie is for us.
    /// child.set_reap_on_drop(false);
    /// drop(child);
    /// assert_eq!(pidfd.wait()?.signal(), Some(libc::SIGKILL));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn set_kill_on_drop(&mut self, kill: bool) {
        self.shared.process().kill_on_drop.store(kill, Ordering::Relaxed);
    }

    /// Whether a dropped child is reaped when it ends; true unless set.
    ///
    /// Otherwise it stays a zombie until this process ends, or until something else waits for it.
    pub fn set_reap_on_drop(&mut self, reap: bool) {
        self.shared.process().reap_on_drop.store(reap, Ordering::Relaxed);
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
    fn try_from(mut child: std::process::Child) -> Result<Child, AdoptError> {
        match Process::of_child(&child) {
            Ok(process) => Ok(Child {
                stdin: child.stdin.take().map(Into::into),
                stdout: child.stdout.take().map(Into::into),
                stderr: child.stderr.take().map(Into::into),
                ..Child::new(Arc::new(Shared::new(process, None)))
            }),
            Err(error) => Err(AdoptError { error, child }),
        }
    }
}

/// A child of `std`'s could not be adopted, and is given back.
///
/// ```
/// # use childset::Child;
/// # use rustix::process::{getrlimit, setrlimit, Resource, Rlimit};
/// # use std::process::{Command, Stdio};
/// let child = Command::new("cat").stdin(Stdio::piped()).spawn()?;
/// // No descriptor is left for a pidfd.
/// let limit = Rlimit { current: Some(0), ..getrlimit(Resource::Nofile) };
/// setrlimit(Resource::Nofile, limit)?;
///
/// let mut error = Child::try_from(child).unwrap_err();
/// assert_eq!(error.error.raw_os_error(), Some(libc::EMFILE));
/// assert!(error.child.wait()?.success());
/// # std::io::Result::Ok(())
/// ```
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
