//! Running the program `parallel` as a program.

// No test binary uses all of it.
#![allow(dead_code)]

#[path = "../../../../tests/common/mod.rs"]
pub(crate) mod base;

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{kill_process, Pid, Signal};

pub(crate) fn binary() -> PathBuf {
    env!("CARGO_BIN_EXE_parallel").into()
}

/// Whoever runs the tests in the background may have SIGINT ignored, which a program inherits and respects.
pub(crate) fn with_default_signals(program: &OsStr) -> Command {
    let mut command = Command::new("env");
    command.arg("--default-signal=HUP,INT,TERM,TSTP").arg(program);
    command
}

pub(crate) fn parallel(arguments: &[&str]) -> Command {
    let mut command = with_default_signals(binary().as_ref());
    command.env("PARALLEL_SHELL", "sh");
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// `parallel`, started by a shell that does `preparation` before: its jobs inherit that, too.
pub(crate) fn parallel_after(preparation: &str, arguments: &[&str]) -> Command {
    let mut command = with_default_signals("sh".as_ref());
    command.arg("-c").arg(format!("{preparation}; exec \"$@\"")).arg("sh").arg(binary()).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub(crate) fn run(arguments: &[&str]) -> Output {
    parallel(arguments).output().unwrap()
}

pub(crate) fn run_with_input(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = parallel(arguments).stdin(Stdio::piped()).spawn().unwrap();
    // Fits into the pipe.
    assert!(input.len() <= 1 << 16);
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

pub(crate) fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

pub(crate) fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

pub(crate) fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| panic!("{}: {}", output.status, stderr(output)))
}

pub(crate) fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// Reads lines until one contains `text`.
pub(crate) fn read_until(reader: &mut impl BufRead, text: &str) {
    let mut line = String::new();
    while !line.contains(text) {
        line.clear();
        assert!(reader.read_line(&mut line).unwrap() > 0, "ended before {text:?}");
    }
}

/// How many descriptors above 2 any program gets from the tests.
pub(crate) fn given_fds() -> usize {
    let list = Command::new("sh").args(["-c", "exec ls /proc/self/fd"]).output().unwrap();
    // One is the list's own.
    std::str::from_utf8(&list.stdout).unwrap().lines().count() - 4
}

/// A directory of its own for a test.
pub(crate) struct Directory(pub(crate) base::Dir);

impl Directory {
    pub(crate) fn new() -> Directory {
        Directory(base::Dir::new())
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.path().join(name).into_os_string().into_string().unwrap()
    }

    pub(crate) fn fifo(&self, name: &str) -> String {
        let path = self.path(name);
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        path
    }
}

/// Runs with a joblog, and returns its lines in the order of the jobs' numbers, each split into its fields.
pub(crate) fn run_with_log(arguments: &[&str]) -> (Output, Vec<Vec<String>>) {
    let directory = Directory::new();
    let log = directory.path("log");
    let output = run(&[&["--joblog", log.as_str()], arguments].concat());
    (output, read_log(&log))
}

pub(crate) fn read_log(path: &str) -> Vec<Vec<String>> {
    let log = fs::read_to_string(path).unwrap();
    let mut lines = log.lines();
    let header = "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand";
    assert_eq!(lines.next(), Some(header));
    let mut lines: Vec<Vec<_>> =
        lines.map(|line| line.splitn(9, '\t').map(str::to_owned).collect()).collect();
    lines.sort_by_key(|fields| fields[0].parse::<u64>().unwrap());
    lines
}

/// Exit code and signal.
pub(crate) fn ends(log: &[Vec<String>]) -> Vec<(&str, &str)> {
    log.iter().map(|fields| (fields[6].as_str(), fields[7].as_str())).collect()
}
