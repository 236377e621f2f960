//! The program `parallel`: where the arguments come from.

mod common;

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::process::{Command, Stdio};

use common::base::{has_program, memory_is_ours, wait_with_peak};
use common::*;

#[test]
fn arguments_are_bytes() {
    let output = run_with_input(&["-0", "-j1", "printf", "[%s]"], b"a\nb\0\xff\xfe \x80\0\0'\"$x\\\0last");
    assert_eq!(output.stdout, b"[a\nb][\xff\xfe \x80][]['\"$x\\][last]");
    assert_eq!(code(&output), 0);

    let argument = OsString::from_vec(b"\xff.\xfe".to_vec());
    let output = parallel(&["printf", "%s", "{.}{}", ":::"]).arg(argument).output().unwrap();
    assert_eq!(output.stdout, b"\xff\xff.\xfe");
}

#[test]
fn lines_of_input_are_arguments() {
    let output = run_with_input(&["-j1", "printf", "[%s]"], b"a b\n\n\tc\nlast");
    assert_eq!(stdout(&output), "[a b][][\tc][last]");
    assert_eq!(code(&run_with_input(&["false"], b"")), 0);
}

#[test]
fn jobs_read_nothing() {
    assert_eq!(
        stdout(&run_with_input(&["-j1", "sh", "-c", "cat; echo \"$1\"", "sh"], b"1\n2\n3\n")),
        "1\n2\n3\n"
    );
}

#[test]
fn input_is_read_only_as_jobs_start() {
    let mut endless = Command::new("yes").stdout(Stdio::piped()).spawn().unwrap();
    let output = parallel(&["-j2", "--halt", "now,fail=1", "false"])
        .stdin(endless.stdout.take().unwrap())
        .output()
        .unwrap();
    assert_eq!(code(&output), 1);
    // SIGPIPE
    assert!(!endless.wait().unwrap().success());
}

#[test]
fn memory_does_not_grow_with_the_input() {
    if !memory_is_ours() {
        return;
    }
    let mut numbers = Command::new("seq").arg("1000000").stdout(Stdio::piped()).spawn().unwrap();
    let mut command = parallel(&["--dry-run", "echo", "{}"]);
    let child = command.stdin(numbers.stdout.take().unwrap()).stdout(Stdio::null()).spawn().unwrap();
    let (success, peak) = wait_with_peak(child);
    assert!(success);
    // The arguments alone, all of them, would need more than 50 MB.
    assert!(peak < 32 << 20, "{peak} bytes");
    assert!(numbers.wait().unwrap().success());
}

#[test]
fn an_argument_that_no_program_could_get_is_an_error() {
    let directory = Directory::new();
    let file = directory.path("input");
    fs::write(&file, [b"1\n", &*vec![b'x'; 200_000]].concat()).unwrap();
    let output = parallel(&["echo"]).stdin(fs::File::open(&file).unwrap()).output().unwrap();
    assert_eq!(code(&output), 255);
    assert_eq!(stdout(&output), "1\n");
    assert!(stderr(&output).contains("longer than 128 KiB"), "{}", stderr(&output));
}

#[test]
fn it_does_what_xargs_does() {
    if !has_program("find", "findutils") || !has_program("xargs", "findutils") {
        return;
    }
    let directory = Directory::new();
    let names = ["plain", "with space", "new\nline", "back\\slash", "-dash", "\u{fc}", "*"];
    for (index, name) in names.iter().enumerate() {
        fs::write(directory.0.path().join(name), vec![index as u8; 1000 * index]).unwrap();
    }
    fs::write(directory.0.path().join(std::ffi::OsStr::from_bytes(b"\xff")), "x").unwrap();
    let find = || {
        let mut find = Command::new("find")
            .arg(directory.0.path())
            .args(["-type", "f", "-print0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        (find.stdout.take().unwrap(), find)
    };
    let (list, mut producer) = find();
    let by_us = parallel(&["-0", "-j4", "sha256sum", "{}"]).stdin(list).output().unwrap();
    assert!(producer.wait().unwrap().success());
    let (list, mut producer) = find();
    let by_xargs = Command::new("xargs").args(["-0", "sha256sum"]).stdin(list).output().unwrap();
    assert!(producer.wait().unwrap().success());
    let sorted = |bytes: &[u8]| {
        let mut lines: Vec<_> = bytes.split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
        lines.sort_unstable();
        lines
    };
    assert_eq!(sorted(&by_us.stdout), sorted(&by_xargs.stdout));
    assert_eq!(sorted(&by_us.stdout).len(), names.len() + 2);
}
