//! A child: its pidfd, its pipes, waiting for it, ending it, collecting what it writes.

// The first one has the methods that its page begins with.
mod wait;

mod adopt;
mod blocking;
mod capture;
mod drain;
mod events;
mod flags;
mod handle;
mod keeper;
mod output;
mod pipe;
#[cfg(feature = "async-io")]
mod pipe_awaited;
mod process;
mod pump;
mod shared;
#[cfg(feature = "command")]
mod stdio;
mod stop;
#[cfg(feature = "command")]
mod tree_usage;
mod unit;

use std::fmt;

pub(crate) use drain::{Drain, Room};
pub(crate) use events::LONGEST;
pub(crate) use flags::Flag;
pub(crate) use keeper::Keeper;
pub(crate) use pipe::Pipe;
pub(crate) use process::Process;
pub(crate) use shared::Shared;
#[cfg(feature = "command")]
pub(crate) use stdio::Kind;

pub use adopt::AdoptError;
pub use blocking::Blocking;
pub use capture::{Capture, Captured, Limit};
pub use events::{Event, Events};
pub use handle::ChildHandle;
pub use pipe::{ChildStderr, ChildStdin, ChildStdout};
#[cfg(feature = "command")]
pub use stdio::Stdio;
#[cfg(feature = "command")]
pub use tree_usage::TreeUsage;
pub use unit::{Containment, Unit};
pub(crate) use unit::{Looks, KILL, TERMINATE};

/// A child process: its pidfd, its pipes, and its exit after that was taken.
///
/// Unlike a [`std::process::Child`], it waits through `&self`, and never closes a pipe unasked. It keeps the whole
/// [`Exit`](crate::Exit), so that every wait gives the same answer. After it was dropped, the process leaves no zombie:
/// it is reaped when it ends, as [`reap_dropped`](crate::reap_dropped) describes.
///
/// In a copy of this process, made by `fork()`, it is inert: see [Forking](crate#forking).
///
/// `Child::try_from` adopts a [`std::process::Child`]:
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
/// child.stdout.unwrap().blocking().read_to_string(&mut text)?;
/// assert_eq!(text, "hello\n");
/// # std::io::Result::Ok(())
/// ```
pub struct Child {
    /// Dropped first: a child that is killed when it is dropped sees no end of its input before.
    pub(crate) shared: Keeper,
    /// The writing end of the pipe to the child's standard input, if there is one.
    pub stdin: Option<ChildStdin>,
    /// The reading end of the pipe from the child's standard output, if there is one.
    pub stdout: Option<ChildStdout>,
    /// The reading end of the pipe from the child's standard error, if there is one.
    pub stderr: Option<ChildStderr>,
}

impl Child {
    pub(crate) fn new(shared: Keeper) -> Child {
        Child { stdin: None, stdout: None, stderr: None, shared }
    }
}

impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child")
            .field("pid", &self.pid())
            .field("exit", &self.shared.known_exit())
            .field("stdin", &self.stdin)
            .field("stdout", &self.stdout)
            .field("stderr", &self.stderr)
            .finish()
    }
}
