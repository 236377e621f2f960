//! What the guide `childset::embedding` says, on real loops, each in a process of one thread.

#![allow(unsafe_code)]

#[path = "../common/mod.rs"]
mod common;
mod edge;
mod guide;
mod level;
mod lifetime;

use std::io::Read;
use std::process::{ChildStdin, Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use calloop::generic::Generic;
use calloop::{EventLoop, Mode, PostAction};
use childset::{ChildSet, Pidfd};
use common::{check_leaks, reap_all_dropped, threads, until_ended};

const NOW: Duration = Duration::ZERO;

/// More than one batch of events in the set.
const MANY: usize = 40;

const TESTS: &[(&str, fn())] = &[
    ("level::level_reports_until_all_are_taken", || alone(level::level_reports_until_all_are_taken)),
    ("edge::edge_reports_once_and_is_drained", || alone(edge::edge_reports_once_and_is_drained)),
    ("edge::edge_stalls_if_one_is_left", || alone(edge::edge_stalls_if_one_is_left)),
    ("edge::try_wait_may_raise_an_edge", || alone(edge::try_wait_may_raise_an_edge)),
    ("level::oneshot_reports_what_is_left_when_armed_again", || {
        alone(level::oneshot_reports_what_is_left_when_armed_again);
    }),
    ("edge::a_wake_up_may_find_nothing", || alone(edge::a_wake_up_may_find_nothing)),
    ("edge::a_dead_child_wakes_the_loop_when_inserted", || {
        alone(edge::a_dead_child_wakes_the_loop_when_inserted)
    }),
    ("level::timers_run_between_bounded_batches", || alone(level::timers_run_between_bounded_batches)),
    ("level::a_callback_spawns_into_its_set", || alone(level::a_callback_spawns_into_its_set)),
    ("lifetime::four_loops_nest_above_a_set", || alone(lifetime::four_loops_nest_above_a_set)),
    ("lifetime::a_set_is_dropped_by_its_source", || alone(lifetime::a_set_is_dropped_by_its_source)),
    ("lifetime::a_set_dropped_while_registered_is_silent", || {
        alone(lifetime::a_set_dropped_while_registered_is_silent)
    }),
    ("lifetime::a_set_outlives_its_loop", || alone(lifetime::a_set_outlives_its_loop)),
    ("guide::the_guide_names_tests_that_exist", guide::the_guide_names_tests_that_exist),
    ("guide::the_guide_shows_lines_of_programs", guide::the_guide_shows_lines_of_programs),
];

fn main() {
    common::main_with(TESTS, |_, test| {
        // The descriptor by which dropped children are watched is made once. `warm_up` would start async-io's thread.
        let set = ended(0);
        let stdin = insert_held(&set, 0);
        drop(set);
        drop(stdin);
        reap_all_dropped();
        test();
    });
}

/// Runs a test that leaves nothing behind: no descriptor, no zombie, and at no time a second thread.
fn alone(test: fn()) {
    assert_eq!(threads(), 1);
    check_leaks(test);
    assert_eq!(threads(), 1);
}

/// Children that have ended, tagged 0, 1 ...
fn ended(count: usize) -> ChildSet<usize> {
    let set = ChildSet::new().unwrap();
    (0..count).for_each(|tag| insert_ended(&set, tag));
    set
}

fn insert_ended(set: &ChildSet<usize>, tag: usize) {
    let child = Command::new("true").spawn().unwrap();
    until_ended(Pidfd::from_child(&child).unwrap());
    set.insert(child, tag).unwrap();
}

/// A child that lives until the pipe is dropped. It runs its program already, and so has no copy of our descriptors.
fn insert_held(set: &ChildSet<usize>, tag: usize) -> ChildStdin {
    let mut shell = Command::new("sh");
    shell.args(["-c", "echo; read line"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = shell.spawn().unwrap();
    child.stdout.take().unwrap().read_exact(&mut [0]).unwrap();
    let stdin = child.stdin.take().unwrap();
    set.insert(child, tag).unwrap();
    stdin
}

fn drain(set: &ChildSet<usize>) -> Vec<usize> {
    std::iter::from_fn(|| set.try_wait().unwrap()).map(|exited| exited.tag).collect()
}

/// A calloop that takes some exits at each wake-up; its data are the numbers taken.
fn calloop_taking(
    set: Rc<ChildSet<usize>>,
    (mode, then): (Mode, PostAction),
    most: usize,
) -> EventLoop<'static, Vec<usize>> {
    let event_loop = EventLoop::try_new().unwrap();
    let source = Generic::new(set, calloop::Interest::READ, mode);
    event_loop
        .handle()
        .insert_source(source, move |_, set, taken: &mut Vec<usize>| {
            assert_eq!(threads(), 1);
            taken.push(std::iter::from_fn(|| set.try_wait().unwrap()).take(most).count());
            Ok(then)
        })
        .unwrap();
    event_loop
}
