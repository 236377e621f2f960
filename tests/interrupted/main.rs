//! A signal whose handler does not restart system calls (no `SA_RESTART`) interrupts each call that blocks, again and
//! again: it goes on, and its time-out is not begun anew.

#![allow(unsafe_code)]

#[path = "../common/mod.rs"]
mod common;
mod injected;
mod storm;
mod waits;

use childset::{Child, ChildStdin, Command, Stdio};
use injected::{inject, pipes};

const TESTS: &[(&str, fn())] = &[
    ("waits::waits", waits::waits),
    ("waits::waits_while_the_reactor_runs", waits::waits_while_the_reactor_runs),
    ("waits::time_outs", waits::time_outs),
    ("waits::stops", waits::stops),
    ("waits::strangers", waits::strangers),
    ("waits::output", waits::output),
    ("waits::failed_spawns", waits::failed_spawns),
    ("waits::messages", waits::messages),
    ("injected::both_sides_of_a_fork", injected::both_sides_of_a_fork),
    ("injected::looks", || inject("looks", &["poll,ppoll,ppoll_time64:error=EINTR:when=3"], &[])),
    ("injected::reads", || pipes("reads", "read")),
    ("injected::writes", || pipes("writes", "write")),
    #[cfg(feature = "async-io")]
    ("injected::awaited_reads", || pipes("awaited_reads", "read")),
    #[cfg(feature = "async-io")]
    ("injected::awaited_writes", || pipes("awaited_writes", "write")),
];

/// Each runs under strace.
const ROLES: &[(&str, fn())] = &[
    ("looks", injected::looks),
    ("reads", injected::reads),
    ("writes", injected::writes),
    #[cfg(feature = "async-io")]
    ("awaited_reads", injected::awaited_reads),
    #[cfg(feature = "async-io")]
    ("awaited_writes", injected::awaited_writes),
];

fn main() {
    match common::role() {
        Some(role) => common::play(&role, ROLES, 60).expect("a role"),
        None => common::main_warm(TESTS),
    }
}

/// Ends when its input does.
fn held() -> (Child, Option<ChildStdin>) {
    let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    let stdin = child.stdin.take();
    (child, stdin)
}
