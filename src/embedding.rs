//! How to put a set into an event loop: a guide, with nothing to call.
//!
//! A [`ChildSet`](crate::ChildSet) is one descriptor ([`AsFd`](std::os::fd::AsFd)) however many children it holds.
//! Register it for reading; when the loop reports it, take exits with [`try_wait`](crate::ChildSet::try_wait), which never
//! blocks. No SIGCHLD handler, pipe or thread is needed. The rest of this page is what to mind. The names in
//! parentheses are the tests that show what stands before them; most are in `tests/embedding.rs`.
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
//! # Level and edge
//!
//! The set is readable exactly while an exit can be taken (`readable_exactly_while_an_exit_can_be_taken`). What the
//! loop makes of that decides how many to take:
//!
//! | loop | it reports the set | take |
//! |---|---|---|
//! | poll(2), glib, Qt, calloop `Level` | as long as exits are left (`level_reports_until_all_are_taken`) | any number |
//! | polling, calloop `OneShot` | once; again when it is armed, if exits are left (`oneshot_reports_what_is_left_when_armed_again`) | any number, then arm |
//! | mio, calloop `Edge` | once, and when another child ends (`edge_reports_once_and_is_drained`) | all, until `None` |
//! | tokio's `AsyncFd` | until you clear its readiness, and when another child ends (`tokio`) | any number; clear after `None` |
//!
//! The drain rule: a loop that is edge-triggered stalls if one exit is left, until some other child happens to end
//! (`edge_stalls_if_one_is_left`). That may take for ever, and it shows only when several children end at once. Nor
//! does it always show then: on Linux 6.18, `try_wait` itself raises an edge (`try_wait_may_raise_an_edge`).
//!
//! - A report may find nothing to take, where somebody else has taken it: `None` is no error
//!   (`a_wake_up_may_find_nothing`).
//! - A child that has ended already wakes the loop when it is inserted: there is no need to look before
//!   (`a_dead_child_wakes_the_loop_when_inserted`). A callback may spawn into its own set
//!   (`a_callback_spawns_into_its_set`).
//! - A zombie that a debugger holds back does not keep the loop awake (`set_in_an_outer_loop`).
//! - A loop can be inside another loop: four levels above a set, and a fifth is refused with `ELOOP`; Linux 5.10
//!   refuses the next child instead, with `EINVAL` (`four_loops_nest_above_a_set`).
//!
//! # Bounded batches and priorities
//!
//! When a thousand children end at once, a callback that drains the set takes a thousand exits in a row, and the
//! loop's timers wait. One that takes a bounded number, 32 say, lets them run in between
//! (`timers_run_between_bounded_batches`): do so wherever the loop reports again what is left. The stream of a set
//! does it by itself (`a_ready_stream_yields_to_the_executor`).
//!
//! In a loop with priorities a bound is not enough, since a source that is always ready starves those below it. In
//! GLib, use a bound and exactly the priority of redrawing, which is 120 (`GDK_PRIORITY_REDRAW`); for sources that read
//! output, too. Sources of one priority take turns. Measured with `examples/gui/glib/tests/priority.rs`, 32 exits a wake:
//!
//! | priority | while very many children end | while a window redraws all the time |
//! |---|---|---|
//! | `DEFAULT`, 0 | timers run, nothing is redrawn | exits come |
//! | redrawing, 120 | timers run; at most two wakes between two redraws | a frame, a wake, a frame |
//! | `DEFAULT_IDLE`, 200 | timers run, each wake is followed by a redraw | no exit comes |
//!
//! # Threads
//!
//! A set that is polled starts no thread, nor does taking or dropping: each test of `tests/embedding.rs` runs in
//! one thread, and counts. Only awaiting uses async-io's reactor, which has one (`smol`).
//!
//! A set can be shared between threads. Insert or spawn in any of them, while a loop sleeps on the set in another;
//! and if two loops watch one set, each exit goes to one of them (`two_loops_share_a_set`).
//!
//! # Dropping
//!
//! - Deregister the set, then drop it, as each loop asks. A source that owns its set does both
//!   (`a_set_is_dropped_by_its_source`).
//! - A set that is dropped while it is registered is never reported again, and another one may get the number of its
//!   descriptor (`a_set_dropped_while_registered_is_silent`).
//! - A loop that is dropped first leaves the set as it was (`a_set_outlives_its_loop`).
//! - The children of a dropped set that have ended are reaped in the drop. Those that run are reaped by a later call
//!   of the crate, where no reactor runs (`each_later_call_reaps`), and by one that blocks (`blocked_calls_reap`): a
//!   program that makes none for long may call [`reap_dropped`](crate::reap_dropped) from a timer.
//!
//! # Examples
//!
//! `in_poll`, `in_polling`, `in_mio`, `in_calloop`, `in_tokio`, `in_smol` and `in_async_std` are whole programs:
//! `cargo run --example in_calloop`. `tests/loops.rs` runs each to its end, with 500 children that end at once.
