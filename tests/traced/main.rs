//! Children that a tracer (strace, gdb, a security agent) holds back as zombies: readable, but not to be had.

#![allow(unsafe_code)]

mod alone;
#[cfg(feature = "async-io")]
mod asynchronous;
#[path = "../common/mod.rs"]
mod common;
mod quiet;
mod set;
mod tracee;

use std::io;
use std::time::Duration;

use childset::{ChildSet, Exit};
use common::{readable, role, skipped, warm_up};
use tracee::{refusal, tracee};

const CODE: u8 = 7;

const TESTS: &[(&str, fn())] = &[
    ("set::set_wait", set::set_wait),
    ("set::set_in_an_outer_loop", set::set_in_an_outer_loop),
    ("set::set_of_many", set::set_of_many),
    ("set::set_is_level_triggered_again", set::set_is_level_triggered_again),
    ("alone::pidfd_wait", alone::pidfd_wait),
    ("alone::pidfd_try_wait", alone::pidfd_try_wait),
    ("alone::child_wait", alone::child_wait),
    ("alone::child_wait_nonblocking", alone::child_wait_nonblocking),
    ("alone::child_wait_timeout", alone::child_wait_timeout),
    ("alone::child_output", alone::child_output),
    ("alone::zombie_of_another", alone::zombie_of_another),
    ("set::set_with_a_stolen_one", set::set_with_a_stolen_one),
    ("alone::stolen_when_the_tracer_lets_go", alone::stolen_when_the_tracer_lets_go),
    ("alone::dropped", alone::dropped),
    #[cfg(feature = "async-io")]
    ("asynchronous::set_next", asynchronous::set_next),
    #[cfg(feature = "async-io")]
    ("asynchronous::pidfd_wait_async", asynchronous::pidfd_wait_async),
    #[cfg(feature = "async-io")]
    ("asynchronous::exited_async", asynchronous::exited_async),
];

fn main() {
    match role() {
        Some(role) if role == "tracee" => return tracee(),
        Some(pid) => return common::tracer(pid.parse().unwrap()),
        None => {}
    }
    common::main_with(TESTS, |_, test| {
        if let Some(errno) = refusal() {
            return skipped(format_args!("PTRACE_SEIZE is refused: {errno}"));
        }
        warm_up();
        test();
    });
}

fn assert_quiet<T>(set: &ChildSet<T>) {
    assert!(set.try_wait().unwrap().is_none());
    assert!(!readable(set, Duration::ZERO), "readable, but there is nothing to reap");
}

fn assert_exit(exit: io::Result<Exit>) {
    assert_eq!(exit.unwrap().code(), Some(CODE.into()));
}
