//! What a spawn does to this process as a whole, and what state of the process it must cope with.

#![allow(unsafe_code)]
// The type of `RLIMIT_*` depends on the C library.
#![allow(clippy::unnecessary_cast)]

#[path = "../common/mod.rs"]
mod common;
mod exec;
mod hidden;
mod numbers;
mod privileges;
mod process;

use std::process::Stdio as StdStdio;

use childset::{Command, Stdio};
use common::{reexec, role};

const TESTS: [(&str, fn()); 20] = [
    ("process::stays_dumpable", process::stays_dumpable),
    ("process::dispositions", process::dispositions),
    ("numbers::without_stdio", numbers::without_stdio),
    // Its standard output and error must differ.
    ("numbers::swapped_stdio", || ends_with("swapped_stdio", b"")),
    ("privileges::not_root", privileges::not_root),
    ("privileges::cgroup", privileges::cgroup),
    ("privileges::cgroup_without_clone3", || ends_with("cgroup_without_clone3", b"")),
    ("exec::exec", || ends_with("exec", b"exec'd a  b\n")),
    ("exec::exec_with_everything", || {
        ends_with("exec_with_everything", b"0\n1\n2\n3\n9\n20\n0022\n1\nlast\n")
    }),
    ("exec::failed_exec", exec::failed_exec),
    ("exec::failed_exec_changes_nothing", exec::failed_exec_changes_nothing),
    ("hidden::failed_exec_without_proc", hidden::failed_exec_without_proc),
    ("exec::exec_after_a_panic", exec::exec_after_a_panic),
    ("exec::exec_of_a_script_as_another_user", || ends_with("exec_of_a_script_as_another_user", b"65534\n")),
    ("numbers::error_without_stdio", numbers::error_without_stdio),
    ("hidden::no_null_device", hidden::no_null_device),
    ("process::many_descriptors", process::many_descriptors),
    ("process::much_memory", process::much_memory),
    ("process::sigchld_ignored", process::sigchld_ignored),
    ("process::sigchld_ignored_in_each_way", process::sigchld_ignored_in_each_way),
];

const ROLES: [(&str, fn()); 5] = [
    ("exec", exec::exec),
    ("cgroup_without_clone3", privileges::cgroup_without_clone3),
    ("exec_with_everything", exec::exec_with_everything),
    ("exec_of_a_script_as_another_user", exec::exec_of_a_script_as_another_user),
    ("swapped_stdio", numbers::swapped_stdio),
];

fn main() {
    match role() {
        Some(role) => common::play(&role, &ROLES, 60).expect("a role"),
        None => common::main(&TESTS),
    }
}

/// What it prints last: where it calls `execve`, that is the program's.
fn ends_with(role: &str, last: &[u8]) {
    let output = reexec(role).stdin(StdStdio::null()).stderr(StdStdio::inherit()).output().unwrap();
    assert!(output.status.success(), "{}", output.status);
    assert!(output.stdout.ends_with(last), "{:?}", String::from_utf8_lossy(&output.stdout));
}

fn text(command: &mut Command) -> String {
    let output = command.stdout(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
    assert!(output.status.success(), "{}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

fn fd(number: i32) -> std::os::fd::BorrowedFd<'static> {
    // SAFETY: the three are open whenever this is called, and the borrow is short.
    unsafe { std::os::fd::BorrowedFd::borrow_raw(number) }
}

/// Each way to replace this process.
const WAYS: [fn(&mut Command); 3] = [
    |_| {},
    |command| {
        common::make_by_std(command);
    },
    |command| {
        command.stdin(std::process::Stdio::null());
    },
];
