//! Process exits as a stream, for smol, async-std and any event loop on Linux.
//!
//! A [`ChildSet`] holds any number of children, and each comes out once, with its tag, its exit status and its
//! resource use, when it ends. It is built on pidfds: no SIGCHLD handler, no reaper thread, no lost status and
//! no zombie.
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
//! | [a program to run](Command) | [`Command`], [`ChildSet::spawn`]; [`Prepared`] if it is run again and again |
//! | [a program that starts others](Unit) | [`Command::unit`], and all that ends a child |
//! | [its lines as they come](Events) | [`Child::events`]; all at the end: [`Child::capture`] |
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
//! | [`Shutdown`] | [`try_wait`](Shutdown::try_wait) | [`wait`](Shutdown::wait) | [`next`](Shutdown::next), `Stream` |
//!
//! # Statuses
//!
//! One `waitid` call takes status and resource use: an [`Exit`]. It works while others in the process call
//! `wait(-1)` or ignore SIGCHLD: from Linux 6.15 on the kernel still tells the status then, through the pidfd.
//! Where it does not, the error is a [`StatusUnknown`], and the child comes out of its set all the same.
//!
//! # Spawning
//!
//! [`Command`] makes a process and its pidfd in one step, at a cost that grows neither with the parent's memory nor
//! with the children outstanding. It has the names and defaults of `async_process::Command`.
//!
//! [`spawn`](Command::spawn) waits until the program runs, and returns the error if it does not.
//! [`launch`](Command::launch) waits for nobody: a program that cannot be run is an error of the child's end.
//!
//! # What a child costs
//!
//! Nearly all of it is the kernel's part. Of 43 µs of the parent's CPU time for a static child that ends at once (Linux
//! 6.18, 16 in flight, a [`Prepared`] command), `clone3` takes 31.6, adding to epoll 2.8, fetching its event 0.3,
//! `waitid` 4.0, deleting from epoll 1.6, and `close` 2.5. The crate itself adds some 2,700 instructions. The
//! child's own `execve` and end take 100 µs of its CPU time. The README has the figures of other crates beside these,
//! and the command that measures them.
//!
//! # Crate features
//!
//! The first two are on by default. The crate also works without them.
//!
//! - `async-io`: awaiting. Adds `next()`, the `Stream` of [`ChildSet`] and `AsyncPidfdExt`, and three dependencies.
//! - `command`: spawning. Adds [`Command`], [`Prepared`] and [`ChildSet::spawn`], with the `clone3`, the assembler and
//!   the code that runs between `fork` and `execve`. Without it the children are made by `std::process::Command`;
//!   adopted children, processes of others and signals work as before.
//! - `serde`: [`Identity`] in files of all kinds, as a string. Off by default.
//!
//! # Threads
//!
//! The crate starts none. Awaiting anything uses async-io's reactor, which has one thread; programs that only
//! block or poll, or that build without the feature `async-io`, have none.
//!
//! # Dropping
//!
//! Dropping a [`Child`] or a [`ChildSet`] never blocks and leaves no zombie: see [`reap_dropped`].
//!
//! # Forking
//!
//! A plain `fork()` copies this process with all its objects. Their children stay the children of the process that made
//! them. So in the copy
//!
//! - a [`Child`], a [`ChildHandle`] or a [`ChildSet`] that was made before the fork is inert. Dropping it closes
//!   descriptors, and neither kills nor reaps. Its calls fail with [`Forked::Object`], or give `None` where they return
//!   an `Option`. The other process notices nothing. Two things are still shared, as after any fork: the pipes,
//!   and the descriptors that [`Child::pidfd`] and `AsFd` lend.
//! - what is made after the fork works, whatever locks other threads held at that moment.
//! - awaiting works if the other process had not awaited anything yet. Else it fails with [`Forked::Reactor`]:
//!   async-io's reactor has its thread in the other process, and cannot be started once more. Fork before the first
//!   await, or block. If the other process used async-io without this crate, the first await of the copy takes up to a
//!   second to find that out.
//!
//! A [`Pidfd`] is a descriptor, and works in both. An exit goes to the parent of the child alone.
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
pub mod porting;

#[cfg(feature = "async-io")]
pub use async_pidfd::AsyncPidfdExt;
pub use child::{
    AdoptError, Capture, Captured, Child, ChildHandle, ChildStderr, ChildStdin, ChildStdout, Containment,
    Event, Events, Limit, Unit,
};
#[cfg(feature = "command")]
pub use child::{Stdio, TreeUsage};
#[cfg(feature = "command")]
pub use command::{unix, Command, Prepared, Pty, Resource, Spawn, SpawnError};
pub use pidfd::{
    CoreDump, Exit, Forked, Gone, Identity, Info, Namespace, Pidfd, Signal, State, StateChange,
    StatusUnknown, Usage,
};
pub use set::{ChildSet, Exited, InsertError, IntoChild, Key, Shutdown, WaitExits};
#[cfg(feature = "async-io")]
pub use set::{Exits, IntoExits, Next};
pub use std::process::{ExitStatus, Output};
pub use watch::dropped::reap_dropped;

/// The README's example runs as a doctest.
#[cfg(all(doctest, feature = "async-io", feature = "command"))]
#[doc = include_str!("../README.md")]
struct Readme;
