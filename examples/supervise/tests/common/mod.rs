//! Running `supervise` as a program.

#![allow(dead_code)]

pub(crate) mod log;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};

use rustix::process::{kill_process, Pid, Signal};
use tempfile::TempDir;

pub(crate) struct Supervise {
    child: Child,
    /// `supervise` itself, where that is not `child`.
    pub(crate) pid: u32,
    /// Of the services.
    pub(crate) stdout: BufReader<ChildStdout>,
    pub(crate) stderr: BufReader<ChildStderr>,
}

/// A directory with a file `services.toml`, in which `DIR` stands for the directory.
pub(crate) fn file(text: &str) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("services.toml");
    fs::write(&path, text.replace("DIR", directory.path().to_str().unwrap())).unwrap();
    (directory, path)
}

pub(crate) fn start(before: &[&str], options: &[&str], file: &PathBuf) -> Supervise {
    run_program(before, env!("CARGO_BIN_EXE_supervise"), options, file)
}

pub(crate) fn start_program(program: &str, options: &[&str], file: &PathBuf) -> Supervise {
    run_program(&[], program, options, file)
}

/// Whoever runs the tests may have signals ignored, which a program inherits.
fn run_program(before: &[&str], program: &str, options: &[&str], file: &PathBuf) -> Supervise {
    let mut command = Command::new("env");
    command.arg("--default-signal=HUP,INT,TERM").args(before).arg(program);
    command.args(options).arg(file).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    Supervise { pid: child.id(), child, stdout: BufReader::new(stdout), stderr: BufReader::new(stderr) }
}

/// Runs to the end: exit code, standard output of the services, standard error.
pub(crate) fn run(text: &str) -> (i32, String, String) {
    run_with(&[], text)
}

pub(crate) fn run_with(options: &[&str], text: &str) -> (i32, String, String) {
    let (_directory, file) = file(text);
    start(&[], options, &file).end()
}

impl Supervise {
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.pid as i32).unwrap(), signal).unwrap();
    }

    /// Waits until a service has printed the line.
    pub(crate) fn until(&mut self, wanted: &str) {
        let mut line = String::new();
        while line.trim_end() != wanted {
            line.clear();
            assert!(self.stdout.read_line(&mut line).unwrap() > 0, "ended before {wanted:?}");
        }
    }

    /// Waits until `supervise` has said so.
    pub(crate) fn until_said(&mut self, wanted: &str) {
        let mut line = String::new();
        while !line.contains(wanted) {
            line.clear();
            assert!(self.stderr.read_line(&mut line).unwrap() > 0, "ended before {wanted:?}");
        }
    }

    /// Asks for the table: its lines below the header, the last one on strangers.
    pub(crate) fn table(&mut self) -> Vec<String> {
        self.signal(Signal::USR1);
        self.until_said("SERVICE");
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            assert!(self.stderr.read_line(&mut line).unwrap() > 0);
            lines.push(line.trim_end().to_owned());
            if line.starts_with("strangers") {
                return lines;
            }
        }
    }

    /// A column of a service in the table.
    pub(crate) fn column(&mut self, service: usize, column: usize) -> String {
        let table = self.table();
        table[service].split("  ").filter(|cell| !cell.is_empty()).nth(column).unwrap().trim().to_owned()
    }

    pub(crate) fn strangers(&mut self) -> u64 {
        self.table().last().unwrap().rsplit(' ').next().unwrap().parse().unwrap()
    }

    /// In KiB: what is resident of the memory that no file backs, and all that is writable.
    pub(crate) fn memory(&self) -> (u64, u64) {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().trim_end_matches(" kB").parse().unwrap()
        };
        (field("RssAnon:"), field("VmData:"))
    }

    pub(crate) fn fds(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid)).unwrap().count()
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// Waits for the end of all that hold the pipes.
    pub(crate) fn end(mut self) -> (i32, String, String) {
        let (mut stdout, mut stderr) = (String::new(), String::new());
        self.stderr.read_to_string(&mut stderr).unwrap();
        self.stdout.read_to_string(&mut stdout).unwrap();
        let status = self.child.wait().unwrap();
        (status.code().unwrap_or_else(|| panic!("{status}: {stderr}")), stdout, stderr)
    }
}

/// Compares what [`Supervise::memory`] and [`Supervise::fds`] told, with and without a running child.
pub(crate) fn is_flat(before: ((u64, u64), usize), after: ((u64, u64), usize)) {
    // A descriptor for the child, and those of what the table reads.
    assert!(before.1.abs_diff(after.1) <= 3, "{before:?} {after:?}");
    // Some pages are touched late. And childset keeps the stacks of launched children, of 32 KiB, for the next ones: as many
    // as were on their way at once, which are up to 64 on a busy machine.
    assert!(after.0 .0 <= before.0 .0 + 64 && after.0 .1 <= before.0 .1 + 64 * 32, "{before:?} {after:?}");
}

/// The processes with this parent: pid and state.
pub(crate) fn children(parent: u32) -> Vec<(u32, char)> {
    let stat = |entry: fs::DirEntry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        // The name, in parentheses, may contain anything.
        let mut fields = stat.rsplit(')').next()?.split_whitespace();
        let state = fields.next()?.chars().next()?;
        (fields.next()? == parent.to_string()).then_some((pid, state))
    };
    fs::read_dir("/proc").unwrap().filter_map(|entry| stat(entry.unwrap())).collect()
}

pub(crate) fn kernel() -> (u32, u32) {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

/// Past the harness, which would keep it to itself.
pub(crate) fn skip(reason: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "skipped: {reason}");
}
