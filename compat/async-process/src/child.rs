use std::fmt;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::process::{ExitStatus, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Waker};

use futures_lite::{future, AsyncRead, AsyncReadExt};

use crate::{ChildStderr, ChildStdin, ChildStdout};

/// A child process. Dropping it leaves it running, unless [`kill_on_drop`](crate::Command::kill_on_drop) was set.
///
/// ```
/// # use async_process::Command;
/// # futures_lite::future::block_on(async {
/// let mut child = Command::new("sh").args(["-c", "exit 3"]).spawn()?;
/// assert_eq!(child.status().await?.code(), Some(3));
/// assert_eq!(child.try_status()?.unwrap().code(), Some(3));
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
pub struct Child {
    /// The writing end of the pipe to the child's standard input, if there is one.
    pub stdin: Option<ChildStdin>,
    /// The reading end of the pipe from the child's standard output, if there is one.
    pub stdout: Option<ChildStdout>,
    /// The reading end of the pipe from the child's standard error, if there is one.
    pub stderr: Option<ChildStderr>,
    inner: Attended,
}

/// childset leaves the reaping of dropped children to async-io's reactor once it has used that. This sees to it that it has.
struct Attended {
    child: childset::Child,
    /// Whether it is reaped when it was dropped.
    reaps: bool,
}

impl Drop for Attended {
    fn drop(&mut self) {
        static RUNS: AtomicBool = AtomicBool::new(false);
        if self.reaps && !RUNS.load(Ordering::Relaxed) {
            // While it runs, the reactor is asked to wait for it.
            let mut context = Context::from_waker(Waker::noop());
            let is_waited_for = pin!(self.child.exit()).poll(&mut context).is_pending();
            RUNS.store(is_waited_for, Ordering::Relaxed);
        }
    }
}

impl Child {
    pub(crate) fn new(mut child: childset::Child, reaps: bool) -> io::Result<Child> {
        Ok(Child {
            stdin: child.stdin.take().map(ChildStdin::new).transpose()?,
            stdout: child.stdout.take().map(ChildStdout::new).transpose()?,
            stderr: child.stderr.take().map(ChildStderr::new).transpose()?,
            inner: Attended { child, reaps },
        })
    }

    /// The pid.
    pub fn id(&self) -> u32 {
        self.inner.child.id()
    }

    /// Kills the child. Of one that has ended, nothing is left to kill, and that is no error.
    ///
    /// ```
    /// # use async_process::Command;
    /// use std::os::unix::process::ExitStatusExt;
    ///
    /// # futures_lite::future::block_on(async {
    /// let mut child = Command::new("sleep").arg("60").spawn()?;
    /// child.kill()?;
    /// assert_eq!(child.status().await?.signal(), Some(9));
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn kill(&mut self) -> io::Result<()> {
        self.inner.child.kill()
    }

    /// The exit status, or `None` if the child has not ended. It leaves standard input open.
    pub fn try_status(&mut self) -> io::Result<Option<ExitStatus>> {
        self.inner.child.try_status()
    }

    /// Closes standard input at once, and waits for the end of the child.
    ///
    /// ```
    /// # use async_process::{Command, Stdio};
    /// # futures_lite::future::block_on(async {
    /// let mut cat = Command::new("cat").stdin(Stdio::piped()).spawn()?;
    /// assert!(cat.status().await?.success());
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn status(&mut self) -> impl Future<Output = io::Result<ExitStatus>> {
        self.stdin = None;
        self.inner.child.status()
    }

    /// Closes standard input at once, reads what the child writes until nobody can write any more, and waits for its
    /// end.
    ///
    /// ```
    /// # use async_process::{Command, Stdio};
    /// # futures_lite::future::block_on(async {
    /// let child = Command::new("sh").args(["-c", "echo 1; echo 2 >&2"]).stdout(Stdio::piped()).spawn()?;
    /// assert_eq!(child.output().await?.stdout, b"1\n");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn output(mut self) -> impl Future<Output = io::Result<Output>> {
        let status = self.status();
        let (stdout, stderr) = (read_all(self.stdout.take()), read_all(self.stderr.take()));
        async move {
            let (stdout, stderr) = future::try_zip(stdout, stderr).await?;
            Ok(Output { status: status.await?, stdout, stderr })
        }
    }
}

async fn read_all(pipe: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        pipe.read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

/// With its pipes.
impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child")
            .field("stdin", &self.stdin)
            .field("stdout", &self.stdout)
            .field("stderr", &self.stderr)
            .finish()
    }
}
