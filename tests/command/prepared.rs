//! Commands that are prepared once.

use std::fs;
use std::io::ErrorKind;

use childset::unix::CommandExt;
use childset::{Command, Stdio};

use crate::common::Dir;
use crate::{errno, script};

#[test]
fn prepared() {
    let mut command = Command::new("sh");
    command.args(["-c", "cat; echo $A; ls -x /proc/self/fd"]).env("A", "first");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let prepared = command.prepare().unwrap();
    command.env("A", "second");
    drop(command);
    for _ in 0..3 {
        let output = prepared.spawn().unwrap().wait_with_input("in ").unwrap();
        assert_eq!(output.stdout, b"in first\n0  1  2  3\n");
    }
    let missing = Command::new("/no/such/program").prepare().unwrap();
    for _ in 0..2 {
        assert_eq!(errno(&missing.spawn().unwrap_err()), libc::ENOENT);
    }
    let error = Command::new("true").stdin(std::process::Stdio::null()).prepare().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("cannot be prepared"), "{error}");
    let mut command = Command::new("true");
    // SAFETY: the closure does nothing but fail.
    unsafe { command.pre_exec(|| Err(std::io::Error::from_raw_os_error(libc::EXDEV))) };
    let with_closure = command.prepare().unwrap();
    for _ in 0..2 {
        assert_eq!(errno(&with_closure.spawn().unwrap_err()), libc::EXDEV);
    }
}

#[test]
fn prepared_before_its_program_is_there() {
    let directory = Dir::new();
    fs::create_dir(directory.path().join("a")).unwrap();
    script(&directory, "b/tool", 0o755, "#!/bin/sh\nexit 2\n");
    let search = format!("{0}/a:{0}/b", directory.path().display());
    let tool = Command::new("tool").env("PATH", search).prepare().unwrap();
    assert_eq!(tool.spawn().unwrap().wait().unwrap().code(), Some(2));
    // Only which one seems likely was found out before: if that is gone, all are tried.
    script(&directory, "a/tool", 0o755, "#!/bin/sh\nexit 1\n");
    fs::remove_file(directory.path().join("b/tool")).unwrap();
    assert_eq!(tool.spawn().unwrap().wait().unwrap().code(), Some(1));
}

#[test]
fn a_clone_spawns_the_same() {
    let mut command = Command::new("sh");
    command.args(["-c", "echo $A; exit 3"]).env("A", "both").stdout(Stdio::piped());
    let prepared = command.prepare().unwrap();
    let copy = prepared.clone();
    let threads = [prepared, copy]
        .map(|prepared| std::thread::spawn(move || prepared.spawn().unwrap().wait_with_output().unwrap()));
    for thread in threads {
        let output = thread.join().unwrap();
        assert_eq!((output.status.code(), &output.stdout[..]), (Some(3), &b"both\n"[..]));
    }
}
