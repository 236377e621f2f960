//! The interface of [async-process 2.5], over [childset]: `[patch.crates-io]` puts it in the place of that crate, in
//! programs that nobody has to change. The README has the three lines, and what a program gains.
//!
//! ```
//! use async_process::{Command, Stdio};
//! use futures_lite::{io::BufReader, AsyncBufReadExt, StreamExt};
//!
//! # futures_lite::future::block_on(async {
//! let out = Command::new("echo").arg("hello").output().await?;
//! assert_eq!(out.stdout, b"hello\n");
//!
//! let mut child = Command::new("sh").args(["-c", "echo one; echo two"]).stdout(Stdio::piped()).spawn()?;
//! let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
//! while let Some(line) = lines.next().await {
//!     println!("{}", line?);
//! }
//! assert!(child.status().await?.success());
//! # std::io::Result::Ok(()) }).unwrap();
//! ```
//!
//! # How a command is spawned
//!
//! - Commands that set none of the three standard streams are spawned by childset. `output()` sets those itself, so that
//!   most calls of it are of this kind.
//! - `std` spawns the others, and childset adopts the child: those with a [`Stdio`], which is opaque, those made from a
//!   [`std::process::Command`], and those that change user or group.
//!
//! Both give the child the same: descriptors without the close-on-exec flag, an empty signal mask, `SIGPIPE` at its
//! default; and the errors of `std`.
//!
//! [async-process 2.5]: https://docs.rs/async-process/2.5
//! [childset]: https://docs.rs/childset

mod child;
mod command;
mod pipe;
pub mod unix;

use std::convert::Infallible;
use std::future::{pending, Future};

#[doc(no_inline)]
pub use std::process::{ExitStatus, Output, Stdio};

pub use child::Child;
pub use command::Command;
pub use pipe::{ChildStderr, ChildStdin, ChildStdout};

/// Never ends, and has nothing to do.
///
/// In async-process it takes over the work of a thread. Here there is no such thread: async-io's reactor reports the
/// end of each child to the task that waits for it, and reaps those that were dropped.
///
/// ```
/// # use futures_lite::{future, FutureExt};
/// let output = async { async_process::Command::new("true").output().await };
/// let driven = async { match async_process::driver().await {} };
/// assert!(future::block_on(output.or(driven))?.status.success());
/// # std::io::Result::Ok(())
/// ```
pub fn driver() -> impl Future<Output = Infallible> + Send + 'static {
    pending()
}
