//! How exits come out of a set, and with what.

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::Duration;

use childset::{ChildSet, Pidfd};

use crate::common::exiting;
use crate::is_readable;

#[test]
fn an_empty_set_has_no_exit() {
    let set = ChildSet::<()>::new().unwrap();
    assert!(set.is_empty());
    assert!(set.try_wait().unwrap().is_none());
    assert!(set.wait(None).unwrap().is_none());
    assert!(!is_readable(&set));
}

#[test]
fn exits_come_out_with_tag_pid_key_and_status() {
    let set = ChildSet::new().unwrap();
    let mut expected = Vec::new();
    for code in 0..20 {
        let child = exiting(code);
        let pid = child.id();
        expected.push((set.insert(child, code).unwrap(), Some(pid), code));
    }
    let mut got = Vec::new();
    while let Some(exited) = set.wait(None).unwrap() {
        let exit = exited.exit.unwrap();
        assert_eq!(exit.code(), Some(exited.tag));
        assert_eq!(exited.child.wait().unwrap(), exit, "the child keeps its exit");
        assert!(exit.usage().unwrap().minor_faults > 0);
        got.push((exited.key, exited.pid, exited.tag));
    }
    got.sort();
    expected.sort();
    assert_eq!(got, expected);
}

#[test]
fn a_pipe_is_read_after_the_exit() {
    let set = ChildSet::new().unwrap();
    let child = Command::new("echo").arg("hello").stdout(Stdio::piped()).spawn().unwrap();
    set.insert(child, ()).unwrap();
    let mut child = set.wait(None).unwrap().unwrap().into_child();
    let mut text = String::new();
    child.stdout.take().unwrap().blocking().read_to_string(&mut text).unwrap();
    assert_eq!(text, "hello\n");
}

#[test]
fn the_set_keeps_pipes_open() {
    let set = ChildSet::new().unwrap();
    let child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let key = set.insert(child, ()).unwrap();
    assert!(set.wait(Some(Duration::from_millis(20))).unwrap().is_none());
    let (mut child, ()) = set.remove(key).unwrap();
    drop(child.stdin.take().expect("untouched"));
    assert!(child.wait().unwrap().success());
    // All three of std's.
    let mut shell = Command::new("sh");
    shell.args(["-c", "cat; echo error >&2"]);
    shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let key = set.insert(shell.spawn().unwrap(), ()).unwrap();
    let mut told = String::new();
    std::io::Write::write_all(&mut set.take_stdin(key).unwrap().blocking(), b"output, ").unwrap();
    set.take_stdout(key).unwrap().blocking().read_to_string(&mut told).unwrap();
    set.take_stderr(key).unwrap().blocking().read_to_string(&mut told).unwrap();
    assert_eq!(told, "output, error\n");
    assert!(set.wait(None).unwrap().unwrap().exit.unwrap().success());
}

#[test]
fn a_child_whose_exit_was_taken_before_comes_out_with_it() {
    let set = ChildSet::new().unwrap();
    let child = childset::Child::try_from(exiting(9)).unwrap();
    let exit = child.wait().unwrap();
    set.insert(child, ()).unwrap();
    assert!(is_readable(&set));
    let exited = set.try_wait().unwrap().unwrap();
    assert_eq!(exited.exit.unwrap(), exit);
    assert_eq!(exited.child.wait().unwrap(), exit);
}

#[test]
fn what_is_no_pidfd_is_given_back() {
    let set = ChildSet::<u8>::new().unwrap();
    let file = std::fs::File::open("/dev/null").unwrap();
    let error = set.insert(Pidfd::from(std::os::fd::OwnedFd::from(file)), 7).unwrap_err();
    assert_eq!(error.error.raw_os_error(), Some(libc::EBADF));
    assert_eq!(error.tag, 7);
    assert!(set.is_empty());
}

/// The set does not forget what was said about the child: 200 ms after the exit nobody would wait any more.
#[test]
fn a_drain_grace_survives_the_set() {
    let set = ChildSet::new().unwrap();
    let mut command = childset::Command::new("sh");
    command.args(["-c", "{ sleep 1; echo late; } &"]).stdout(childset::Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.set_drain_grace(Duration::from_secs(60));
    set.insert(child, ()).unwrap();
    let child = set.wait(None).unwrap().unwrap().into_child();
    assert_eq!(child.wait_with_output().unwrap().stdout, b"late\n");
}

/// Its process is gone: it comes out at once, with what the kernel still knows.
#[test]
#[allow(clippy::zombie_processes)] // Its pidfd waits for it.
fn a_reaped_pidfd_comes_out() {
    let set = ChildSet::new().unwrap();
    let child = exiting(6);
    let pidfd = Pidfd::from_child(&child).unwrap();
    let exit = pidfd.wait().unwrap();
    set.insert(pidfd, 6).unwrap();
    assert!(is_readable(&set));
    let exited = set.wait(None).unwrap().unwrap();
    assert_eq!(exited.tag, 6);
    match exited.exit {
        // Linux 6.15 and later.
        Ok(known) => assert_eq!((known.code(), known.usage()), (exit.code(), None)),
        Err(error) => assert!(childset::StatusUnknown::from_io_error(&error).is_some(), "{error}"),
    }
    assert!(set.is_empty() && !is_readable(&set));
}

#[test]
fn a_set_is_send_and_sync() {
    fn check<S: Send + Sync>() {}
    check::<ChildSet<std::cell::Cell<u8>>>();
}
