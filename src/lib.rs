//! Process exits as a stream, for smol, async-std and any event loop on Linux.
//!
#![cfg_attr(all(feature = "async-io", feature = "command"), doc = "```")]
#![cfg_attr(not(all(feature = "async-io", feature = "command")), doc = "```ignore")]
//! use childset::{ChildSet, Command};
//!
//! # futures_lite::future::block_on(async {
//! let set = ChildSet::new()?;
//! for line in ["sleep 0.1", "true", "exit 7", "kill -9 $$"] {
//!     set.spawn(Command::new("sh").args(["-c", line]), line)?;
//! }
//! while let Some(exited) = set.next().await {
//!     let exited = exited?;
//!     println!("{}: {}", exited.tag, exited.exit?.status());
//! }
//! # std::io::Result::Ok(()) }).unwrap();
//! ```
//!
//! A [`ChildSet`] holds any number of children. When a child ends, it comes out once, with its tag, its exit status and its
//! resource use. The crate is built on pidfds: descriptors of processes. It needs no SIGCHLD handler and no reaper thread,
//! and it leaves no zombie.
//!
//! Pages to start with: [`cookbook`] has programs to copy, [`embedding`] is about event loops, and [`porting`] is for programs
//! that wait in other ways today.
//!
//! # Which part for what
//!
//! | you have | use |
//! |---|---|
//! | [smol, async-std, async-io](async_io) | [`ChildSet`] as a [`Stream`](ChildSet#impl-Stream-for-ChildSet<T>), or [`ChildSet::next`] |
//! | [a thread that may block](std::thread) | [`ChildSet::wait`], [`ChildSet::wait_exits`] |
//! | [a loop of your own](embedding), or GTK's, Qt's, calloop's, tokio's | [the set's descriptor](ChildSet#impl-AsFd-for-ChildSet<T>), and [`ChildSet::try_wait`] |
//! | [one process, of anybody's](Pidfd) | [`Pidfd`]; `Async<Pidfd>` with [`AsyncPidfdExt`] |
//! | [a process that you will look for later](Identity) | [`Pidfd::identity`], [`Identity::open`] |
//! | [a client on a Unix socket](Pidfd::from_peer) | [`Pidfd::from_peer`], [`Pidfd::recv`] |
//! | [a container](Namespace) | [`Pidfd::namespace`], [`Command::join_namespaces_of`] |
//! | [a program that uses async-process, tokio or `std`](moving) | the guide [`moving`] |
//! | [a program to run](Command) | [`Command`], [`ChildSet::spawn`]; [`Prepared`] if it is run again and again |
//! | [a program that starts others](Unit) | [`Command::unit`], and all that ends a child |
//! | [its lines as they come](Events) | [`Child::events`]; all at the end: [`Child::capture`] |
//! | [the lines of many](SetEvents) | [`ChildSet::events`] |
//! | [a terminal for it](Pty) | [`Pty`], [`Command::controlling_terminal`], [`Command::foreground`] |
//! | [no time to wait for its start](Command::launch) | [`Command::launch`], [`ChildSet::launch`] |
//! | [a child of `std`](std::process::Child) | [`ChildSet::insert`], or [`Child::try_from`](Child#impl-TryFrom<Child>-for-Child) |
//!
//! # One word for one thing
//!
//! | | never blocks | blocks | awaits |
//! |---|---|---|---|
//! | [`Pidfd`] | [`try_wait`](Pidfd::try_wait) | [`wait`](Pidfd::wait) | [`exit()`](AsyncPidfdExt::exit), [`exited()`](AsyncPidfdExt::exited), [`reaped()`](AsyncPidfdExt::reaped) of `Async<Pidfd>` |
//! | [`Child`] | [`try_wait`](Child::try_wait), [`try_status`](Child::try_status) | [`wait`](Child::wait), [`wait_timeout`](Child::wait_timeout) | [`exit`](Child::exit), [`status`](Child::status) |
//! | [`ChildSet`] | [`try_wait`](ChildSet::try_wait) | [`wait`](ChildSet::wait), [`wait_exits`](ChildSet::wait_exits) | [`next`](ChildSet::next), [`exits`](ChildSet::exits), `Stream` |
//! | [`Command`] | | [`wait`](Command::wait), [`wait_with_output`](Command::wait_with_output) | [`status`](Command::status), [`output`](Command::output) |
//! | [`SetEvents`] | [`try_wait`](SetEvents::try_wait) | [`wait`](SetEvents::wait) | [`next`](SetEvents::next), `Stream` |
//! | [`Shutdown`] | [`try_wait`](Shutdown::try_wait) | [`wait`](Shutdown::wait) | [`next`](Shutdown::next), `Stream` |
//!
//! # Statuses
//!
//! One `waitid` call takes status and resource use: an [`Exit`]. Other code in the process may call `wait(-1)` or ignore
//! SIGCHLD, and so take the status first. From Linux 6.15 on, the pidfd still has it then. On an older kernel the error is
//! a [`StatusUnknown`]. The child comes out of its set in either case.
//!
//! # Spawning
//!
//! [`Command`] makes a process and its pidfd in one step. The cost grows neither with the parent's memory nor with the number
//! of children. It has the names and defaults of `async_process::Command`.
//!
//! [`spawn`](Command::spawn) waits until the program runs, and returns the error if it does not.
//! [`launch`](Command::launch) does not wait. If the program cannot be run, the error comes in the place of the exit.
//!
//! # What a child costs
//!
//! Nearly all of it is the kernel's part; the README has figures, those of other crates, and the command that measures them.
//!
//! # Words
//!
//! | word | here it means |
//! |---|---|
//! | to take an exit | to get status and resource use out of the kernel, once. The child is reaped by that: it is no zombie any more. |
//! | outstanding | spawned, and its exit was not taken. A child may be outstanding and have ended. |
//! | held back | a zombie that a tracer (strace, gdb) has not let go yet. Its exit cannot be taken until then. |
//! | grace | how long something may take before force is used: after `SIGTERM`, or until the output ends. |
//! | level | a loop that reports a descriptor as long as it is readable. |
//! | edge | a loop that reports a descriptor once when it becomes readable. It is read until nothing is left. |
//!
//! # Crate features
//!
//! The first two are on by default. The crate also works without them.
//!
//! - `async-io`: awaiting. Adds `next()`, the `Stream` of [`ChildSet`] and `AsyncPidfdExt`, and three dependencies.
//! - `command`: spawning. Adds [`Command`], [`Prepared`] and [`ChildSet::spawn`], with the system calls, the assembler and
//!   the code that runs between `fork` and `execve`. Without it, children are made by `std::process::Command`. Adopted
//!   children, processes of others and signals work as before.
//! - `serde`: [`Identity`] in files of all kinds, as a string. Off by default.
//!
//! # Versions
//!
//! The crate follows semantic versioning. Before 1.0, what breaks a program raises the second number. No type of libc or
//! rustix is in the interface, so that their versions may change at any time. Texts of errors and of `Debug` may change, too.
//!
//! It builds with Rust 1.85, the version in Debian stable. Only a release that raises the second number needs a newer one,
//! and never one that is newer than Debian stable's.
//!
//! # Other systems
//!
//! Only Linux has what the crate is made of, and elsewhere it does not compile. macOS has kqueue, which reports exits, but a
//! process has no descriptor there. A program for several systems can use the crate on Linux, and poll on the others. The
//! example `elsewhere` has a file to copy for that, of about fifty lines, with the names of [`ChildSet`] over
//! [`std::process::Child`]. It polls, and it has no descriptor, no stream and no units.
//!
//! # Threads
//!
//! The crate starts none. Awaiting anything uses async-io's reactor, which has one thread. Programs that only block or
//! poll have none, and neither have those that build without the feature `async-io`.
//!
//! All threads that use the crate must have one descriptor table in common, as `std` assumes, too. Descriptors of children
//! that were launched or dropped are closed later, in whichever thread calls next. So keep the crate out of a thread that
//! has called `unshare(CLONE_FILES)`, or use it in that thread alone.
//!
//! # Dropping
//!
//! Dropping a [`Child`] or a [`ChildSet`] never blocks and leaves no zombie: see [`reap_dropped`].
//!
//! # Forking
//!
//! A plain `fork()` copies this process with all its objects. Their children stay the children of the process that made
//! them. In the copy:
//!
//! - A [`Child`], a [`ChildHandle`] or a [`ChildSet`] that was made before the fork does nothing: it is inert. Dropping it
//!   closes descriptors, and neither kills nor reaps. Its calls fail with [`Forked::Object`], or return `None` if they return
//!   an `Option`. The other process notices nothing. Two things are still shared, as after any fork: the pipes,
//!   and the descriptors that [`Child::pidfd`] and `AsFd` lend.
//! - What is made after the fork works, whatever locks other threads held at that moment.
//! - Awaiting works if the other process had not awaited anything yet. Otherwise it fails with [`Forked::Reactor`], because
//!   async-io's reactor has its thread in the other process and cannot be started again. Fork before the first await, or
//!   block. If the other process used async-io without this crate, the first await of the copy takes up to a second to find
//!   that out.
//!
//! A [`Pidfd`] is a descriptor, and works in both processes. Only the parent of a child gets its exit.
//!
//! # Kernels
//!
//! Linux 5.10 and later. Features that need a newer kernel say so. On an older one they fail with
//! [`Unsupported`](std::io::ErrorKind::Unsupported), or work as the last column says.
//!
//! | Linux | what it adds here | before |
//! |---|---|---|
//! | 5.10 | everything but what follows | |
//! | 5.15 | `Pidfd::release_memory` | `Unsupported` |
//! | 6.5 | `Pidfd::from_peer`, `Pidfd::recv`: who is at the other end of a Unix socket | `Unsupported` |
//! | 6.9 | signals to a process group by pidfd | `Unsupported`; a `Child` signals by number until it is reaped |
//! | 6.9 | `reaped()` without looking now and then | looks, every second in the end |
//! | 6.9 | `Pidfd::open_thread` | `Unsupported` |
//! | 6.9 | `Pidfd::id`, and exact identities | `Unsupported`; an `Identity` goes by the time of the start |
//! | 6.11 | `Pidfd::namespace` | `Unsupported` |
//! | 6.13 | `Pidfd::info`, and `Pidfd::pid` without `/proc` | `Unsupported`; `pid` reads `/proc` |
//! | 6.15 | the status of a process that somebody else reaped, or that is not our child | `StatusUnknown` |
//! | 7.1 | `autoreap`: the kernel reaps | reaped like any dropped child |
//! | 7.1 | `kill_with_parent` by the pidfd | by `PR_SET_PDEATHSIG`: at the end of the spawning thread |

#![cfg_attr(docsrs, feature(doc_cfg))]
// The examples make their children with `Command`, and the docs link to it: without it there is neither to check.
#![cfg(not(all(doctest, not(feature = "command"))))]
#![cfg_attr(not(all(feature = "command", feature = "async-io")), allow(rustdoc::broken_intra_doc_links))]

#[cfg(not(target_os = "linux"))]
compile_error!("childset is built on pidfds, which only Linux has");

// In the order of the layers: none imports from one below it here (tests/layers.rs).
mod sync;
mod sys;

mod pidfd;

mod watch;

#[cfg(feature = "async-io")]
mod async_pidfd;

mod child;

#[cfg(feature = "command")]
mod command;

mod set;

pub mod cookbook;
pub mod embedding;
#[cfg(all(feature = "async-io", feature = "command"))]
pub mod moving;
pub mod porting;

#[cfg(feature = "async-io")]
pub use async_pidfd::AsyncPidfdExt;
pub use child::{
    AdoptError, Blocking, Capture, Captured, Child, ChildHandle, ChildStderr, ChildStdin, ChildStdout,
    Containment, Event, Events, Limit, Unit,
};
#[cfg(feature = "command")]
pub use child::{Stdio, TreeUsage};
#[cfg(feature = "command")]
pub use command::{unix, Command, Prepared, Pty, Resource, Spawn, SpawnError};
pub use pidfd::{
    CoreDump, Exit, Forked, Gone, Identity, Info, Namespace, Pidfd, Signal, State, StateChange,
    StatusUnknown, Usage,
};
pub use set::{ChildSet, Exited, InsertError, IntoChild, Key, SetEvent, SetEvents, Shutdown, WaitExits};
#[cfg(feature = "async-io")]
pub use set::{Exits, IntoExits, Next};
pub use std::process::{ExitStatus, Output};
pub use watch::dropped::reap_dropped;

/// The README's example runs as a doctest.
#[cfg(all(doctest, feature = "async-io", feature = "command"))]
#[doc = include_str!("../README.md")]
struct Readme;
