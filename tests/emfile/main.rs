//! No descriptor left, at each step: an error with the reason, nothing lost, nothing leaked.

#[cfg(feature = "async-io")]
mod asynchronous;
#[path = "../common/mod.rs"]
mod common;
mod events;
mod make;
mod wait;

use std::io::{self, Read};
use std::process::{Command, Stdio};

use childset::ChildSet;
use common::{check_leaks, role};

const TESTS: &[(&str, fn())] = &[
    #[cfg(feature = "async-io")]
    ("asynchronous::first_await", asynchronous::first_await),
    ("make::new", make::new),
    ("make::open", make::open),
    ("make::insert_std_child", make::insert_std_child),
    ("make::insert_pidfd", make::insert_pidfd),
    ("make::insert_child", make::insert_child),
    ("make::adopt", make::adopt),
    ("wait::wait", wait::wait),
    ("wait::nonblocking_child_wait", wait::nonblocking_child_wait),
    ("events::set_events", events::set_events),
    ("events::child_events", events::child_events),
    #[cfg(feature = "command")]
    ("make::copies_of_our_streams", make::copies_of_our_streams),
    #[cfg(feature = "command")]
    ("make::spawned_and_not_watched", make::spawned_and_not_watched),
    #[cfg(feature = "async-io")]
    ("asynchronous::next", asynchronous::next),
    #[cfg(feature = "async-io")]
    ("asynchronous::pidfd_wait", asynchronous::pidfd_wait),
    #[cfg(feature = "async-io")]
    ("asynchronous::set_events_next", asynchronous::set_events_next),
    #[cfg(feature = "async-io")]
    ("asynchronous::child_events_next", asynchronous::child_events_next),
];

fn main() {
    #[cfg(feature = "async-io")]
    if let Some(role) = role() {
        return asynchronous::first_await_with(role.parse().unwrap());
    }
    assert!(role().is_none());
    common::main_warm(TESTS);
}

fn is_emfile(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EMFILE)
}

/// Runs the test with each number of spare descriptors from 0 up to one more than it should need.
fn each(needed: usize, test: impl Fn(usize)) {
    for spare in 0..=needed + 1 {
        check_leaks(|| test(spare));
    }
}

/// Lets `std` end and reap a child, which must have its pipe for that.
fn end(mut child: std::process::Child) {
    drop(child.stdin.take().expect("its pipe is untouched"));
    assert!(child.wait().unwrap().success());
}

fn talkative() -> std::process::Child {
    let mut command = Command::new("sh");
    command.args(["-c", "read line; echo out; echo err >&2; exit 3"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// The pipes work, and the exit is what it should be.
fn talk(set: &ChildSet<String>) {
    let mut exited = set.wait(None).unwrap().unwrap();
    assert_eq!(exited.tag, "tag");
    assert_eq!(exited.exit.unwrap().code(), Some(3));
    let (mut out, mut err) = (String::new(), String::new());
    exited.child.stdout.take().unwrap().blocking().read_to_string(&mut out).unwrap();
    exited.child.stderr.take().unwrap().blocking().read_to_string(&mut err).unwrap();
    assert_eq!((out.as_str(), err.as_str()), ("out\n", "err\n"));
}
