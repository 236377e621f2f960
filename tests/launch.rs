//! `launch`: a child that nobody waits for. Its descriptors, its failures, what is left of it, and who waits for what.

#![allow(unsafe_code)]

mod common;

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use childset::{
    reap_dropped, Child, ChildSet, Command, Containment, Exit, Prepared, Signal, SpawnError, State, Stdio,
    Unit,
};
use common::seccomp::{hold, Held};
use common::{check_leaks, launches, reap_all_dropped, skipped, Dir};

const TESTS: &[(&str, fn())] = &[
    ("returns_before_execve", returns_before_execve),
    ("behind_a_scanner", behind_a_scanner),
    ("failures_are_exits", failures_are_exits),
    ("failures_in_a_set", failures_in_a_set),
    ("failures_of_the_call", failures_of_the_call),
    ("a_script_without_an_interpreter", a_script_without_an_interpreter),
    ("a_busy_program_is_tried_again", a_busy_program_is_tried_again),
    ("killed_before_execve", killed_before_execve),
    ("killed_at_once", killed_at_once),
    ("signalled_before_it_leads", signalled_before_it_leads),
    ("pipes", pipes),
    ("a_pipe_waits_for_the_table", a_pipe_waits_for_the_table),
    ("files_closed_at_once", files_closed_at_once),
    ("a_pipe_of_the_caller", a_pipe_of_the_caller),
    ("standard_descriptors_replaced", standard_descriptors_replaced),
    ("standard_descriptors_closed", standard_descriptors_closed),
    ("directory_and_environment_of_the_call", directory_and_environment_of_the_call),
    ("a_thousand", a_thousand),
    ("sixty_four_on_their_way", sixty_four_on_their_way),
    ("eight_threads", eight_threads),
    ("a_thread_that_ends_at_once", a_thread_that_ends_at_once),
    ("forks_in_between", forks_in_between),
    ("a_set_dropped_at_once", a_set_dropped_at_once),
    ("dropped_at_once", dropped_at_once),
    ("memory_does_not_grow", memory_does_not_grow),
    ("a_small_stack", a_small_stack),
    ("stop_signals", stop_signals),
    ("what_cannot_be_launched", what_cannot_be_launched),
    ("nobody_reaps", nobody_reaps),
];

fn main() {
    match common::role().as_deref() {
        Some("stopped") => stopped_here(),
        Some(role) => unreachable!("{role}"),
        None => common::main_warm(TESTS),
    }
}

/// Says why there is nothing to see here.
fn is_spawned() -> bool {
    if !launches() {
        skipped("what is launched is spawned on this processor, and under a sanitizer");
    }
    !launches()
}

fn output(mut child: Child) -> String {
    let mut text = String::new();
    child.stdout.take().unwrap().blocking().read_to_string(&mut text).unwrap();
    assert!(child.wait().unwrap().success());
    text
}

fn sh(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

/// Has `act` launch, while the children that it makes wait in the system call.
fn held(number: libc::c_long, act: impl FnOnce(&Held)) {
    // What is found out once is found out before.
    assert!(Command::new("true").launch().unwrap().wait().unwrap().success());
    match hold(number) {
        Ok(held) => act(&held),
        Err(error) => skipped(format_args!("system calls cannot be held: {error}")),
    }
}

/// The call returns although the child is still on its way.
fn returns_before_execve() {
    if is_spawned() {
        return;
    }
    held(libc::SYS_execve, |held| {
        let set = ChildSet::new().unwrap();
        // With no search, each calls it once.
        let prepared = Command::new("/bin/true").prepare().unwrap();
        let child = Command::new("/bin/true").launch().unwrap();
        let other = prepared.launch().unwrap();
        set.launch(&prepared, 7).unwrap();
        let calls: Vec<_> = (0..3).map(|_| held.next(30_000).expect("the child gets there")).collect();
        for child in [&child, &other] {
            assert_eq!((child.try_wait().unwrap(), child.pidfd().state().unwrap()), (None, State::Running));
        }
        assert!(set.try_wait().unwrap().is_none());
        calls.into_iter().for_each(|call| held.go_on(call));
        assert!(child.wait().unwrap().success() && other.wait().unwrap().success());
        let exited = set.wait(None).unwrap().unwrap();
        assert!(exited.exit.unwrap().success() && exited.tag == 7);
    });
}

/// A scanner that lets the program be opened only after the call has returned: `spawn` would never return.
fn behind_a_scanner() {
    if is_spawned() {
        return;
    }
    let directory = Dir::new();
    // The name by which busybox knows what to do.
    let program = directory.path().join("true");
    fs::copy(fs::canonicalize("/bin/true").unwrap(), &program).unwrap();
    let path = std::ffi::CString::new(program.to_str().unwrap()).unwrap();
    // SAFETY: numbers, and a path.
    let scanner = unsafe {
        let scanner = libc::fanotify_init(libc::FAN_CLASS_CONTENT | libc::FAN_CLOEXEC, libc::O_RDONLY as u32);
        let (add, mask) = (libc::FAN_MARK_ADD, libc::FAN_OPEN_EXEC_PERM);
        if scanner == -1 || libc::fanotify_mark(scanner, add, mask, libc::AT_FDCWD, path.as_ptr()) == -1 {
            return skipped(format_args!("no scanner, which needs root: {}", io::Error::last_os_error()));
        }
        <OwnedFd as std::os::fd::FromRawFd>::from_raw_fd(scanner)
    };
    let allow = || {
        assert!(common::readable(&scanner, Duration::from_secs(30)));
        // SAFETY: zero is valid for both; so many bytes are written and read.
        unsafe {
            let mut event: libc::fanotify_event_metadata = std::mem::zeroed();
            let (at, size) = ((&raw mut event).cast(), size_of_val(&event));
            assert!(libc::read(scanner.as_raw_fd(), at, size) > 0);
            let answer = libc::fanotify_response { fd: event.fd, response: libc::FAN_ALLOW };
            let (at, size) = ((&raw const answer).cast(), size_of_val(&answer));
            assert_eq!(libc::write(scanner.as_raw_fd(), at, size), size as isize);
            libc::close(event.fd);
        }
    };
    let child = Command::new(&program).launch().unwrap();
    assert_eq!(child.try_wait().unwrap(), None);
    allow();
    assert!(child.wait().unwrap().success());
    // In a set, and killed meanwhile.
    let set = ChildSet::new().unwrap();
    set.launch(&mut Command::new(&program), "set").unwrap();
    let killed = Command::new(&program).launch().unwrap();
    assert!(set.try_wait().unwrap().is_none());
    killed.kill().unwrap();
    allow();
    if common::readable(&scanner, Duration::from_secs(1)) {
        // It had got as far as that.
        allow();
    }
    assert!(set.wait(None).unwrap().unwrap().exit.unwrap().success());
    assert_eq!(killed.wait().unwrap().signal(), Some(Signal::KILL));
}

/// Commands of which each fails at something else.
fn failing(place: &Path) -> Vec<(&'static str, Command)> {
    let not_executable = place.join("text");
    fs::write(&not_executable, "text").unwrap();
    let garbage = place.join("garbage");
    fs::write(&garbage, "exit 3\n").unwrap();
    fs::set_permissions(&garbage, Permissions::from_mode(0o755)).unwrap();
    let mut of_garbage = Command::new(&garbage);
    of_garbage.shell_fallback(false);
    let mut in_no_directory = Command::new("true");
    in_no_directory.current_dir("/no/such/directory");
    let mut in_no_group = Command::new("true");
    in_no_group.process_group(i32::MAX);
    let mut with_no_descriptor = Command::new("true");
    with_no_descriptor.fd(i32::MAX - 1, File::open("/dev/null").unwrap());
    let mut too_long = Command::new("true");
    too_long.args((0..40).map(|_| "x".repeat(100_000)));
    vec![
        ("no such program", Command::new("/no/such/program")),
        ("no such program in PATH", Command::new("no-such-program")),
        ("may not be executed", Command::new(&not_executable)),
        ("a directory", Command::new("/")),
        ("no program", of_garbage),
        ("no such directory", in_no_directory),
        ("no such group", in_no_group),
        ("no such descriptor", with_no_descriptor),
        ("too long", too_long),
    ]
}

/// What `spawn` would have said.
fn assert_same(what: &str, error: &io::Error, expected: &io::Error) {
    assert_eq!(error.to_string(), expected.to_string(), "{what}");
    assert_eq!(error.kind(), expected.kind(), "{what}");
    let errno = |error| SpawnError::from_io_error(error).unwrap().errno();
    assert_eq!(errno(error), errno(expected), "{what}");
}

fn failures_are_exits() {
    if is_spawned() {
        return;
    }
    let directory = Dir::new();
    check_leaks(|| {
        for (what, mut command) in failing(directory.path()) {
            let expected = command.spawn().unwrap_err();
            let child = command.launch().unwrap();
            let handle = child.handle();
            for _ in 0..3 {
                assert_same(what, &child.wait().unwrap_err(), &expected);
                assert_same(what, &child.try_wait().unwrap_err(), &expected);
                assert_same(what, &child.wait_timeout(Duration::MAX).unwrap_err(), &expected);
            }
            assert_eq!((handle.known_exit(), child.pidfd().state().unwrap()), (None, State::Reaped));
            let prepared = command.prepare().unwrap();
            let error = prepared.launch().unwrap().wait_with_output().unwrap_err();
            assert_same(what, &error, &expected);
            #[cfg(feature = "async-io")]
            {
                let child = prepared.launch().unwrap();
                let error = futures_lite::future::block_on(child.exit()).unwrap_err();
                assert_same(what, &error, &expected);
            }
            // Nobody wants to know.
            drop(prepared.launch().unwrap());
            reap_all_dropped();
        }
    });
}

fn failures_in_a_set() {
    if is_spawned() {
        return;
    }
    let directory = Dir::new();
    check_leaks(|| {
        let set = ChildSet::new().unwrap();
        let mut expected = Vec::new();
        for (index, (what, mut command)) in failing(directory.path()).into_iter().enumerate() {
            expected.push((what, command.spawn().unwrap_err()));
            set.launch(&mut command, index).unwrap();
            // Once it was there.
            let key = set.launch(&command.prepare().unwrap(), index).unwrap();
            assert!(set.pid(key).is_some());
            let (child, _) = set.remove(key).unwrap();
            set.insert(child, index).unwrap();
        }
        let mut seen = vec![0; expected.len()];
        while let Some(exited) = set.wait(None).unwrap() {
            let (what, expected) = &expected[exited.tag];
            assert_same(what, &exited.exit.unwrap_err(), expected);
            assert_same(what, &exited.child.wait().unwrap_err(), expected);
            seen[exited.tag] += 1;
        }
        assert!(seen.iter().all(|&count| count == 2), "{seen:?}");
    });
}

/// Whether a child would inherit all three.
fn has_stdio() -> bool {
    // SAFETY: it only asks.
    (0..3).all(|number| unsafe { libc::fcntl(number, libc::F_GETFD) } == 0)
}

/// Before there is a process, it fails as `spawn` does.
fn failures_of_the_call() {
    if is_spawned() {
        return;
    }
    if !has_stdio() {
        return skipped("what is closed needs no copy");
    }
    check_leaks(|| {
        let set = ChildSet::new().unwrap();
        let error = Command::new("true\0").launch().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        let error = set.launch(&mut Command::new("true\0"), "tag").unwrap_err();
        assert_eq!((error.error.kind(), error.tag), (io::ErrorKind::InvalidInput, "tag"));
        let limit = common::Limit::with_spare(1);
        let error = Command::new("true").stdout(Stdio::piped()).launch().unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
        drop(limit);
        // Three copies, and no pidfd.
        for spare in 0..4 {
            let limit = common::Limit::with_spare(spare);
            let error = Command::new("true").launch().unwrap_err();
            let errno = error.raw_os_error().unwrap_or_else(|| common::errno(&error));
            assert_eq!(errno, libc::EMFILE, "{spare}: {error}");
            drop(limit);
        }
        set.close();
        let error = set.launch(&mut Command::new("true"), "tag").unwrap_err();
        assert_eq!((error.error.kind(), error.child.is_none()), (io::ErrorKind::BrokenPipe, true));
    });
}

fn a_script_without_an_interpreter() {
    let directory = Dir::new();
    let script = directory.path().join("script");
    fs::write(&script, "echo \"$# $1 $2\"; exit 7\n").unwrap();
    fs::set_permissions(&script, Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(&script);
    command.args(["one", "two"]).stdout(Stdio::piped());
    // Several at once do not mistake their arguments.
    let prepared = command.prepare().unwrap();
    let children: Vec<_> = (0..20).map(|_| prepared.launch().unwrap()).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.stdout, output.status.code()), (b"2 one two\n".to_vec(), Some(7)));
    }
}

fn a_busy_program_is_tried_again() {
    if is_spawned() {
        return;
    }
    let directory = Dir::new();
    let path = directory.path().join("script");
    for inherit in [false, true] {
        let mut writer = File::create(&path).unwrap();
        writer.write_all(b"#!/bin/sh\nexit 5\n").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        let mut command = Command::new(&path);
        command.inherit_fds(inherit);
        let child = command.launch().unwrap();
        std::thread::sleep(Duration::from_millis(20));
        drop(writer);
        assert_eq!(child.wait().unwrap().code(), Some(5), "inherits: {inherit}");
    }
    // For ever.
    let _writer = fs::OpenOptions::new().append(true).open(&path).unwrap();
    let mut command = Command::new(&path);
    let expected = command.spawn().unwrap_err();
    assert_same("busy", &command.launch().unwrap().wait().unwrap_err(), &expected);
}

fn killed_before_execve() {
    if is_spawned() {
        return;
    }
    held(libc::SYS_execve, |held| {
        let child = Command::new("true").launch().unwrap();
        let _call = held.next(30_000).expect("the child gets there");
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(Signal::KILL));
    });
}

/// Some go before they have left the table: the pipe's end comes all the same.
fn killed_at_once() {
    check_leaks(|| {
        for _ in 0..common::times(200) {
            let mut command = Command::new("sleep");
            let mut child = command.arg("60").stdout(Stdio::piped()).launch().unwrap();
            child.kill().unwrap();
            assert_eq!(common::read(child.stdout.take().unwrap().blocking(), &mut [0]), 0);
            assert_eq!(child.wait().unwrap().signal(), Some(Signal::KILL));
        }
    });
}

/// What a child is the first of, it makes itself. Until then it is all of that.
fn signalled_before_it_leads() {
    if is_spawned() {
        return;
    }
    // The child calls it before it makes a group or a session.
    held(libc::SYS_dup3, |held| {
        let ends: [fn(&Child); 5] = [
            |child| child.kill().unwrap(),
            |child| assert_ne!(child.kill_tree().unwrap(), Containment::Cgroup),
            |child| child.handle().kill().unwrap(),
            |child| assert!(child.wait_terminated(Duration::from_secs(20)).unwrap().signal().is_some()),
            |child| child.send_signal_to_group(Signal::TERM).unwrap(),
        ];
        for unit in [Unit::ProcessGroup, Unit::Session] {
            // A session is no group to the last one.
            for end in &ends[..if unit == Unit::Session { 4 } else { 5 }] {
                let child = Command::new("sleep").arg("60").unit(unit).launch().unwrap();
                held.next(30_000).expect("the child gets there");
                let start = Instant::now();
                end(&child);
                let exit = child.wait_timeout(Duration::from_secs(10)).unwrap();
                let Some(exit) = exit else {
                    child.send_signal(Signal::KILL).unwrap();
                    panic!("{unit:?}: it lives");
                };
                assert!(exit.signal().is_some() && start.elapsed() < Duration::from_secs(10), "{exit:?}");
            }
            let set = ChildSet::new().unwrap();
            set.launch(Command::new("sleep").arg("60").unit(unit), ()).unwrap();
            held.next(30_000).expect("the child gets there");
            let start = Instant::now();
            let exited = set.shutdown(Duration::from_secs(20)).wait().unwrap().unwrap();
            assert!(exited.exit.unwrap().signal().is_some() && start.elapsed() < Duration::from_secs(10));
        }
    });
}

fn pipes() {
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
fn a_pipe_waits_for_the_table() {
    if is_spawned() {
        return;
    }
    held(libc::SYS_close_range, |held| {
        let mut command = Command::new("true");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).launch().unwrap();
        let call = held.next(30_000).expect("the child gets there");
        let stdout = child.stdout.take().unwrap();
        let read = std::thread::spawn(move || common::read(stdout.blocking(), &mut [0]));
        let stdin = child.stdin.take().unwrap();
        let lent = std::thread::spawn(move || stdin.as_fd().as_raw_fd());
        std::thread::sleep(Duration::from_millis(50));
        assert!(!read.is_finished() && !lent.is_finished());
        assert_eq!(child.try_wait().unwrap(), None);
        held.go_on(call);
        // It closes what it does not need.
        while let Some(call) = held.next(1_000) {
            held.go_on(call);
        }
        assert_eq!(read.join().unwrap(), 0);
        lent.join().unwrap();
        assert!(child.wait().unwrap().success());
    });
}

/// The child has what was there at the call, whatever the caller closes after it.
fn files_closed_at_once() {
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

fn pipe() -> (File, OwnedFd) {
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    (reader.into(), writer)
}

/// A pipe of the program's own, whose end it gives to the command and so closes with it.
fn a_pipe_of_the_caller() {
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

fn standard_descriptors_replaced() {
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
fn standard_descriptors_closed() {
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

fn directory_and_environment_of_the_call() {
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

fn a_thousand() {
    if is_spawned() {
        return;
    }
    check_leaks(|| {
        let set = ChildSet::new().unwrap();
        let count = common::times(1000).max(100);
        for tag in 0..count {
            let mut command = sh(&format!("exit {}", tag % 256));
            match tag % 3 {
                0 => set.launch(&mut command, tag).unwrap(),
                1 => set.launch(&command.prepare().unwrap(), tag).unwrap(),
                _ => set.launch(&mut Command::new("/no/such/program"), tag).unwrap(),
            };
        }
        let mut seen = vec![false; count];
        while let Some(exited) = set.wait(None).unwrap() {
            match exited.tag % 3 {
                2 => assert_eq!(exited.exit.unwrap_err().kind(), io::ErrorKind::NotFound),
                _ => assert_eq!(exited.exit.unwrap().code(), Some((exited.tag % 256) as i32)),
            }
            assert!(!std::mem::replace(&mut seen[exited.tag], true));
        }
        assert!(seen.into_iter().all(|seen| seen));
    });
}

/// More do not start before one of them has got away.
fn sixty_four_on_their_way() {
    if is_spawned() {
        return;
    }
    held(libc::SYS_execve, |held| {
        let prepared = Command::new("true").prepare().unwrap();
        let mut children: Vec<_> = (0..64).map(|_| prepared.launch().unwrap()).collect();
        let mut calls: Vec<_> =
            children.iter().map(|_| held.next(30_000).expect("the child gets there")).collect();
        let oldest = calls.iter().position(|call| Some(call.pid as u32) == children[0].pid()).unwrap();
        let oldest = calls.swap_remove(oldest);
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            // The filter is this thread's: it launches, and another one lets go.
            let done = &done;
            scope.spawn(move || {
                std::thread::sleep(Duration::from_millis(50));
                assert!(!done.load(Ordering::SeqCst));
                held.go_on(oldest);
                calls.into_iter().for_each(|call| held.go_on(call));
                while let Some(call) = held.next(2_000) {
                    held.go_on(call);
                }
            });
            children.push(prepared.launch().unwrap());
            done.store(true, Ordering::SeqCst);
        });
        for child in children {
            assert!(child.wait().unwrap().success());
        }
    });
}

fn eight_threads() {
    check_leaks(|| {
        let set = ChildSet::new().unwrap();
        let prepared = sh("exit 9").prepare().unwrap();
        let each = common::times(50);
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let (set, prepared) = (&set, &prepared);
                scope.spawn(move || {
                    for tag in 0..each {
                        set.launch(prepared, thread * each + tag).unwrap();
                        let mut echo = Command::new("echo");
                        let child = echo.arg(tag.to_string()).stdout(Stdio::piped()).launch().unwrap();
                        assert_eq!(output(child), format!("{tag}\n"));
                    }
                });
            }
        });
        let mut tags = Vec::new();
        while let Some(exited) = set.wait(None).unwrap() {
            assert_eq!(exited.exit.unwrap().code(), Some(9));
            tags.push(exited.tag);
        }
        tags.sort();
        assert_eq!(tags, (0..8 * each).collect::<Vec<_>>());
    });
}

fn a_thread_that_ends_at_once() {
    check_leaks(|| {
        for _ in 0..common::times(200) {
            let launch = || sh("exit 4").stdout(Stdio::piped()).launch().unwrap();
            let child = std::thread::spawn(launch).join().unwrap();
            assert_eq!(child.wait().unwrap().code(), Some(4));
        }
    });
}

/// A copy of this process keeps no end of a pipe of a child that is on its way.
fn forks_in_between() {
    if is_spawned() {
        return;
    }
    let fork = || {
        // SAFETY: the copy waits for a signal alone.
        match unsafe { libc::fork() } {
            0 => loop {
                // SAFETY: it only waits.
                unsafe { libc::pause() };
            },
            pid => pid,
        }
    };
    let end = |pid: i32| {
        // SAFETY: a child that is not reaped yet.
        unsafe { libc::kill(pid, libc::SIGKILL) };
        common::reap_by_pid(pid as u32);
    };
    check_leaks(|| {
        for _ in 0..common::times(100) {
            let child = Command::new("echo").arg("hello").stdout(Stdio::piped()).launch().unwrap();
            let copy = fork();
            assert_eq!(output(child), "hello\n");
            end(copy);
            // What the copy launches is its own, and what it has of ours is inert.
            let ours = Command::new("echo").arg("ours").stdout(Stdio::piped()).launch().unwrap();
            // SAFETY: this process has one thread.
            match unsafe { libc::fork() } {
                0 => {
                    common::end_after(60);
                    let child = Command::new("echo").arg("its").stdout(Stdio::piped()).launch().unwrap();
                    let fine = output(child) == "its\n" && ours.wait().is_err();
                    let failed = Command::new("/no/such/program").launch().unwrap().wait();
                    let fine = fine && failed.unwrap_err().kind() == io::ErrorKind::NotFound;
                    // SAFETY: the end of the copy.
                    unsafe { libc::_exit(if fine { 0 } else { 1 }) }
                }
                pid => assert_eq!(common::reap_by_pid(pid as u32), 0),
            }
            assert_eq!(output(ours), "ours\n");
        }
    });
}

fn a_set_dropped_at_once() {
    check_leaks(|| {
        for _ in 0..common::times(50) {
            let set = ChildSet::new().unwrap();
            for tag in 0..8 {
                set.launch(sh("exit 0").stdin(Stdio::piped()), tag).unwrap();
            }
            drop(set);
        }
        reap_all_dropped();
    });
    common::no_child_is_left();
}

fn dropped_at_once() {
    if is_spawned() {
        return;
    }
    check_leaks(|| {
        for _ in 0..common::times(200) {
            let mut command = Command::new("sleep");
            command.arg("60").kill_on_drop(true).stdout(Stdio::piped());
            drop(command.launch().unwrap());
            drop(Command::new("/no/such/program").launch().unwrap());
        }
        while reap_dropped() > 0 {
            std::thread::yield_now();
        }
    });
    common::no_child_is_left();
}

/// Neither stacks nor plans pile up.
fn memory_does_not_grow() {
    let mappings = || fs::read_to_string("/proc/self/maps").unwrap().lines().count();
    let run = |prepared: &Prepared| {
        let set = ChildSet::new().unwrap();
        for round in 0..common::times(300).max(100) {
            set.launch(prepared, ()).unwrap();
            if round % 10 == 9 {
                while set.wait(None).unwrap().is_some() {}
            }
        }
        while set.wait(None).unwrap().is_some() {}
    };
    let prepared = Command::new("true").prepare().unwrap();
    run(&prepared);
    let before = mappings();
    for _ in 0..3 {
        run(&prepared);
    }
    // Each stack has three mappings, and ten may be on their way.
    assert!(mappings() <= before + 3 * 10, "{} mappings, {before} before", mappings());
}

fn a_small_stack() {
    let threads = std::thread::Builder::new().stack_size(16 * 1024);
    let launched = threads.spawn(|| Command::new("true").launch().unwrap()).unwrap().join().unwrap();
    assert!(launched.wait().unwrap().success());
}

/// A stop signal to the foreground group stops the children that are on their way, and not the one who launches.
fn stop_signals() {
    if is_spawned() {
        return;
    }
    let status = common::reexec("stopped").status().unwrap();
    assert!(status.success(), "{status}");
}

extern "C" fn caught(_: i32) {}

fn stopped_here() {
    common::end_after(60);
    // SAFETY: a group of its own, and a handler that does nothing. Children have the default.
    unsafe {
        libc::setpgid(0, 0);
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = caught as extern "C" fn(i32) as usize;
        action.sa_flags = libc::SA_RESTART;
        libc::sigaction(libc::SIGTSTP, &action, std::ptr::null_mut());
    }
    let over = AtomicBool::new(false);
    let children: Vec<Child> = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                // SAFETY: it only sends a signal.
                unsafe { libc::kill(0, libc::SIGTSTP) };
                std::thread::sleep(Duration::from_micros(300));
            }
        });
        // Fewer than may be on their way.
        let children = (0..50).map(|_| sh("exit 6").launch().unwrap()).collect();
        over.store(true, Ordering::Relaxed);
        children
    });
    for child in children {
        let exit: Exit = loop {
            // In an orphaned group nothing stops; then there is nothing to continue.
            child.send_signal(Signal::CONT).ok();
            if let Some(exit) = child.wait_timeout(Duration::from_millis(20)).unwrap() {
                break exit;
            }
        };
        assert_eq!(exit.code(), Some(6));
    }
}

/// It is spawned, and its failures come at once.
fn what_cannot_be_launched() {
    use childset::unix::CommandExt;
    let mut command = Command::new("/no/such/program");
    // SAFETY: the closure does nothing.
    unsafe { command.pre_exec(|| Ok(())) };
    assert_eq!(command.launch().unwrap_err().kind(), io::ErrorKind::NotFound);
    let mut command = Command::new("/no/such/program");
    command.stdout(std::process::Stdio::null());
    assert_eq!(command.launch().unwrap_err().kind(), io::ErrorKind::NotFound);
    if common::is_root() {
        let error = Command::new("/no/such/program").uid(65534).launch().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
    for refused in [libc::SYS_clone3, libc::SYS_close_range] {
        // SAFETY: this process has one thread.
        match unsafe { libc::fork() } {
            0 => {
                common::end_after(60);
                if let Err(error) = common::seccomp::filter(refused, Some(libc::ENOSYS), None) {
                    skipped(format_args!("seccomp filters are refused: {error}"));
                    // SAFETY: the end of the copy.
                    unsafe { libc::_exit(0) };
                }
                // A filter that comes later than the first launch is not known of.
                let error = Command::new("/no/such/program").launch().unwrap_err();
                let works = Command::new("echo").arg("hello").stdout(Stdio::piped()).launch().unwrap();
                let fine = error.kind() == io::ErrorKind::NotFound && output(works) == "hello\n";
                // SAFETY: the end of the copy.
                unsafe { libc::_exit(if fine { 0 } else { 1 }) }
            }
            pid => assert_eq!(common::reap_by_pid(pid as u32), 0, "system call {refused}"),
        }
    }
}

/// Where the kernel reaps children, their failures are known all the same.
fn nobody_reaps() {
    if is_spawned() {
        return;
    }
    // SAFETY: nothing here waits for SIGCHLD.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
    let start = Instant::now();
    let set = ChildSet::new().unwrap();
    set.launch(&mut Command::new("/no/such/program"), ()).unwrap();
    let child = Command::new("/no/such/program").launch().unwrap();
    assert_eq!(child.wait().unwrap_err().kind(), io::ErrorKind::NotFound);
    let exited = set.wait(None).unwrap().unwrap();
    assert_eq!(exited.exit.unwrap_err().kind(), io::ErrorKind::NotFound);
    assert!(start.elapsed() < Duration::from_secs(30));
}
