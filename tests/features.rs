//! The table of kernel versions in docs/kernels.md and the crate docs, against the kernel that runs: each feature is there from
//! its version on, and not before. `tests/kernels/run` does it for all kernels.

#![allow(unsafe_code)]
// The lint does not know that a pidfd reaps.
#![allow(clippy::zombie_processes)]

mod common;

use childset::{Child, Command, Pidfd, Stdio};
use common::{check_leaks, held, held_with, reap_by_pid, until_ended, until_reaped};
use rustix::event::{poll, PollFd, PollFlags, Timespec};
use rustix::io::retry_on_intr;

type Probe = fn() -> Option<bool>;

/// How each row of the table begins, and whether this kernel has it; `None` where that cannot be tried here.
const FEATURES: [(&str, Probe); 11] = [
    ("`Pidfd::release_memory`", release_memory),
    ("`Pidfd::from_peer`", from_peer),
    ("`Pidfd::open_thread`", open_thread),
    ("`Pidfd::id`", id),
    ("`Pidfd::namespace`", namespace),
    ("signals to a process group by pidfd", group_signals),
    ("`reaped()` without looking now and then", tells_reaping),
    ("`Pidfd::info`", info),
    ("the status of a process that somebody else reaped", stolen_status),
    ("`autoreap`: the kernel reaps", detach),
    ("`kill_with_parent` by the pidfd", kill_with_parent),
];

const KERNELS: &str = include_str!("../docs/kernels.md");
const DOCS: &str = include_str!("../src/lib.rs");

/// Version, and what comes with it.
fn rows() -> Vec<((u32, u32), &'static str)> {
    let rows = KERNELS.lines().filter_map(|line| {
        let (version, text) = line.strip_prefix("| ")?.split_once(" | ")?;
        let (major, minor) = version.split_once('.')?;
        Some(((major.parse().ok()?, minor.parse().ok()?), text))
    });
    rows.collect()
}

#[test]
fn each_version_of_the_table_is_true() {
    let mut rows = rows();
    // The oldest kernel, on which all tests run.
    assert_eq!(rows.remove(0).0, (5, 10));
    for (version, text) in rows {
        let (_, probe) = FEATURES.iter().find(|(name, _)| text.starts_with(name)).expect(text);
        match check_leaks(probe) {
            Some(there) => assert_eq!(there, common::kernel() >= version, "{version:?}: {text}"),
            None => common::skipped(format_args!("{text}: no cgroup v2 that is ours")),
        }
    }
}

#[test]
fn each_feature_has_a_row_in_both_tables() {
    let rows = rows();
    for (name, _) in FEATURES {
        assert!(rows.iter().any(|(_, text)| text.starts_with(name)), "{name}");
    }
    for ((major, minor), text) in rows {
        assert!(DOCS.contains(&format!("\n//! | {major}.{minor} | {text}\n")), "{text}");
    }
}

fn group_signals() -> Option<bool> {
    let child =
        Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).process_group(0).spawn().unwrap();
    let result = child.pidfd().send_signal_to_group(0);
    child.kill().unwrap();
    child.wait().unwrap();
    Some(result.is_ok())
}

fn tells_reaping() -> Option<bool> {
    let (child, stdin) = held_with(0);
    let pidfd = Pidfd::from_child(&child).unwrap();
    drop(stdin);
    until_ended(&pidfd);
    reap_by_pid(child.id());
    let mut fds = [PollFd::new(&pidfd, PollFlags::empty())];
    retry_on_intr(|| poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))).unwrap();
    Some(fds[0].revents().contains(PollFlags::HUP))
}

fn release_memory() -> Option<bool> {
    let child = common::held_and_running();
    let pidfd = Pidfd::from_child(&child).unwrap();
    pidfd.kill().unwrap();
    let released = pidfd.release_memory();
    pidfd.wait().unwrap();
    Some(released.is_ok())
}

fn from_peer() -> Option<bool> {
    let (socket, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    let is_passed = Pidfd::set_passing(&socket, true).is_ok();
    assert_eq!(Pidfd::from_peer(&socket).is_ok(), is_passed);
    Some(is_passed)
}

fn open_thread() -> Option<bool> {
    Some(Pidfd::open_thread(std::process::id()).is_ok())
}

/// An exact identity has it.
fn id() -> Option<bool> {
    let me = Pidfd::open(std::process::id()).unwrap();
    let id = me.id().ok();
    let identity = me.identity().unwrap().to_string();
    assert_eq!(id.is_some(), id.is_some_and(|id| identity.ends_with(&format!(".i{id}"))));
    Some(id.is_some())
}

fn namespace() -> Option<bool> {
    Some(Pidfd::open(std::process::id()).unwrap().namespace(childset::Namespace::Mount).is_ok())
}

fn info() -> Option<bool> {
    Some(Pidfd::open(std::process::id()).unwrap().info().is_ok())
}

fn stolen_status() -> Option<bool> {
    let mut std = held();
    let pid = std.id();
    let stdin = std.stdin.take();
    let child = Child::try_from(std).unwrap();
    drop(stdin);
    reap_by_pid(pid);
    Some(child.wait().is_ok())
}

fn detach() -> Option<bool> {
    let mut command = Command::new("cat");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).autoreap(true).spawn().unwrap();
    let pidfd = child.pidfd().try_clone().unwrap();
    drop(child.stdin.take());
    until_ended(&pidfd);
    let zombie = common::zombies() > 0;
    if !zombie {
        until_reaped(&pidfd);
    }
    assert!(child.wait().unwrap().success());
    Some(!zombie)
}

fn kill_with_parent() -> Option<bool> {
    let mut command = Command::new("cat");
    command.stdin(Stdio::piped()).stdout(Stdio::null()).no_new_privs(true).kill_with_parent(true);
    let mut child = command.spawn().unwrap();
    drop(child.stdin.take());
    // Who reaps knows the resource use.
    Some(child.wait().unwrap().usage().is_none())
}
