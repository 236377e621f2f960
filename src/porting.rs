//! How to move a program to this crate: three shapes of waiting, before and after. Nothing here can be called.
//!
//! Programs for async-process need little of this: [`Command`](crate::Command) has its names, and says
//! [where it differs](crate::moving). Where a child is made may stay as it is, too: a set takes a
//! [`std::process::Child`].
//!
//! # A loop that polls
//!
//! Before: the program looks at each child every so often. An exit is seen late, and each look costs one system call for
//! each child.
//!
//! ```
//! use std::{process::Command, thread, time::Duration};
//!
//! let mut jobs = Vec::new();
//! for script in ["exit 1", "exit 2"] {
//!     jobs.push((script, Command::new("sh").args(["-c", script]).spawn()?));
//! }
//! while !jobs.is_empty() {
//!     let mut running = Vec::new();
//!     for (script, mut child) in jobs {
//!         match child.try_wait()? {
//!             Some(status) => println!("{script}: {status}"),
//!             None => running.push((script, child)),
//!         }
//!     }
//!     jobs = running;
//!     thread::sleep(Duration::from_millis(300));
//! }
//! # std::io::Result::Ok(())
//! ```
//!
//! After: the program sleeps until a child ends.
//!
//! ```
//! use std::process::Command;
//!
//! use childset::ChildSet;
//!
//! let jobs = ChildSet::new()?;
//! for script in ["exit 1", "exit 2"] {
//!     jobs.insert(Command::new("sh").args(["-c", script]).spawn()?, script)?;
//! }
//! while let Some(exited) = jobs.wait(None)? {
//!     println!("{}: {}", exited.tag, exited.exit?.status());
//! }
//! # std::io::Result::Ok(())
//! ```
//!
//! If the loop has other work, give [`wait`](crate::ChildSet::wait) a timeout, or put the set into the loop:
//! [`embedding`](crate::embedding). In a trial port of pueue, which looked every 300 ms, 20 jobs one after another with a
//! callback took 7.7 s before and 0.8 s after.
//!
//! # A SIGCHLD handler, and `wait(-1)`
//!
//! Before: a handler writes to a pipe, the loop reads it, and reaps whatever has ended. One signal may stand for many exits,
//! so it goes on until nothing is left. It takes the status of every child of the process, also of those that a library
//! waits for.
//!
//! ```
//! use std::io::Read;
//! use std::os::unix::net::UnixStream;
//! use std::process::Command;
//!
//! use rustix::io::Errno;
//! use rustix::process::{wait, Pid, WaitOptions};
//!
//! let (mut wakes, handler) = UnixStream::pair()?;
//! signal_hook::low_level::pipe::register(signal_hook::consts::SIGCHLD, handler)?;
//! let child = Command::new("sh").args(["-c", "exit 3"]).spawn()?;
//! let mut jobs = vec![(Pid::from_child(&child), "a job")];
//! while !jobs.is_empty() {
//!     // The loop reports the pipe.
//!     wakes.read(&mut [0; 64])?;
//!     loop {
//!         match wait(WaitOptions::NOHANG) {
//!             Ok(Some((pid, status))) => {
//!                 // It may be a library's child.
//!                 let Some(at) = jobs.iter().position(|job| job.0 == pid) else { continue };
//!                 println!("{}: {:?}", jobs.remove(at).1, status.exit_status());
//!             }
//!             Ok(None) | Err(Errno::CHILD) => break,
//!             Err(error) => return Err(error.into()),
//!         }
//!     }
//! }
//! # std::io::Result::Ok(())
//! ```
//!
//! After: no handler, no pipe, no table of pids, and other children stay untouched.
//!
//! ```
//! use std::process::Command;
//!
//! use childset::ChildSet;
//! # use rustix::event::{poll, PollFd, PollFlags};
//!
//! let jobs = ChildSet::new()?;
//! jobs.insert(Command::new("sh").args(["-c", "exit 3"]).spawn()?, "a job")?;
//! while !jobs.is_empty() {
//!     // The loop reports the set.
//!     # poll(&mut [PollFd::new(&jobs, PollFlags::IN)], None)?;
//!     while let Some(exited) = jobs.try_wait()? {
//!         println!("{}: {:?}", exited.tag, exited.exit?.code());
//!     }
//! }
//! # std::io::Result::Ok(())
//! ```
//!
//! Stops and continuations do not make a set readable: [`state_changes`](crate::ChildSet::state_changes) says what to do.
//! If `wait(-1)` has to stay for a while, a set in the same program still learns its exits from Linux 6.15 on.
//!
//! In a trial port of mprocs, two lines took the place of 33 with `unsafe` or libc. Its `wait(-1)` had made tokio's
//! `output()` in the same program fail with `ECHILD` in 50 to 116 of 200 calls. After the port none of 800 failed.
//!
//! # A thread for each child
//!
//! Before: a thread blocks for each child, and sends its status.
//!
//! ```
//! use std::{process::Command, sync::mpsc, thread};
//!
//! let (sender, exits) = mpsc::channel();
//! for script in ["exit 1", "exit 2"] {
//!     let mut child = Command::new("sh").args(["-c", script]).spawn()?;
//!     let sender = sender.clone();
//!     thread::spawn(move || {
//!         // Nobody else can kill it any more: the thread has the child.
//!         let _ = sender.send((script, child.wait()));
//!     });
//! }
//! drop(sender);
//! for (script, status) in exits {
//!     println!("{script}: {}", status?);
//! }
//! # std::io::Result::Ok(())
//! ```
//!
//! After: one thread for all, or none if the loop takes a descriptor. Anybody can signal a child by its key.
//!
//! ```
//! use std::process::Command;
//! use std::sync::{mpsc, Arc};
//! use std::thread;
//!
//! use childset::ChildSet;
//!
//! let jobs = Arc::new(ChildSet::new()?);
//! let (sender, exits) = mpsc::channel();
//! thread::spawn({
//!     let jobs = Arc::clone(&jobs);
//!     move || jobs.wait_exits().try_for_each(|exited| sender.send(exited))
//! });
//! let mut keys = Vec::new();
//! for script in ["exit 1", "exit 2", "sleep 60"] {
//!     keys.push(jobs.insert(Command::new("sh").args(["-c", script]).spawn()?, script)?);
//! }
//! jobs.kill_tree(keys[2])?;
//! // No more children: the thread ends with the last one.
//! jobs.close();
//! for exited in exits {
//!     let exited = exited?;
//!     println!("{}: {}", exited.tag, exited.exit?.status());
//! }
//! # std::io::Result::Ok(())
//! ```
//!
//! # What else changes
//!
//! - The pipes of a child go into the set with it. [`take_stdout`](crate::ChildSet::take_stdout) takes one out, and after
//!   the exit they are in [`Exited::child`](crate::Exited).
//! - Insert a `std::process::Child` before anything waits for it. After its exit was taken, its pid may be another's.
//! - A child that is dropped is reaped when it ends, and no longer stays a zombie.
//! - A group or a session is killed with its first process if the [`Command`](crate::Command) says so:
//!   [`Unit`](crate::Unit) takes the place of `killpg`.
//! - Elsewhere than on Linux, the names can stay: see [Other systems](crate#other-systems).
//!
//! In bacon, three hangs and losses were found. Its trial port has none of them.
