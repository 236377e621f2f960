//! A set with a child that may not be signalled: one of root's, in a program that has become another user's.

#![allow(unsafe_code)]

mod common;

use std::time::Duration;

use childset::{ChildSet, Shutdown, Signal};
use common::{held, held_with, is_root};

const TESTS: &[(&str, fn())] = &[
    ("all_others_are_reached", all_others_are_reached),
    ("shutdown_says_so_once_for_each_round", shutdown_says_so_once_for_each_round),
    #[cfg(feature = "async-io")]
    ("shutdown_awaited", shutdown_awaited),
];

fn main() {
    common::main(TESTS);
}

/// The user of all ids but the saved one, which leads back.
fn become_user(id: u32) {
    // SAFETY: no memory is touched.
    assert_eq!(unsafe { libc::setresuid(id, id, 0) }, 0);
}

/// Two of the user's children, and between them one of root's, which lives as long as its input.
fn set() -> (ChildSet<&'static str>, childset::Key) {
    let set = ChildSet::new().unwrap();
    let roots = held_with(3);
    become_user(65534);
    set.insert(held(), "ours").unwrap();
    let key = set.insert(roots.0, "root's").unwrap();
    set.insert(held(), "ours").unwrap();
    // Its input stays open: dropping it ends the child.
    std::mem::forget(roots.1);
    (set, key)
}

fn assert_refused<T: std::fmt::Debug>(result: std::io::Result<T>) {
    assert_eq!(result.unwrap_err().raw_os_error(), Some(libc::EPERM));
}

fn end_roots(set: &ChildSet<&'static str>, key: childset::Key) {
    become_user(0);
    set.send_signal(key, Signal::KILL).unwrap();
    let exited = set.wait(None).unwrap().unwrap();
    assert_eq!((exited.tag, exited.exit.unwrap().signal()), ("root's", Some(Signal::KILL)));
    assert!(set.is_empty());
}

fn all_others_are_reached() {
    if !is_root() {
        return;
    }
    let (set, key) = set();
    assert_refused(set.send_signal(key, Signal::TERM));
    assert_refused(set.send_signal_to_all(Signal::TERM));
    for _ in 0..2 {
        let exited = set.wait(None).unwrap().unwrap();
        assert_eq!((exited.tag, exited.exit.unwrap().signal()), ("ours", Some(Signal::TERM)));
    }
    end_roots(&set, key);
}

/// TERM for two, and KILL for nobody: each time one refusal, and no exit is lost for it.
fn check(take: impl Fn(&mut Shutdown<'_, &'static str>) -> std::io::Result<Option<&'static str>>) {
    let (set, key) = set();
    let mut shutdown = set.shutdown(Duration::from_millis(300));
    assert_refused(take(&mut shutdown));
    for _ in 0..2 {
        assert_eq!(take(&mut shutdown).unwrap(), Some("ours"));
    }
    // At the deadline.
    assert_refused(take(&mut shutdown));
    assert_eq!(shutdown.try_wait().unwrap().map(|exited| exited.tag), None);
    end_roots(&set, key);
    assert_eq!(take(&mut shutdown).unwrap(), None);
}

fn shutdown_says_so_once_for_each_round() {
    if is_root() {
        check(|shutdown| Ok(shutdown.wait()?.map(|exited| exited.tag)));
    }
}

#[cfg(feature = "async-io")]
fn shutdown_awaited() {
    if is_root() {
        check(|shutdown| {
            Ok(futures_lite::future::block_on(shutdown.next()).transpose()?.map(|exited| exited.tag))
        });
    }
}
