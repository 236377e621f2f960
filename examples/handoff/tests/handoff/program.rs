//! The two programs, and what they say.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use childset::{Pidfd, Signal};

use crate::common::{kernel, Dir};

pub(crate) fn handoff() -> Command {
    // Whoever runs the tests may have SIGINT ignored.
    let mut command = Command::new("env");
    command.arg("--default-signal=INT,TERM").arg(env!("CARGO_BIN_EXE_handoff"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// One of the two programs, with what it says.
pub(crate) struct Part {
    pub(crate) child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Part {
    pub(crate) fn new(command: &mut Command) -> Part {
        let mut child = command.spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Part { child, stdout }
    }

    /// Starts `sh -c script` for each that connects.
    pub(crate) fn start(socket: &Path, script: &str) -> Part {
        Part::start_with(&[], socket, script)
    }

    pub(crate) fn start_with(options: &[&str], socket: &Path, script: &str) -> Part {
        let mut command = handoff();
        command.arg("start").args(options).arg(socket).args(["--", "sh", "-c", script]);
        let mut part = Part::new(command.stdin(Stdio::piped()));
        until_listening(socket, || assert!(part.child.try_wait().unwrap().is_none()));
        part
    }

    /// Waits until it has been given a process; returns that one's pid.
    pub(crate) fn take(socket: &Path) -> (Part, u32) {
        let mut part = Part::new(handoff().arg("take").arg(socket));
        let line = part.said();
        let pid = line.strip_prefix("took sh (pid ").and_then(|line| line.strip_suffix(')'));
        let pid = pid.unwrap_or_else(|| panic!("{line:?}")).parse().unwrap();
        (part, pid)
    }

    pub(crate) fn said(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        Pidfd::from_child(&self.child).unwrap().send_signal(signal).unwrap();
    }

    /// The exit code, and what it wrote to standard error. Until then its input is open: what it started may read
    /// that, too.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let _stdin = self.child.stdin.take();
        let output = self.child.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }

    pub(crate) fn stop(self) {
        self.signal(Signal::TERM);
        assert_eq!(self.end(), (Some(0), String::new()));
    }
}

/// Before 6.5, the kernel tells the user alone.
pub(crate) fn handed_over(pid: u32, taker: &Part) -> String {
    let user = rustix::process::geteuid().as_raw();
    let taker = match kernel() >= (6, 5) {
        true => format!(" (pid {})", taker.child.id()),
        false => String::new(),
    };
    format!("{pid}: handed over to user {user}{taker}")
}

pub(crate) fn socket() -> (Dir, PathBuf) {
    let dir = Dir::new();
    let path = dir.path().join("socket");
    (dir, path)
}

/// How a taker ends whose process did so: before 6.15, it is not told.
pub(crate) fn ended_as(taker: Part, status: &str, code: i32) {
    let mut taker = taker;
    let said = taker.said();
    let (ended, error) = taker.end();
    if kernel() >= (6, 15) {
        assert_eq!((said.as_str(), ended, error.as_str()), (status, Some(code), ""));
    } else {
        assert!(ended == Some(125) && error.contains("exit status unknown"), "{said:?} {ended:?} {error:?}");
    }
}

/// Takes one that ends at once with the code.
pub(crate) fn takes(path: &Path, code: i32) {
    let mut taker = Part::new(handoff().arg("take").arg(path));
    assert!(taker.said().starts_with("took sh ("));
    ended_as(taker, &format!("exit status: {code}"), code);
}

/// Waits until somebody listens there.
pub(crate) fn until_listening(path: &Path, mut look: impl FnMut()) {
    let path = path.to_str().unwrap();
    // The fourth field of /proc/net/unix is 00010000 then.
    let is_it = |line: &str| line.ends_with(path) && line.split_ascii_whitespace().nth(3) == Some("00010000");
    while !fs::read_to_string("/proc/net/unix").unwrap().lines().any(is_it) {
        look();
        std::thread::yield_now();
    }
}
