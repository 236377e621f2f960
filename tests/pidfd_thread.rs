//! Threads behind pidfds, and the memory of processes that are killed.

// The lint does not know that a pidfd reaps.
#![allow(clippy::zombie_processes)]

mod common;

use std::fs;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::mpsc::{channel, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use childset::{ChildSet, Gone, Pidfd, Signal, State, StatusUnknown};
use common::{held, held_and_running, held_with, kernel, until_ended, until_reaped};

/// A thread that lives until the sender is dropped, and its id.
fn held_thread() -> (u32, Sender<()>, JoinHandle<()>) {
    let (tell, told) = channel();
    let (end, ended) = channel::<()>();
    let thread = thread::spawn(move || {
        tell.send(rustix::thread::gettid().as_raw_nonzero().get() as u32).unwrap();
        ended.recv().unwrap_err();
    });
    (told.recv().unwrap(), end, thread)
}

/// Or the typed refusal of a kernel that has none.
fn open(tid: u32) -> Option<Pidfd> {
    match Pidfd::open_thread(tid) {
        Ok(pidfd) => {
            assert!(kernel() >= (6, 9));
            Some(pidfd)
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
            assert!(kernel() < (6, 9), "{error}");
            None
        }
    }
}

fn unknown(error: std::io::Error) -> StatusUnknown {
    StatusUnknown::from_io_error(&error).unwrap_or_else(|| panic!("{error:?}"))
}

#[test]
fn a_thread_ends_without_a_status() {
    let (tid, end, thread) = held_thread();
    let Some(pidfd) = open(tid) else { return };
    assert_eq!(pidfd.pid().unwrap(), Some(std::process::id()));
    assert_eq!(pidfd.state().unwrap(), State::Running);
    assert!(pidfd.try_wait().unwrap().is_none());
    drop(end);
    assert_eq!(unknown(pidfd.wait().unwrap_err()), StatusUnknown::Thread);
    assert_eq!(unknown(pidfd.try_wait().unwrap_err()), StatusUnknown::Thread);
    thread.join().unwrap();
    // The kernel removes it a moment after it has ended.
    until_reaped(&pidfd);
    assert_eq!(Gone::from_io_error(&pidfd.send_signal(0).unwrap_err()), Some(Gone::Reaped));
}

#[test]
fn a_set_gives_threads_and_processes_as_they_end() {
    let set = ChildSet::new().unwrap();
    let (tid, end, thread) = held_thread();
    let Some(pidfd) = open(tid) else { return };
    let key = set.insert(pidfd, "thread").unwrap();
    let (child, stdin) = held_with(3);
    set.insert(child, "child").unwrap();
    assert!(set.try_wait().unwrap().is_none());
    drop(stdin);
    let exited = set.wait(None).unwrap().unwrap();
    assert_eq!((exited.tag, exited.exit.unwrap().code()), ("child", Some(3)));
    assert!(set.wait(Some(Duration::ZERO)).unwrap().is_none());
    drop(end);
    let exited = set.wait(None).unwrap().unwrap();
    assert_eq!((exited.tag, exited.key), ("thread", key));
    assert_eq!(unknown(exited.exit.unwrap_err()), StatusUnknown::Thread);
    thread.join().unwrap();
    assert!(set.is_empty());
}

#[test]
#[cfg(feature = "async-io")]
fn a_thread_is_awaited() {
    use childset::AsyncPidfdExt;
    let (tid, end, thread) = held_thread();
    let Some(pidfd) = open(tid) else { return };
    let pidfd = async_io::Async::new_nonblocking(pidfd).unwrap();
    drop(end);
    futures_lite::future::block_on(async {
        pidfd.exited().await.unwrap();
        assert_eq!(unknown(pidfd.exit().await.unwrap_err()), StatusUnknown::Thread);
    });
    thread.join().unwrap();
}

#[test]
fn the_first_thread_of_a_child_is_the_child() {
    let (child, stdin) = held_with(5);
    let Some(pidfd) = open(child.id()) else { return };
    let set = ChildSet::new().unwrap();
    set.insert(pidfd.try_clone().unwrap(), ()).unwrap();
    drop(stdin);
    assert_eq!(set.wait(None).unwrap().unwrap().exit.unwrap().code(), Some(5));
    assert_eq!(pidfd.state().unwrap(), State::Reaped);
    drop(child);
}

#[test]
fn there_is_no_such_thread() {
    assert_eq!(Pidfd::open_thread(0).unwrap_err().raw_os_error(), Some(libc::EINVAL));
    assert_eq!(Pidfd::open_thread(u32::MAX).unwrap_err().raw_os_error(), Some(libc::EINVAL));
    let mut child = held();
    let pid = child.id();
    child.kill().unwrap();
    child.wait().unwrap();
    let error = Pidfd::open_thread(pid).unwrap_err();
    match kernel() >= (6, 9) {
        true => assert_eq!(Gone::from_io_error(&error), Some(Gone::Reaped), "{error}"),
        // Whether the number or the flag is looked at first, is the kernel's to say.
        false => assert!([ErrorKind::Unsupported, ErrorKind::NotFound].contains(&error.kind()), "{error}"),
    }
}

#[test]
fn memory_of_a_killed_process_is_released() {
    let child = held_and_running();
    let pidfd = Pidfd::from_child(&child).unwrap();
    if kernel() < (5, 15) {
        assert_eq!(pidfd.release_memory().unwrap_err().kind(), ErrorKind::Unsupported);
        pidfd.kill().unwrap();
        pidfd.wait().unwrap();
        return;
    }
    assert_eq!(pidfd.release_memory().unwrap_err().raw_os_error(), Some(libc::EINVAL));
    pidfd.kill().unwrap();
    pidfd.release_memory().unwrap();
    // A zombie has none, nor has who was reaped.
    until_ended(&pidfd);
    pidfd.release_memory().unwrap();
    assert_eq!(pidfd.wait().unwrap().signal(), Some(Signal::KILL));
    pidfd.release_memory().unwrap();
}

/// The kernel says no other way when it has done that.
fn until(mut is_done: impl FnMut() -> bool) {
    assert!((0..3000).any(|_| is_done() || {
        thread::sleep(Duration::from_millis(10));
        false
    }));
}

/// A group of processes that the kernel keeps from running, even to their end. Only its first version does.
struct Freezer(PathBuf);

impl Freezer {
    fn new() -> std::io::Result<Freezer> {
        let freezer =
            Path::new("/sys/fs/cgroup/freezer").join(format!("childset-test-{}", std::process::id()));
        fs::create_dir(&freezer)?;
        Ok(Freezer(freezer))
    }

    fn freeze(&self, pid: u32) {
        fs::write(self.0.join("cgroup.procs"), pid.to_string()).unwrap();
        let state = self.0.join("freezer.state");
        fs::write(&state, "FROZEN").unwrap();
        until(|| fs::read_to_string(&state).unwrap() == "FROZEN\n");
    }
}

impl Drop for Freezer {
    fn drop(&mut self) {
        let _ = fs::write(self.0.join("freezer.state"), "THAWED");
        // The processes leave it at their end.
        until(|| fs::remove_dir(&self.0).is_ok());
    }
}

#[test]
fn memory_is_freed_before_the_process_can_end() {
    let freezer = match Freezer::new() {
        Ok(freezer) => freezer,
        Err(error) => {
            return common::skipped(format_args!("no freezer of cgroups, which takes root: {error}"))
        }
    };
    if kernel() < (5, 15) {
        return common::skipped("process_mrelease needs Linux 5.15");
    }
    // It reads all of it into its memory, and cannot write all into a pipe that nobody reads.
    let mut child = std::process::Command::new("dd")
        .args(["if=/dev/zero", "bs=32M", "count=1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    let statm = format!("/proc/{}/statm", child.id());
    let resident =
        || fs::read_to_string(&statm).unwrap().split(' ').nth(1).unwrap().parse::<usize>().unwrap();
    let most = 32 * 1024 * 1024 / rustix::param::page_size();
    let pidfd = Pidfd::from_child(&child).unwrap();
    freezer.freeze(child.id());
    pidfd.kill().unwrap();
    assert_eq!(pidfd.state().unwrap(), State::Running);
    assert!(resident() >= most, "{}", resident());
    pidfd.release_memory().unwrap();
    assert_eq!(pidfd.state().unwrap(), State::Running);
    assert!(resident() < most / 16, "{}", resident());
    drop(freezer);
    assert_eq!(pidfd.wait().unwrap().signal(), Some(Signal::KILL));
}
