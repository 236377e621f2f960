//! Failures of a launch: as exits, or of the call itself.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use childset::{ChildSet, Command, SpawnError, State, Stdio};

use crate::common::{self, check_leaks, reap_all_dropped, skipped, Dir};
use crate::{has_stdio, is_spawned, output};

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

pub(crate) fn failures_are_exits() {
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

pub(crate) fn failures_in_a_set() {
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

/// Before there is a process, it fails as `spawn` does.
pub(crate) fn failures_of_the_call() {
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

pub(crate) fn a_script_without_an_interpreter() {
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

pub(crate) fn a_busy_program_is_tried_again() {
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

/// It is spawned, and its failures come at once.
pub(crate) fn what_cannot_be_launched() {
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
pub(crate) fn nobody_reaps() {
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
