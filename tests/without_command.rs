//! The crate without the feature `command`: children of `std`, adopted children, strangers and signals.
//!
//! It uses nothing of `common`, which makes children with `Command`.

use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::process::{Child as StdChild, Command, Stdio};
use std::time::Duration;

use childset::{Child, ChildSet, Gone, InsertError, Pidfd, Signal, State, StatusUnknown};
use rustix::event::{PollFd, PollFlags};

/// A child that lives until its standard input is closed.
fn held() -> StdChild {
    Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap()
}

#[test]
fn children_of_std_come_out_of_a_set() {
    let set = ChildSet::new().unwrap();
    for code in [3, 1, 2] {
        let script = format!("echo {code}; exit {code}");
        let child = Command::new("sh").args(["-c", &script]).stdout(Stdio::piped()).spawn().unwrap();
        set.insert(child, code).unwrap();
    }
    let mut codes = Vec::new();
    while let Some(exited) = set.wait(None).unwrap() {
        let tag = exited.tag;
        let exit = exited.exit.as_ref().unwrap();
        assert_eq!(exit.code(), Some(tag));
        assert!(exit.usage().is_some());
        let mut text = String::new();
        exited.into_child().stdout.unwrap().blocking().read_to_string(&mut text).unwrap();
        assert_eq!(text, format!("{tag}\n"));
        codes.push(tag);
    }
    codes.sort_unstable();
    assert_eq!(codes, [1, 2, 3]);
}

#[test]
fn an_adopted_child_is_signalled_and_waited_for() {
    let child = Child::try_from(held()).unwrap();
    assert_eq!(child.try_wait().unwrap(), None);
    child.send_signal(Signal::TERM).unwrap();
    let exit = child.wait().unwrap();
    assert_eq!(exit.signal(), Some(Signal::TERM));
    assert_eq!(child.try_wait().unwrap(), Some(exit));
    let error = child.send_signal(Signal::TERM).unwrap_err();
    assert_eq!(Gone::from_io_error(&error), Some(Gone::Reaped));
    assert!(Child::try_from(held()).unwrap().wait_terminated(Duration::from_secs(60)).is_ok());
}

#[test]
fn the_output_of_an_adopted_child() {
    let tr = Command::new("tr").args(["a-z", "A-Z"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let output = Child::try_from(tr.unwrap()).unwrap().wait_with_input("hello").unwrap();
    assert!(output.status.success());
    assert_eq!(output.stdout, b"HELLO");
}

#[test]
fn a_stranger_is_watched() {
    // A grandchild, whose parent waits for it.
    let script = "sleep 60 & echo $!; wait";
    let mut shell = Command::new("sh").args(["-c", script]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(shell.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let pidfd = Pidfd::open(line.trim().parse().unwrap()).unwrap();
    assert_eq!(pidfd.state().unwrap(), State::Running);
    let set = ChildSet::new().unwrap();
    set.insert(pidfd.try_clone().unwrap(), "stranger").unwrap();
    assert!(set.try_wait().unwrap().is_none());
    pidfd.send_signal(Signal::KILL).unwrap();
    let exited = set.wait(None).unwrap().unwrap();
    assert_eq!(exited.tag, "stranger");
    match exited.exit {
        // Its parent has reaped it by then.
        Ok(exit) => assert_eq!(exit.signal(), Some(Signal::KILL)),
        Err(error) => assert!(StatusUnknown::from_io_error(&error).is_some(), "{error}"),
    }
    assert!(shell.wait().unwrap().success());
}

#[test]
fn a_set_ends_its_children() {
    let set = ChildSet::new().unwrap();
    for tag in 0..3 {
        set.insert(Command::new("sleep").arg("60").spawn().unwrap(), tag).unwrap();
    }
    let mut ended: Vec<_> = Vec::new();
    set.send_signal_to_all(Signal::TERM).unwrap();
    while let Some(exited) = set.wait(None).unwrap() {
        assert_eq!(exited.exit.unwrap().signal(), Some(Signal::TERM));
        ended.push(exited.tag);
    }
    ended.sort_unstable();
    assert_eq!(ended, [0, 1, 2]);
}

#[test]
fn a_closed_set_gives_the_child_back() {
    let set = ChildSet::new().unwrap();
    set.close();
    let InsertError { error, mut child, tag, .. } = set.insert(held(), 7).unwrap_err();
    assert_eq!((error.kind(), tag), (ErrorKind::BrokenPipe, 7));
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_dropped_child_leaves_no_zombie() {
    let mut std = held();
    let pidfd = Pidfd::from_child(&std).unwrap();
    let stdin = std.stdin.take();
    drop(Child::try_from(std).unwrap());
    drop(stdin);
    while pidfd.state().unwrap() != State::Reaped {
        let mut fds = [PollFd::new(&pidfd, PollFlags::IN)];
        rustix::io::retry_on_intr(|| rustix::event::poll(&mut fds, None)).unwrap();
        childset::reap_dropped();
    }
}

#[cfg(feature = "async-io")]
#[test]
fn an_exit_is_awaited() {
    futures_lite::future::block_on(async {
        let set = ChildSet::new().unwrap();
        set.insert(Command::new("true").spawn().unwrap(), "set").unwrap();
        assert!(set.next().await.unwrap().unwrap().exit.unwrap().success());
        let child = Child::try_from(Command::new("false").spawn().unwrap()).unwrap();
        assert_eq!(child.exit().await.unwrap().code(), Some(1));
    });
}
