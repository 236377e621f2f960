//! How to put a set into an event loop: a guide. Nothing here can be called.
//!
//! A [`ChildSet`](crate::ChildSet) is one descriptor ([`AsFd`](std::os::fd::AsFd)) however many children it holds.
//! Register it for reading. When the loop reports it, take exits with [`try_wait`](crate::ChildSet::try_wait), which never
//! blocks. No SIGCHLD handler, pipe or thread is needed. In calloop:
//!
//! ```
//! use calloop::{generic::Generic, EventLoop, Interest, Mode, PostAction};
//! use childset::{ChildSet, Command};
//!
//! let set = ChildSet::new()?;
//! set.spawn(Command::new("sh").args(["-c", "exit 3"]), "a job")?;
//!
//! let mut event_loop = EventLoop::<usize>::try_new()?;
//! let source = Generic::new(set, Interest::READ, Mode::Level);
//! let inserted = event_loop.handle().insert_source(source, |_, set, seen| {
//!     for _ in 0..32 {
//!         let Some(exited) = set.try_wait()? else { break };
//!         println!("{}: {}", exited.tag, exited.exit?.status());
//!         *seen += 1;
//!     }
//!     Ok(PostAction::Continue)
//! });
//! inserted.map_err(|error| error.error)?;
//!
//! let mut seen = 0;
//! while seen < 1 {
//!     event_loop.dispatch(None, &mut seen)?;
//! }
//! # std::io::Result::Ok(())
//! ```
//!
//! [`loops`] has the code for the other loops. The rest of this page is what to mind. The names in parentheses are the tests
//! that show what stands before them. Most are in `tests/embedding`.
//!
//! # Level and edge
//!
//! The set is readable exactly while an exit can be taken (`readable_exactly_while_an_exit_can_be_taken`). Loops report that
//! in different ways, and that decides how many exits to take:
//!
//! | loop | it reports the set | take |
//! |---|---|---|
//! | poll(2), GLib, Qt, winit, calloop `Level` | as long as exits are left (`level_reports_until_all_are_taken`) | any number |
//! | polling, calloop `OneShot` | once; again when it is armed, if exits are left (`oneshot_reports_what_is_left_when_armed_again`) | any number, then arm |
//! | io_uring, one-shot poll | the same; tried on compio and the raw ring | any number, then arm |
//! | mio, calloop `Edge` | once, and when another child ends (`edge_reports_once_and_is_drained`) | all, until `None` |
//! | io_uring, multi-shot poll | the same; tried on the raw ring | all, until `None`; then arm, if the completion lacks `IORING_CQE_F_MORE` |
//! | tokio's `AsyncFd` | until you clear its readiness, and when another child ends (`tokio`) | any number; clear after `None` |
//!
//! The drain rule: in an edge-triggered loop, take exits until `None`. If one is left, the loop sleeps until another child
//! ends (`edge_stalls_if_one_is_left`). That may be never. Tests seldom show it: several children must end at once, and
//! on Linux 6.18 `try_wait` itself raises an edge (`try_wait_may_raise_an_edge`).
//!
//! - After a report there may be nothing to take, because somebody else has taken it. `None` is no error
//!   (`a_wake_up_may_find_nothing`).
//! - A child that has ended already wakes the loop when it is inserted. There is no need to look before
//!   (`a_dead_child_wakes_the_loop_when_inserted`). A callback may spawn into its own set
//!   (`a_callback_spawns_into_its_set`).
//! - A zombie that a debugger holds back does not keep the loop awake (`set_in_an_outer_loop`).
//! - A loop can be inside another loop. Four levels above a set work. A fifth is refused with `ELOOP`. Linux 5.10
//!   refuses the next child instead, with `EINVAL` (`four_loops_nest_above_a_set`).
//!
//! # Bounded batches and priorities
//!
//! When a thousand children end at once, a callback that drains the set takes a thousand exits in a row, and the
//! loop's timers wait. Take a bounded number instead, 32 say, wherever the loop reports again what is left
//! (`timers_run_between_bounded_batches`). The stream of a set does it by itself
//! (`a_ready_stream_yields_to_the_executor`).
//!
//! In a loop with priorities that is not enough, because a source that is always ready starves those below it. In GLib, use
//! exactly the priority of redrawing, which is 120 in GTK, with a bound. Above it, no window is redrawn until all exits
//! are taken. Below it, a window that redraws all the time gets no exit at all. This holds for sources that read output,
//! too (`examples/gui/glib/tests/priority.rs`).
//!
//! # Output
//!
//! - A pipe holds 64 KiB. A child that has written more waits until somebody reads, and so never ends if you read only
//!   after its exit. Read while it runs. [`Child::events`](crate::Child::events) and [`Child::capture`](crate::Child::capture)
//!   do that.
//! - In a loop of descriptors, take the pipe ([`take_stdout`](crate::ChildSet::take_stdout)) and register it as well. One
//!   read for each report does not block, if nobody else reads from that pipe.
//! - The exit often comes before the end of the output: what was written last is still in the pipe. Show the exit, and read
//!   on.
//! - The end of file may come much later, when a process that the child left behind ends. So do not wait for both to
//!   call a job finished. After the exit, a grace is enough: see [`set_drain_grace`](crate::Child::set_drain_grace).
//!
//! # Closing the window
//!
//! - Give each job a [`Unit`](crate::Unit), a process group or a cgroup. What ends the job then also ends what it has
//!   started. A job that is a shell has nearly always started something.
//! - At the end, call [`shutdown`](crate::ChildSet::shutdown) with a grace. If the window stays until then, call
//!   [`Shutdown::try_wait`](crate::Shutdown::try_wait) from the loop and from a timer: the timer is for `SIGKILL` after the
//!   grace. If the window is gone, block in [`Shutdown::wait`](crate::Shutdown::wait).
//! - If the program itself may be killed, set [`kill_with_parent`](crate::Command::kill_with_parent). It reaches the
//!   child, and not the rest of its unit.
//!
//! # The limit of descriptors
//!
//! A child in a set has one descriptor, and one more for each pipe. The usual soft limit is 1,024. Programs meet it in
//! surprising ways: with 1,200 children, a Qt window stayed black without a message, because its connection to the X
//! server waited for ever. So raise the soft limit to the hard one when the program starts (setrlimit(2)), and give the
//! children the old one back ([`rlimit`](crate::Command::rlimit)): some programs still use select(2). Where the limit is
//! reached, `spawn` fails with `EMFILE`, and everything that runs stays as it is.
//!
//! # Others who wait
//!
//! The set reaps its own children, each by its pidfd, and no others. `g_child_watch_add` in the same program does the same,
//! and they do not disturb each other: tried with 200 children each. A library that calls `wait(-1)` takes the
//! statuses of all children. From Linux 6.15 on the set still has them. Before, it reports
//! [`StatusUnknown`](crate::StatusUnknown).
//!
//! # Threads
//!
//! A set that is polled starts no thread. Neither does taking an exit, nor dropping a child: each test of
//! `tests/embedding` runs in one thread, and counts. Only awaiting uses async-io's reactor, which has one thread
//! (`smol`).
//!
//! A set can be shared between threads. Insert or spawn in any of them, while a loop sleeps on the set in another. If
//! two loops watch one set, each exit goes to one of them (`two_loops_share_a_set`).
//!
//! # Dropping
//!
//! - Deregister the set, then drop it, as each loop asks. A source that owns its set does both
//!   (`a_set_is_dropped_by_its_source`).
//! - A set that is dropped while it is registered is never reported again. Another one may get the number of its
//!   descriptor (`a_set_dropped_while_registered_is_silent`).
//! - A loop that is dropped first leaves the set as it was (`a_set_outlives_its_loop`).
//! - Dropping a set reaps its children that have ended. Children that still run are reaped when they end, if async-io's
//!   reactor runs. Without it, the next call of the crate reaps them (`each_later_call_reaps`), and so does one that
//!   blocks meanwhile (`blocked_calls_reap`). A program that makes no call for long can call
//!   [`reap_dropped`](crate::reap_dropped) from a timer.
//!
//! # Examples
//!
//! `in_poll`, `in_polling`, `in_mio`, `in_calloop`, `in_tokio`, `in_smol` and `in_async_std` are whole programs:
//! `cargo run --example in_calloop`. `tests/loops.rs` runs each to its end, with 500 children that end at once. The programs
//! with windows are in `examples/gui`.

pub mod loops;
