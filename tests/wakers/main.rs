//! `ChildSet` awaited by strange company: consumers that lie there, wakers that call back, tasks that are gone, and
//! many consumers at once.
#![cfg(feature = "async-io")]

mod callbacks;
#[path = "../common/mod.rs"]
mod common;
mod counted;
mod lying;
mod ways;

use std::process::{Child, ChildStdin};
use std::sync::Mutex;
use std::time::Duration;

use childset::ChildSet;

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// It lives as long as the program: a few descriptors for each test.
fn set() -> &'static ChildSet<usize> {
    static ALL: Mutex<Vec<&ChildSet<usize>>> = Mutex::new(Vec::new());
    let set = Box::leak(Box::new(ChildSet::new().unwrap()));
    // Where leak checkers find it.
    ALL.lock().unwrap().push(set);
    set
}

/// It ignores TERM, so that `shutdown` leaves it alone.
fn held() -> (Child, ChildStdin) {
    let mut child = common::stubborn();
    let hold = child.stdin.take().unwrap();
    (child, hold)
}
