//! Moving from async-process, from tokio's `process` and from std's: a guide, with nothing to call.
//!
//! It lists what a program has to change, and what it will see when it runs. Programs that must not be changed have
//! `compat/async-process` in the repository: a crate with async-process's interface to the letter. The names in
//! parentheses are the tests that show what stands before them; they are in `tests/moving.rs`.
//!
//! # Moving from async-process
//!
//! With `use childset as async_process`, many programs work unchanged. These do not compile:
//!
//! - those that call `driver()`: there is no thread that it could take over from.
//! - those that convert a [`std::process::Command`]. It does not give away its standard streams, its user, its closures nor
//!   whether its environment is cleared, so a conversion would lose them silently. Build the command here; or have `std`
//!   spawn it, and adopt the child with [`Child::try_from`](crate::Child#impl-TryFrom<Child>-for-Child).
//! - those that need a [`std::process::Stdio`] where [`into_stdio`](crate::ChildStdout::into_stdio) gives one of this crate
//!   ([`Stdio`](crate::Stdio)), or pass that to a command of `std`. The pipe itself converts into both.
//! - those that forbid warnings: `&self` is enough where `&mut self` was, so that a `mut` may be unused.
//!
//! ```compile_fail,E0425
//! childset::driver();
//! ```
//! ```compile_fail,E0308
//! childset::Command::from(std::process::Command::new("true"));
//! ```
//! ```compile_fail,E0308
//! # async fn f(mut child: childset::Child) -> std::io::Result<()> {
//! let stdio: std::process::Stdio = child.stdout.take().unwrap().into_stdio().await?;
//! # Ok(()) }
//! ```
//! ```
//! # async fn f(mut child: childset::Child) -> std::io::Result<()> {
//! let stdio: std::process::Stdio = child.stdout.take().unwrap().into();
//! # Ok(()) }
//! ```
//! ```compile_fail
//! #![deny(unused_mut)]
//! # fn main() -> std::io::Result<()> {
//! let mut child = childset::Command::new("true").spawn()?;
//! child.kill()
//! # }
//! ```
//!
//! These differences show when a program runs:
//!
//! - Descriptors above 2 are not inherited (`descriptors_are_not_inherited`): [`inherit_fds`](crate::Command::inherit_fds).
//! - [`Child::status`](crate::Child::status) leaves a piped standard input open. A child that reads it to its end waits until
//!   it is dropped (`waiting_leaves_standard_input_open`). [`Command::status`](crate::Command::status) closes it.
//! - [`Child::output`](crate::Child::output) does not wait for ever for a process that the child left behind with a pipe
//!   (`output_does_not_wait_for_ever`): [`set_drain_grace`](crate::Child::set_drain_grace).
//! - `raw_os_error()` is `None` for an error that says more (`errors_say_more`):
//!   [`SpawnError::raw_os_error`](crate::SpawnError::raw_os_error), or
//!   [`SpawnError::into_os_error`](crate::SpawnError::into_os_error). `kind()` is the same.
//! - The shell runs a script that does not name its interpreter (`the_shell_runs_scripts`):
//!   [`shell_fallback`](crate::Command::shell_fallback).
//! - A command with a [`std::process::Stdio`] can be spawned once (`stdio_of_std_serves_once`), and runs
//!   [on a copy](crate::Command#on-a-copy).
//! - A pipe is non-blocking from the first await on, and not from the start; the `OwnedFd` that it becomes is blocking
//!   (`pipes_block_until_they_are_awaited`).
//! - `close().await` closes a [`ChildStdin`](crate::ChildStdin) (`close_closes`).
//! - There is no thread `async-process` (`no_thread_of_its_own`). async-io's reactor reports exits, and reaps children that
//!   were dropped.
//! - Where SIGCHLD is ignored, or somebody else has reaped the child, its status can still be had on Linux 6.15 and later
//!   (`tests/sigchld_ignored.rs`, `tests/theft.rs`).
//!
//! # Moving from `tokio::process`
//!
//! The futures of this crate need no tokio runtime, and work in one. Exits are reported by async-io's reactor, which is one
//! thread more. The example `in_tokio` does without: it puts a [`ChildSet`](crate::ChildSet) into tokio's `AsyncFd`.
//!
//! | tokio | here |
//! |---|---|
//! | `child.wait().await` | [`child.status().await`](crate::Child::status), or [`exit()`](crate::Child::exit), which also gives the resource use |
//! | `child.wait_with_output().await` | [`child.output().await`](crate::Child::output) |
//! | `child.start_kill()` | [`child.kill()`](crate::Child::kill) |
//! | `child.kill().await` | `child.kill()`, then `child.exit().await` |
//! | `child.id()`, `None` after the exit was awaited | [`child.handle()`](crate::Child::handle), whose signals fail then; [`id`](crate::Child::id) stays (`the_id_stays`) |
//! | `child.stdout.take()`, with tokio's `AsyncRead` | the same with futures-lite's; or tokio's own pipe, as below |
//! | `uid`, `gid`, `arg0`, `pre_exec` | the same, with [`unix::CommandExt`](crate::unix::CommandExt) in scope |
//! | `Command::from(std)`, `as_std`, `into_std`, `spawn_with` | none: see above |
//! | `std::process::Stdio` | [`Stdio`](crate::Stdio) |
//!
//! What compiles and differs:
//!
//! - No runtime has to be there when a command is spawned or a child dropped (`no_runtime_is_needed`). A dropped child is
//!   reaped as soon as it ends.
//! - [`Child::exit`](crate::Child::exit) and [`Child::status`](crate::Child::status) leave a piped standard input open
//!   (`waiting_leaves_standard_input_open`).
//! - [`Command::status`](crate::Command::status) keeps piped output open until the end, unread: a child that writes more than
//!   fits waits for ever (`status_keeps_piped_output`). Tokio closes it, so that such a child gets `SIGPIPE`.
//! - [`Command::output`](crate::Command::output) pipes only the streams that are not set. Unless set, standard input is
//!   `/dev/null` and not inherited (`output_respects_what_is_set`).
//! - The list above holds, too: inherited descriptors, `output()`, `raw_os_error()`, the shell, [`std::process::Stdio`].
//!
//! The five programs of tokio's own documentation, ported. The first waits for a child. `wait` blocks here, so `status`:
//!
//! ```
//! use childset::Command;
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
//! # runtime.block_on(async {
//! let child = Command::new("echo").args(["hello", "world"]).spawn()?;
//! println!("it ended with {}", child.status().await?);
//! # std::io::Result::Ok(()) })?; std::io::Result::Ok(())
//! ```
//! ```compile_fail,E0277
//! # async fn f(child: childset::Child) -> std::io::Result<()> {
//! child.wait().await?;
//! # Ok(()) }
//! ```
//!
//! The second collects the output. Only the `use` changes:
//!
//! ```
//! use childset::Command;
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
//! # runtime.block_on(async {
//! let output = Command::new("echo").args(["hello", "world"]).output().await?;
//! assert!(output.status.success());
//! assert_eq!(output.stdout, b"hello world\n");
//! # std::io::Result::Ok(()) })?; std::io::Result::Ok(())
//! ```
//!
//! The third reads lines while a task waits for the child. The pipe becomes tokio's, so that its `BufReader` takes it.
//! (With futures-lite's `BufReader` and `AsyncBufReadExt`, it can stay as it is.)
//!
//! ```
//! use childset::{Command, Stdio};
//! use std::os::fd::OwnedFd;
//! use tokio::io::{AsyncBufReadExt, BufReader};
//! use tokio::net::unix::pipe::Receiver;
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
//! # runtime.block_on(async {
//! let mut command = Command::new("sh");
//! command.args(["-c", "echo one; echo two"]).stdout(Stdio::piped());
//! let mut child = command.spawn()?;
//! let stdout = OwnedFd::try_from(child.stdout.take().expect("it was piped"))?;
//! let mut lines = BufReader::new(Receiver::from_owned_fd(stdout)?).lines();
//! let waits = tokio::spawn(async move { child.status().await });
//! # let mut seen = Vec::new();
//! while let Some(line) = lines.next_line().await? {
//!     println!("{line}");
//! #   seen.push(line);
//! }
//! # assert_eq!(seen, ["one", "two"]);
//! assert!(waits.await??.success());
//! # std::io::Result::Ok(()) })?; std::io::Result::Ok(())
//! ```
//!
//! The fourth writes to `sort` and collects what that writes. Either the pipe becomes tokio's `Sender`, or all of it is
//! one call, [`output_with_input`](crate::Child::output_with_input), which writes and reads at once and cannot deadlock:
//!
//! ```
//! use childset::{Command, Stdio};
//! use std::os::fd::OwnedFd;
//! use tokio::io::AsyncWriteExt;
//! use tokio::net::unix::pipe::Sender;
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
//! # runtime.block_on(async {
//! let animals = "pig\nant\ncow\n";
//! let mut sort = Command::new("sort");
//! sort.stdin(Stdio::piped()).stdout(Stdio::piped());
//!
//! let mut child = sort.spawn()?;
//! let stdin = OwnedFd::try_from(child.stdin.take().expect("it was piped"))?;
//! let mut stdin = Sender::from_owned_fd(stdin)?;
//! stdin.write_all(animals.as_bytes()).await?;
//! drop(stdin);
//! assert_eq!(child.output().await?.stdout, b"ant\ncow\npig\n");
//!
//! let output = sort.spawn()?.output_with_input(animals).await?;
//! assert_eq!(output.stdout, b"ant\ncow\npig\n");
//! # std::io::Result::Ok(()) })?; std::io::Result::Ok(())
//! ```
//! ```compile_fail,E0277
//! # async fn f(child: childset::Child) -> std::io::Result<()> {
//! // This one blocks.
//! child.wait_with_output().await?;
//! # Ok(()) }
//! ```
//!
//! The fifth is a pipeline. A pipe is a [`Stdio`](crate::Stdio) without a conversion that can fail:
//!
//! ```
//! use childset::{Command, Stdio};
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
//! # runtime.block_on(async {
//! let mut echo = Command::new("echo").arg("hello").stdout(Stdio::piped()).spawn()?;
//! let pipe = echo.stdout.take().expect("it was piped");
//! let tr = Command::new("tr").args(["a-z", "A-Z"]).stdin(pipe).stdout(Stdio::piped()).spawn()?;
//! let (echo, tr) = futures_lite::future::try_zip(echo.status(), tr.output()).await?;
//! assert!(echo.success());
//! assert_eq!(tr.stdout, b"HELLO\n");
//! # std::io::Result::Ok(()) })?; std::io::Result::Ok(())
//! ```
//!
//! # Moving from `std`
//!
//! | `std` | here |
//! |---|---|
//! | `command.status()` | [`command.wait()`](crate::Command::wait): it gives an [`Exit`](crate::Exit), the status with the resource use |
//! | `command.output()` | [`command.wait_with_output()`](crate::Command::wait_with_output) |
//! | `child.stdin`, with `Write`; `stdout` and `stderr`, with `Read` | [`pipe.blocking()`](crate::Blocking); or `std`'s type by `into()` |
//! | `std::os::unix::process::CommandExt` | [`unix::CommandExt`](crate::unix::CommandExt) for `uid`, `gid`, `arg0`, `exec`, `pre_exec`; `Command` has the rest |
//! | `status.signal()`, a number | [`exit.signal()`](crate::Exit::signal), a [`Signal`](crate::Signal) |
//! | a function that takes an `ExitStatus` or an `Output` | [`exit.status()`](crate::Exit::status); `Output` is the same type |
//! | `Stdio` | [`Stdio`](crate::Stdio); that of `std` converts |
//!
//! ```
//! use childset::{Command, Stdio};
//! use std::io::Write;
//!
//! assert!(Command::new("true").wait()?.success());
//! assert_eq!(Command::new("echo").wait_with_output()?.stdout, b"\n");
//!
//! let mut cat = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
//! cat.stdin.take().expect("it was piped").blocking().write_all(b"hello")?;
//! assert_eq!(cat.wait_with_output()?.stdout, b"hello");
//! # std::io::Result::Ok(())
//! ```
//! ```compile_fail,E0277
//! # fn main() -> std::io::Result<()> {
//! // This one awaits.
//! childset::Command::new("true").status()?;
//! # Ok(()) }
//! ```
//! ```compile_fail,E0599
//! # fn f(mut child: childset::Child) -> std::io::Result<()> {
//! use std::io::Write;
//! child.stdin.take().unwrap().write_all(b"hello")
//! # }
//! ```
//! ```compile_fail,E0599
//! use std::os::unix::process::CommandExt;
//! // Of this crate's trait.
//! childset::Command::new("true").arg0("name");
//! ```
//!
//! What compiles and differs:
//!
//! - [`Child::wait`](crate::Child::wait) leaves a piped standard input open (`waiting_leaves_standard_input_open`).
//! - `wait_with_output` does not wait for ever for a process that the child left behind with a pipe
//!   (`output_does_not_wait_for_ever`).
//! - A dropped child leaves no zombie (`tests/dropped.rs`).
//! - Descriptors above 2 are not inherited (`descriptors_are_not_inherited`).
//! - `raw_os_error()` is `None` for an error that says more (`errors_say_more`).
//! - The shell runs a script that does not name its interpreter (`the_shell_runs_scripts`). With `std` that depends on how it
//!   spawns.
