//! `launch`: a child that nobody waits for. Its descriptors, its failures, what is left of it, and who waits for what.

#![allow(unsafe_code)]

#[path = "../common/mod.rs"]
mod common;
mod descriptors;
mod early;
mod failures;
mod left;
mod many;

use std::io::Read;

use childset::{Child, Command};
use common::seccomp::{hold, Held};
use common::{launches, skipped};
use left::stopped_here;

const TESTS: &[(&str, fn())] = &[
    ("early::returns_before_execve", early::returns_before_execve),
    ("early::behind_a_scanner", early::behind_a_scanner),
    ("failures::failures_are_exits", failures::failures_are_exits),
    ("failures::failures_in_a_set", failures::failures_in_a_set),
    ("failures::failures_of_the_call", failures::failures_of_the_call),
    ("failures::a_script_without_an_interpreter", failures::a_script_without_an_interpreter),
    ("failures::a_busy_program_is_tried_again", failures::a_busy_program_is_tried_again),
    ("early::killed_before_execve", early::killed_before_execve),
    ("early::killed_at_once", early::killed_at_once),
    ("early::signalled_before_it_leads", early::signalled_before_it_leads),
    ("descriptors::pipes", descriptors::pipes),
    ("descriptors::a_pipe_waits_for_the_table", descriptors::a_pipe_waits_for_the_table),
    ("descriptors::files_closed_at_once", descriptors::files_closed_at_once),
    ("descriptors::a_pipe_of_the_caller", descriptors::a_pipe_of_the_caller),
    ("descriptors::standard_descriptors_replaced", descriptors::standard_descriptors_replaced),
    ("descriptors::standard_descriptors_closed", descriptors::standard_descriptors_closed),
    (
        "descriptors::directory_and_environment_of_the_call",
        descriptors::directory_and_environment_of_the_call,
    ),
    ("many::a_thousand", many::a_thousand),
    ("many::sixty_four_on_their_way", many::sixty_four_on_their_way),
    ("many::eight_threads", many::eight_threads),
    ("many::a_thread_that_ends_at_once", many::a_thread_that_ends_at_once),
    ("left::forks_in_between", left::forks_in_between),
    ("left::a_set_dropped_at_once", left::a_set_dropped_at_once),
    ("left::dropped_at_once", left::dropped_at_once),
    ("many::memory_does_not_grow", many::memory_does_not_grow),
    ("many::a_small_stack", many::a_small_stack),
    ("left::stop_signals", left::stop_signals),
    ("failures::what_cannot_be_launched", failures::what_cannot_be_launched),
    ("failures::nobody_reaps", failures::nobody_reaps),
];

fn main() {
    match common::role().as_deref() {
        Some("stopped") => stopped_here(),
        Some(role) => unreachable!("{role}"),
        None => common::main_warm(TESTS),
    }
}

/// Says why there is nothing to see here.
fn is_spawned() -> bool {
    if !launches() {
        skipped("what is launched is spawned on this processor, and under a sanitizer");
    }
    !launches()
}

fn output(mut child: Child) -> String {
    let mut text = String::new();
    child.stdout.take().unwrap().blocking().read_to_string(&mut text).unwrap();
    assert!(child.wait().unwrap().success());
    text
}

/// Has `act` launch, while the children that it makes wait in the system call.
fn held(number: libc::c_long, act: impl FnOnce(&Held)) {
    // What is found out once is found out before.
    assert!(Command::new("true").launch().unwrap().wait().unwrap().success());
    match hold(number) {
        Ok(held) => act(&held),
        Err(error) => skipped(format_args!("system calls cannot be held: {error}")),
    }
}

/// Whether a child would inherit all three.
fn has_stdio() -> bool {
    // SAFETY: it only asks.
    (0..3).all(|number| unsafe { libc::fcntl(number, libc::F_GETFD) } == 0)
}
