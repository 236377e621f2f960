//! Pipes, files and standard descriptors of a launched child, and what it had at the call.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd};

use childset::{Command, Stdio};

use crate::common::{self, check_leaks, pipe, sh, skipped, spawn_asleep, Dir};
use crate::{has_stdio, held, is_spawned, output};

pub(crate) fn pipes() {
    check_leaks(|| {
        for _ in 0..common::times(100) {
            let mut command = Command::new("cat");
            let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).launch().unwrap();
            let stdin = child.stdin.take().unwrap();
            stdin.blocking().write_all(b"hello").unwrap();
            drop(stdin);
            assert_eq!(output(child), "hello");
            // Nobody reads: the writer must hear of it.
            let mut child = Command::new("true").stdin(Stdio::piped()).launch().unwrap();
            let stdin = child.stdin.take().unwrap();
            assert!(child.wait().unwrap().success());
            assert_eq!(stdin.blocking().write(b"x").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
            // Given away.
            let mut echo = Command::new("echo");
            let mut echo = echo.arg("hello").stdout(Stdio::piped()).launch().unwrap();
            let mut cat = Command::new("cat");
            let cat = cat.stdin(echo.stdout.take().unwrap()).stdout(Stdio::piped()).launch().unwrap();
            assert_eq!(output(cat), "hello\n");
            assert!(echo.wait().unwrap().success());
            let both = sh("echo out; echo err >&2").stderr(Stdio::piped()).stdout(Stdio::piped()).launch();
            let both = both.unwrap().wait_with_output().unwrap();
            assert_eq!((both.stdout, both.stderr), (b"out\n".to_vec(), b"err\n".to_vec()));
        }
    });
}

/// The first use of our end waits until the child has descriptors of its own, so that ours of its end is closed.
pub(crate) fn a_pipe_waits_for_the_table() {
    if is_spawned() {
        return;
    }
    held(libc::SYS_close_range, |held| {
        let mut command = Command::new("true");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).launch().unwrap();
        let call = held.next(30_000).expect("the child gets there");
        let stdout = child.stdout.take().unwrap();
        let stdin = child.stdin.take().unwrap();
        std::thread::scope(|scope| {
            let read = spawn_asleep(scope, move || common::read(stdout.blocking(), &mut [0]));
            let lent = spawn_asleep(scope, move || stdin.as_fd().as_raw_fd());
            assert!(!read.is_finished() && !lent.is_finished());
            assert_eq!(child.try_wait().unwrap(), None);
            held.go_on(call);
            // It closes what it does not need.
            while let Some(call) = held.next(1_000) {
                held.go_on(call);
            }
            assert_eq!(read.join().unwrap(), 0);
            lent.join().unwrap();
        });
        assert!(child.wait().unwrap().success());
    });
}

/// The child has what was there at the call, whatever the caller closes after it.
pub(crate) fn files_closed_at_once() {
    let directory = Dir::new();
    let (from, to) = (directory.path().join("from"), directory.path().join("to"));
    fs::write(&from, "what is read").unwrap();
    check_leaks(|| {
        for _ in 0..common::times(100) {
            let mut command = sh("cat; cat <&7");
            command.stdin(File::open(&from).unwrap()).stdout(File::create(&to).unwrap());
            command.fd(7, File::open(&from).unwrap());
            let child = command.launch().unwrap();
            drop(command);
            // Something else under the numbers that they had.
            let others: Vec<_> = (0..8).map(|_| File::open("/dev/null").unwrap()).collect();
            assert!(child.wait().unwrap().success());
            drop(others);
            assert_eq!(fs::read_to_string(&to).unwrap(), "what is readwhat is read");
        }
    });
}

/// A pipe of the program's own, whose end it gives to the command and so closes with it.
pub(crate) fn a_pipe_of_the_caller() {
    for prepared in [false, true] {
        let (mut reader, writer) = pipe();
        let (mut other, other_writer) = pipe();
        let mut command = sh("echo hello; echo other >&5");
        command.stdout(writer).fd(5, other_writer);
        let child = match prepared {
            true => command.prepare().unwrap().launch().unwrap(),
            false => command.launch().unwrap(),
        };
        drop(command);
        let (mut text, mut other_text) = (String::new(), String::new());
        reader.read_to_string(&mut text).unwrap();
        other.read_to_string(&mut other_text).unwrap();
        assert_eq!((&text[..], &other_text[..]), ("hello\n", "other\n"));
        assert!(child.wait().unwrap().success());
        // Or replaces it.
        let (mut reader, writer) = pipe();
        let mut command = sh("echo hello");
        let child = command.stdout(writer).launch().unwrap();
        command.stdout(Stdio::null());
        text.clear();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello\n");
        assert!(child.wait().unwrap().success());
    }
}

pub(crate) fn standard_descriptors_replaced() {
    let directory = Dir::new();
    let (from, to) = (directory.path().join("from"), directory.path().join("to"));
    fs::write(&from, "what is read").unwrap();
    let written = File::create(&to).unwrap();
    let null = File::options().read(true).write(true).open("/dev/null").unwrap();
    // Standard error stays as it is, for this test to be heard.
    let times = common::times(200);
    for _ in 0..times {
        let input = File::open(&from).unwrap();
        // SAFETY: this process has one thread that uses them, and nothing reads or prints meanwhile.
        unsafe {
            assert_eq!(libc::dup2(input.as_raw_fd(), 0), 0);
            assert_eq!(libc::dup2(written.as_raw_fd(), 1), 1);
        }
        let child = Command::new("cat").launch().unwrap();
        // SAFETY: as above.
        unsafe {
            libc::dup2(null.as_raw_fd(), 0);
            libc::dup2(null.as_raw_fd(), 1);
        }
        assert!(child.wait().unwrap().success());
    }
    let read = fs::read_to_string(&to).unwrap();
    assert_eq!(read, "what is read".repeat(times));
}

/// What is closed, or is closed over `execve`, is so in the child.
pub(crate) fn standard_descriptors_closed() {
    if !has_stdio() {
        return skipped("some are closed already, or async-io's");
    }
    let directory = Dir::new();
    let listing = directory.path().join("listing");
    let file = File::options().create(true).append(true).open(&listing).unwrap();
    // SAFETY: nothing of this process reads.
    unsafe { libc::close(0) };
    let list = || {
        file.set_len(0).unwrap();
        let mut command = sh("for fd in 0 1 2; do if [ -e /proc/$$/fd/$fd ]; then echo $fd >&9; fi; done");
        // Above 2.
        command.fd(9, file.try_clone().unwrap());
        let child = command.launch().unwrap();
        assert!(child.wait().unwrap().success());
        fs::read_to_string(&listing).unwrap().lines().map(String::from).collect::<Vec<_>>()
    };
    // SAFETY: nothing of this process prints meanwhile.
    unsafe {
        assert_eq!(list(), ["1", "2"]);
        libc::fcntl(1, libc::F_SETFD, libc::FD_CLOEXEC);
        let listed = list();
        libc::fcntl(1, libc::F_SETFD, 0);
        assert_eq!(listed, ["2"]);
    }
}

pub(crate) fn directory_and_environment_of_the_call() {
    let (one, other) = (Dir::new(), Dir::new());
    for _ in 0..common::times(100) {
        std::env::set_current_dir(one.path()).unwrap();
        // No other thread reads the environment.
        std::env::set_var("MOMENT", "call");
        let child = sh("pwd; echo $MOMENT").stdout(Stdio::piped()).launch().unwrap();
        std::env::set_current_dir(other.path()).unwrap();
        std::env::set_var("MOMENT", "later, and much longer than what was there before");
        assert_eq!(output(child), format!("{}\ncall\n", one.path().display()));
    }
}
