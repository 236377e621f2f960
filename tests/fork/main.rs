//! A plain `fork()` of the program: the copy's objects of its parent's are inert, the parent notices nothing, and what the
//! copy makes anew works.

#![allow(unsafe_code)]

mod anew;
#[cfg(feature = "async-io")]
mod asynchronous;
#[path = "../common/mod.rs"]
mod common;
mod inherited;
mod page;

use std::io;

use childset::{ChildSet, Command, Forked, Gone, Signal, Stdio};
use common::{held_child, reap_all_dropped};
use page::refuse_the_page;

const TESTS: &[(&str, fn())] = &[
    ("inherited::calls_of_a_child", inherited::calls_of_a_child),
    ("inherited::calls_of_a_set", inherited::calls_of_a_set),
    ("inherited::dropped_child_lives_on", inherited::dropped_child_lives_on),
    ("inherited::dropped_set_lives_on", inherited::dropped_set_lives_on),
    ("inherited::dropped_children_before", inherited::dropped_children_before),
    ("anew::what_is_new_works", anew::what_is_new_works),
    ("anew::zombies_of_a_copy", anew::zombies_of_a_copy),
    ("anew::copy_of_a_copy", anew::copy_of_a_copy),
    ("inherited::threads_hold_locks", inherited::threads_hold_locks),
    ("page::raw_clone", page::raw_clone),
    ("page::without_the_page", page::without_the_page),
    ("anew::prefork", anew::prefork),
    #[cfg(feature = "async-io")]
    ("asynchronous::awaits_anew", asynchronous::awaits_anew),
    #[cfg(feature = "async-io")]
    ("asynchronous::inherited_reactor", asynchronous::inherited_reactor),
    #[cfg(feature = "async-io")]
    ("asynchronous::reactor_of_others", asynchronous::reactor_of_others),
    #[cfg(feature = "async-io")]
    ("asynchronous::futures_of_the_parent", asynchronous::futures_of_the_parent),
    #[cfg(feature = "async-io")]
    ("asynchronous::pipes_of_the_parent", asynchronous::pipes_of_the_parent),
];

fn main() {
    common::main_with(TESTS, |name, test| {
        if name == "page::without_the_page" {
            // Before the first use of the crate, which asks for it.
            refuse_the_page();
        }
        // It has the crate open the descriptor that it keeps, and awaits nothing.
        drop(held_child().0);
        reap_all_dropped();
        test();
    });
}

/// Runs `act` in a copy of this process, which ends with 0 if it does not panic.
fn in_copy(act: impl FnOnce()) {
    // SAFETY: glibc and musl let a copy allocate, and it runs what any program does.
    match unsafe { libc::fork() } {
        0 => be_the_copy(act),
        pid => ends_well(pid),
    }
}

fn be_the_copy(act: impl FnOnce()) -> ! {
    common::end_after(60);
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(act)).is_ok();
    // SAFETY: it ends this process.
    unsafe { libc::_exit(if done { 0 } else { 101 }) }
}

fn ends_well(pid: i32) {
    assert!(pid > 0, "{}", io::Error::last_os_error());
    assert_eq!(common::reap_by_pid(pid as u32), 0, "of the copy");
}

#[track_caller]
fn refused<R: std::fmt::Debug>(result: io::Result<R>) {
    let error = result.unwrap_err();
    assert_eq!(Forked::from_io_error(&error), Some(Forked::Object), "{error}");
    assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    assert!(error.to_string().contains("forked"), "{error}");
}

fn works() {
    let set = ChildSet::new().unwrap();
    for code in [1, 2, 3] {
        set.spawn(Command::new("sh").args(["-c", &format!("exit {code}")]), code).unwrap();
    }
    while let Some(exited) = set.wait(None).unwrap() {
        assert_eq!(exited.exit.unwrap().code(), Some(exited.tag));
    }
    let mut echo = Command::new("echo");
    let output = echo.arg("hello").stdout(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
    assert_eq!(output.stdout, b"hello\n");
    let (child, _stdin) = held_child();
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(Signal::KILL));
    let error = child.kill().map(|()| child.send_signal(Signal::TERM).unwrap_err()).unwrap();
    assert_eq!(Gone::from_io_error(&error), Some(Gone::Reaped));
    let (mut dropped, _stdin) = held_child();
    dropped.set_kill_on_drop(true);
    drop(dropped);
    reap_all_dropped();
    assert_eq!(common::zombies(), 0);
}
