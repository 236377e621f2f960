//! What no signal can be timed for: strace interrupts a call that it knows.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::Command as StdCommand;
use std::thread;

use childset::{ChildStdin, ChildStdout, Pidfd, State};

use crate::common::{self, held_with};
use crate::held;

/// Before its closure runs, the child reads from the parent, and the parent from the child.
pub(crate) fn both_sides_of_a_fork() {
    thread::scope(|scope| {
        let (sender, receiver) = std::sync::mpsc::channel();
        let spawner = scope.spawn(move || {
            let held = common::seccomp::hold(libc::SYS_read);
            let works = held.is_ok();
            sender.send(held).unwrap();
            works.then(|| common::by_std("true").spawn())
        });
        let held = match receiver.recv().unwrap() {
            Ok(held) => held,
            Err(error) => return common::skipped(format_args!("system calls cannot be held: {error}")),
        };
        // The first one of each process.
        let mut interrupted = Vec::new();
        while !spawner.is_finished() {
            match held.next(1) {
                Some(call) if !interrupted.contains(&call.pid) => {
                    interrupted.push(call.pid);
                    held.refuse(call, libc::EINTR);
                }
                Some(call) => held.go_on(call),
                None => {}
            }
        }
        let child = spawner.join().unwrap().expect("calls are held").unwrap();
        assert!(interrupted.contains(&(child.id() as i32)) && interrupted.len() == 2, "{interrupted:?}");
        while child.try_wait().unwrap().is_none() {
            held.next(1).into_iter().for_each(|call| held.go_on(call));
        }
        assert!(child.wait().unwrap().success());
    });
}

pub(crate) fn inject(role: &str, injected: &[&str], more: &[&str]) {
    if common::strace::works() {
        common::strace::strace(injected, more, common::reexec(role)).unwrap();
    }
}

/// A look that does not block is interrupted, too, where a signal is there.
pub(crate) fn looks() {
    let (child, stdin) = held_with(7);
    let pidfd = Pidfd::from_child(&child).unwrap();
    for _ in 0..10 {
        assert_eq!(pidfd.state().unwrap(), State::Running);
    }
    drop(stdin);
    assert_eq!(pidfd.wait().unwrap().code(), Some(7));
}

const PATH: &str = "CHILDSET_TEST_FIFO";

/// Each call for this fifo fails at first: strace knows it by its path.
pub(crate) fn pipes(role: &str, call: &str) {
    if !common::strace::works() {
        return;
    }
    let place = common::Dir::new();
    let path = place.path().join("fifo");
    assert!(StdCommand::new("mkfifo").arg(&path).status().unwrap().success());
    for number in 1..=3 {
        let mut command = common::reexec(role);
        command.env(PATH, &path);
        let injected = format!("{call}:error=EINTR:when={number}");
        let result = common::strace::strace(&[&injected], &["-P", path.to_str().unwrap()], command);
        result.unwrap_or_else(|why| panic!("{injected}: {why}"));
    }
}

/// Its two ends.
fn fifo() -> (OwnedFd, OwnedFd) {
    let path = std::env::var_os(PATH).unwrap();
    // So that nobody waits for the other end.
    let both = File::options().read(true).write(true).open(&path).unwrap();
    let reader = File::open(&path).unwrap();
    let writer = File::options().write(true).open(&path).unwrap();
    drop(both);
    (reader.into(), writer.into())
}

pub(crate) fn reads() {
    let (reader, writer) = fifo();
    let (mut child, stdin) = held();
    child.stdout = Some(ChildStdout::from(reader));
    File::from(writer).write_all(&[b'x'; 3000]).unwrap();
    drop(stdin);
    assert_eq!(child.wait_with_output().unwrap().stdout, [b'x'; 3000]);
}

pub(crate) fn writes() {
    let (reader, writer) = fifo();
    let (mut child, stdin) = held();
    child.stdin = Some(ChildStdin::from(writer));
    drop(stdin);
    assert!(child.wait_with_input([b'x'; 3000]).unwrap().status.success());
    let mut told = Vec::new();
    File::from(reader).read_to_end(&mut told).unwrap();
    assert_eq!(told, [b'x'; 3000]);
}

#[cfg(feature = "async-io")]
pub(crate) fn awaited_reads() {
    use futures_lite::AsyncReadExt;
    let (reader, writer) = fifo();
    File::from(writer).write_all(b"hello").unwrap();
    let mut told = String::new();
    let mut reader = ChildStdout::from(reader);
    let read = futures_lite::future::block_on(AsyncReadExt::read_to_string(&mut reader, &mut told));
    assert_eq!((read.unwrap(), told.as_str()), (5, "hello"));
}

#[cfg(feature = "async-io")]
pub(crate) fn awaited_writes() {
    use futures_lite::AsyncWriteExt;
    let (reader, writer) = fifo();
    let mut writer = ChildStdin::from(writer);
    for _ in 0..3 {
        // `write_all` would try again by itself.
        let written = futures_lite::future::block_on(AsyncWriteExt::write(&mut writer, b"abc"));
        assert_eq!(written.unwrap(), 3);
    }
    drop(writer);
    let mut told = Vec::new();
    File::from(reader).read_to_end(&mut told).unwrap();
    assert_eq!(told, b"abcabcabc");
}
