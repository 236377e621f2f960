//! What is awaited, while a system call fails.

use std::io;
use std::time::Duration;

use childset::{Child, ChildSet, ChildStdin, Command, State, Stdio};
use futures_lite::future::{block_on, poll_once};
use futures_lite::AsyncReadExt;

use crate::common;
use crate::events::{check_writer, set_of_writers, writer, Seen};
use crate::waits::insert;
use crate::{held, twice};

pub(crate) fn next() {
    let set = twice(ChildSet::new);
    let (child, stdin) = held();
    insert(&set, child, 1);
    let mut errors = 0;
    let mut next = set.next();
    while let Some(polled) = block_on(poll_once(&mut next)) {
        assert!(polled.unwrap().is_err());
        errors += 1;
        next = set.next();
    }
    drop(stdin);
    loop {
        match block_on(&mut next).unwrap() {
            Ok(exited) => {
                assert!(exited.exit.unwrap().success());
                break;
            }
            Err(_) => errors += 1,
        }
        next = set.next();
    }
    assert!(errors <= 1, "{errors}");
}

pub(crate) fn set_events() {
    let set = set_of_writers();
    let mut events = twice(|| set.events());
    let mut seen = Seen::default();
    while let Some(event) = block_on(events.next()) {
        seen.add(event);
    }
    seen.check();
}

pub(crate) fn child_events() {
    let mut events = writer().events().unwrap();
    check_writer(|| block_on(events.next()));
}

fn take(child: &Child, stdin: ChildStdin) {
    let mut errors = 0;
    let mut exit = Box::pin(child.exit());
    while let Some(polled) = block_on(poll_once(&mut exit)) {
        assert!(polled.is_err());
        errors += 1;
        exit = Box::pin(child.exit());
    }
    drop(stdin);
    let exit = block_on(exit).or_else(|_| {
        errors += 1;
        block_on(child.exit())
    });
    assert!(exit.unwrap().success() && errors <= 1, "{errors}");
}

pub(crate) fn exit() {
    let (child, stdin) = held();
    take(&child, stdin);
}

/// Threads are made by the call that makes processes.
pub(crate) fn exit_of_std() {
    let mut child = twice(|| {
        std::process::Command::new("cat")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::null())
            .spawn()
    });
    let stdin = child.stdin.take().unwrap().into();
    take(&Child::try_from(child).unwrap(), stdin);
}

pub(crate) fn pipe() {
    // It answers after a while, so that it has to be waited for, and keeps the pipe open.
    let mut command = Command::new("sh");
    command.args(["-c", "read line; sleep 0.3; printf x; read line; exit 0"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut errors = 0;
    while let Some(polled) = block_on(poll_once(AsyncReadExt::read(&mut stdout, &mut [0]))) {
        assert!(polled.is_err());
        errors += 1;
    }
    io::Write::write_all(&mut stdin.blocking(), b"\n").unwrap();
    let mut byte = [0];
    let read = block_on(AsyncReadExt::read(&mut stdout, &mut byte));
    let read = read.or_else(|_| {
        errors += 1;
        block_on(AsyncReadExt::read(&mut stdout, &mut byte))
    });
    assert_eq!((read.unwrap(), byte), (1, *b"x"));
    assert!(errors <= 1, "{errors}");
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

/// Nobody calls again: the reactor alone reaps.
pub(crate) fn attended() {
    let (child, stdin) = held();
    take(&child, stdin);
    let (dropped, dropped_stdin) = held();
    let pidfd = dropped.pidfd().try_clone().unwrap();
    drop(dropped);
    drop(dropped_stdin);
    common::until_ended(&pidfd);
    if pidfd.state().unwrap() != State::Reaped {
        // Where it could not be watched, the next call reaps it.
        std::thread::sleep(Duration::from_millis(50));
        common::reap_all_dropped();
    }
    assert_eq!(pidfd.state().unwrap(), State::Reaped);
}
