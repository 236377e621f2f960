//! Standard streams of `std`'s in our hands, and ours in those of `std`.

use std::io::{ErrorKind, Read, Write};

use childset::{Command, Stdio};

use crate::{both_ways, sh, text};

#[test]
fn stdio_of_std() {
    let mut command = Command::new("cat");
    command.stdin(std::process::Stdio::null()).stdout(Stdio::piped());
    assert_eq!(text(&mut command), "");
    let mut child = Command::new("echo").arg("hello").stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut told = String::new();
    child.stdout.take().unwrap().blocking().read_to_string(&mut told).unwrap();
    assert_eq!(told, "hello\n");
    assert!(child.wait().unwrap().success());
    let mut std =
        std::process::Command::new("echo").arg("std").stdout(std::process::Stdio::piped()).spawn().unwrap();
    assert_eq!(text(Command::new("tr").args(["a-z", "A-Z"]).stdin(std.stdout.take().unwrap())), "STD");
    assert!(std.wait().unwrap().success());
}

#[test]
fn stdio_of_std_serves_one_spawn() {
    let mut command = Command::new("true");
    command.stdin(std::process::Stdio::null());
    assert!(command.spawn().unwrap().wait().unwrap().success());
    // It must not be left out unnoticed.
    for _ in 0..2 {
        let error = command.spawn().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("one spawn"), "{error}");
    }
    assert_eq!(command.prepare().unwrap_err().kind(), ErrorKind::Unsupported);
    assert!(command.stdin(Stdio::null()).spawn().unwrap().wait().unwrap().success());
}

/// What std sets up is not closed with the others.
#[test]
fn stdio_of_std_in_a_closed_range() {
    let mut command = sh(|program| Command::new(program), "test -c /proc/$$/fd/0 && test ! -e /proc/$$/fd/1");
    command.stdin(std::process::Stdio::null()).close_fds(0..3);
    assert!(command.spawn().unwrap().wait().unwrap().success());
}

/// With one of std's, too, the child has what only we offer.
#[test]
fn stdio_of_std_with_a_search_path() {
    let directory = crate::common::Dir::new();
    crate::script(&directory, "tool", 0o755, "#!/bin/sh\nexit 5\n");
    crate::script(&directory, "text", 0o755, "exit 6\n");
    let code = |program: &str, shell: bool| {
        let mut command = Command::new(program);
        command.search_path(directory.path()).shell_fallback(shell).stdin(std::process::Stdio::null());
        command.spawn().map(|child| child.wait().unwrap().code()).map_err(|error| crate::errno(&error))
    };
    assert_eq!(code("tool", true), Ok(Some(5)));
    assert_eq!(code("text", true), Ok(Some(6)));
    assert_eq!(code("text", false), Err(libc::ENOEXEC));
    assert_eq!(code("sh", true), Err(libc::ENOENT));
}

/// Our pipes in the hands of `std`.
#[test]
fn pipes_become_those_of_std() {
    both_ways(|new| {
        let mut cat = new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdin = std::process::ChildStdin::from(cat.stdin.take().unwrap());
        let mut wc = std::process::Command::new("wc");
        let wc = wc.arg("-c").stdin(cat.stdout.take().unwrap()).stdout(std::process::Stdio::piped());
        let wc = wc.spawn().unwrap();
        stdin.write_all(b"12345").unwrap();
        drop(stdin);
        assert_eq!(wc.wait_with_output().unwrap().stdout, b"5\n");
        assert!(cat.wait().unwrap().success());

        let mut child = sh(new, "echo out; echo err >&2");
        let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (mut out, mut err) = (String::new(), String::new());
        std::process::ChildStdout::from(child.stdout.take().unwrap()).read_to_string(&mut out).unwrap();
        std::process::ChildStderr::from(child.stderr.take().unwrap()).read_to_string(&mut err).unwrap();
        assert_eq!((&out[..], &err[..]), ("out\n", "err\n"));
    });
}
