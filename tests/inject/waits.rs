//! Waiting on sets, and dropping children, while a system call fails.

use std::io;
use std::time::Duration;

use childset::{reap_dropped, Child, ChildSet, State};

use crate::common::{self, until_ended};
use crate::{held, twice};

pub(crate) fn insert(set: &ChildSet<u32>, child: Child, tag: u32) {
    if let Err(error) = set.insert(child, tag) {
        set.insert(error.child, error.tag).unwrap();
    }
}

/// The handle keeps the pidfd open after the exit was taken, and the kernel would report it for ever.
pub(crate) fn set() {
    let set = twice(ChildSet::new);
    let (child, stdin) = held();
    let handle = child.handle();
    insert(&set, child, 1);
    let (other, other_stdin) = held();
    insert(&set, other, 2);
    drop(stdin);
    assert!(common::readable(&set, Duration::from_secs(60)));
    let exited = twice(|| set.try_wait()).or_else(|| twice(|| set.try_wait())).unwrap();
    assert_eq!(exited.tag, 1);
    // It comes out even where taking the status failed; then it is to be had from the child.
    assert!(exited.exit.or_else(|_| exited.child.wait()).unwrap().success());
    assert!(handle.known_exit().is_some());
    assert!(twice(|| set.try_wait()).is_none());
    assert!(!common::readable(&set, Duration::ZERO));
    drop(other_stdin);
    let exited = twice(|| set.wait(None)).unwrap();
    assert_eq!(exited.tag, 2);
    assert!(exited.exit.or_else(|_| exited.child.wait()).unwrap().success());
    assert_eq!(common::zombies(), 0);
}

/// One that a tracer holds back, and lets go: by another edge, which there is once.
pub(crate) fn traced() {
    let set = twice(ChildSet::new);
    let (child, _stdin) = held();
    let handle = child.handle();
    let mut tracer = common::reexec(&child.id().to_string());
    let mut tracer =
        tracer.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    let stdout = tracer.stdout.take().unwrap();
    io::BufRead::read_line(&mut io::BufReader::new(stdout), &mut said).unwrap();
    insert(&set, child, 1);
    handle.kill().unwrap();
    if said == "started\n" {
        assert!(common::readable(&set, Duration::from_secs(60)));
        assert!(twice(|| set.try_wait()).is_none());
        assert!(!common::readable(&set, Duration::ZERO));
    }
    drop(tracer.stdin.take());
    tracer.wait().unwrap();
    assert!(common::readable(&set, Duration::from_secs(60)));
    let exited = twice(|| set.try_wait()).or_else(|| twice(|| set.try_wait())).unwrap();
    assert_eq!(exited.exit.unwrap().signal(), Some(childset::Signal::KILL));
    assert!(twice(|| set.try_wait()).is_none());
}

pub(crate) fn dropped() {
    let (ended, stdin) = held();
    let (running, running_stdin) = held();
    let pidfds = [&ended, &running].map(|child| child.pidfd().try_clone().unwrap());
    drop(stdin);
    until_ended(&pidfds[0]);
    drop(ended);
    drop(running);
    drop(running_stdin);
    until_ended(&pidfds[1]);
    // Three calls: the one that fails must not be the last for any child.
    for _ in 0..3 {
        reap_dropped();
    }
    for pidfd in &pidfds {
        assert_eq!(pidfd.state().unwrap(), State::Reaped);
    }
    assert_eq!(reap_dropped(), 0);
}
