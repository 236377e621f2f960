//! A program whose descriptors 0, 1 and 2 are free, as a daemon's may be: nothing of the crate's takes them, so that
//! nobody prints into a pidfd or into a child's input.

#![allow(unsafe_code)]

mod common;

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use childset::{Child, ChildSet, Command, Pidfd, Stdio};
use common::{by_std, Limit};

const TESTS: &[(&str, fn())] = &[
    ("pidfds", pidfds),
    ("pipes", pipes),
    ("sets", sets),
    ("traced", traced),
    ("error_too", error_too),
    ("no_other_number", no_other_number),
    ("no_standard_output", no_standard_output),
    #[cfg(feature = "async-io")]
    ("awaits", awaits),
];

fn main() {
    if let Some(role) = common::role() {
        return common::tracer(role.parse().unwrap());
    }
    common::main_with(TESTS, |_, test| {
        // Standard error, by which a failing test speaks, stays.
        for number in [0, 1] {
            // Unless they are closed already. SAFETY: nobody uses them in this test.
            unsafe { libc::close(number) };
        }
        are_free();
        test();
        are_free();
    });
}

#[track_caller]
fn are_free() {
    for number in [0, 1] {
        // SAFETY: it touches no memory.
        assert_eq!(unsafe { libc::fcntl(number, libc::F_GETFD) }, -1, "{number} was taken");
    }
}

#[track_caller]
fn is_above(fd: impl AsFd) {
    assert!(fd.as_fd().as_raw_fd() > 2);
    are_free();
}

fn pidfds() {
    let me = Pidfd::open(std::process::id()).unwrap();
    is_above(&me);
    is_above(me.try_clone().unwrap());
    is_above(me.getfd(me.as_fd().as_raw_fd()).unwrap());
    for command in [&mut Command::new("true"), &mut by_std("true")] {
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.spawn().unwrap();
        is_above(child.pidfd());
        child.wait().unwrap();
    }
    let mut std = std::process::Command::new("true");
    std.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null());
    let child = Child::try_from(std.spawn().unwrap()).unwrap();
    is_above(child.pidfd());
    child.wait().unwrap();
    child.wait_timeout(Duration::ZERO).unwrap();
}

/// Nothing can be made the same as a standard output that is not there, nor as a pidfd that has its number.
fn no_standard_output() {
    no_output_to_share();
    let zero = File::open("/dev/null").unwrap();
    assert_eq!(zero.as_raw_fd(), 0);
    no_output_to_share();
}

fn no_output_to_share() {
    for mut command in [Command::new("true"), by_std("true")] {
        for result in [command.stderr_to_stdout().spawn(), command.launch()] {
            let error = result.and_then(|child| child.wait()).unwrap_err();
            assert_eq!(common::errno(&error), libc::EBADF);
            assert!(error.to_string().contains("the child's standard error"), "{error}");
        }
        assert!(command.stdout(Stdio::null()).wait().unwrap().success());
    }
}

fn pipes() {
    for mut command in [Command::new("cat"), by_std("cat"), piped_by_std()] {
        command.stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        is_above(child.stdin.as_ref().unwrap());
        is_above(child.stdout.as_ref().unwrap());
        is_above(child.stderr.as_ref().unwrap());
        child.stdin.as_ref().unwrap().blocking().write_all(b"hello").unwrap();
        drop(child.stdin.take());
        assert_eq!(child.wait_with_output().unwrap().stdout, b"hello");
    }
}

/// An opaque `Stdio`, with which only `std` can make the process.
fn piped_by_std() -> Command {
    let mut command = Command::new("cat");
    command.stdin(std::process::Stdio::piped());
    command
}

fn sets() {
    let set = ChildSet::new().unwrap();
    is_above(&set);
    set.spawn(Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()), ()).unwrap();
    // Threads that block are woken by a descriptor.
    assert!(set.wait(Some(Duration::from_millis(20))).unwrap().is_none());
    are_free();
    drop(set);
    are_free();
    childset::reap_dropped();
}

/// Where a tracer holds the zombie back, a child is waited for with a further descriptor.
fn traced() {
    let child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut tracer = common::reexec(&child.id().to_string());
    tracer.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut tracer = tracer.spawn().unwrap();
    // The tracer's own pipes may lie there.
    let stdin = rustix::io::fcntl_dupfd_cloexec(tracer.stdin.take().unwrap(), 3).unwrap();
    let stdout = File::from(rustix::io::fcntl_dupfd_cloexec(tracer.stdout.take().unwrap(), 3).unwrap());
    let mut said = String::new();
    BufReader::new(stdout).read_line(&mut said).unwrap();
    if said == "started\n" {
        child.kill().unwrap();
        common::until_ended(child.pidfd());
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| child.wait_timeout(Duration::from_millis(200)));
            // A new descriptor lies there until it is moved.
            std::thread::sleep(Duration::from_millis(100));
            if !waiting.is_finished() {
                are_free();
            }
            assert!(waiting.join().unwrap().unwrap().is_none());
        });
    }
    drop(stdin);
    tracer.wait().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Where standard error is closed, too.
fn error_too() {
    if rustix::io::fcntl_getfd(std::io::stderr()).is_err() {
        return common::skipped("standard error is closed");
    }
    let saved = rustix::io::fcntl_dupfd_cloexec(std::io::stderr(), 100).unwrap();
    // SAFETY: nobody speaks until it is back.
    assert_eq!(unsafe { libc::close(2) }, 0);
    let made = || -> std::io::Result<_> {
        let set = ChildSet::<()>::new()?;
        let mut command = Command::new("cat");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn()?;
        let pipes = [child.stdout.as_ref().unwrap().as_raw_fd(), child.stderr.as_ref().unwrap().as_raw_fd()];
        let numbers =
            [set.as_raw_fd(), child.pidfd().as_fd().as_raw_fd(), child.stdin.as_ref().unwrap().as_raw_fd()];
        Ok((numbers.to_vec(), pipes, child.wait_with_output()?))
    };
    let made = made();
    // SAFETY: asking for a number, and giving back what was there.
    let is_free = unsafe {
        let is_free = libc::fcntl(2, libc::F_GETFD) == -1;
        libc::dup2(saved.as_raw_fd(), 2);
        is_free
    };
    let (numbers, pipes, output) = made.unwrap();
    assert!(numbers.iter().chain(&pipes).all(|&number| number > 2), "{numbers:?}, {pipes:?}");
    assert!(is_free && output.status.success());
}

/// Where no number above them is to be had, it fails, and nothing is left.
fn no_other_number() {
    let limit = Limit::with_spare(0);
    for number in [0, 1] {
        // SAFETY: fillers of the limit, which has taken these, too; they are not closed twice, since it is forgotten.
        assert_eq!(unsafe { libc::close(number) }, 0);
    }
    let mut command = Command::new("true");
    let results = [
        Pidfd::open(std::process::id()).map(drop),
        ChildSet::<()>::new().map(drop),
        command.spawn().map(drop),
        command.stdin(Stdio::piped()).spawn().map(drop),
    ];
    for result in results {
        let error = result.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EMFILE), "{error:?}");
    }
    are_free();
    common::no_child_is_left();
    std::mem::forget(limit);
}

#[cfg(feature = "async-io")]
fn awaits() {
    use futures_lite::future::block_on;
    let output = block_on(Command::new("echo").arg("hello").output()).unwrap();
    assert_eq!(output.stdout, b"hello\n");
    are_free();
    let set = ChildSet::new().unwrap();
    let mut command = Command::new("true");
    set.spawn(command.stdin(Stdio::null()).stdout(Stdio::null()), ()).unwrap();
    assert!(block_on(set.next()).unwrap().is_ok());
}
