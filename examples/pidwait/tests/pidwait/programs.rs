//! The processes that are waited for, and those that wait.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{exit, Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::common::{self, read, reexec, Dir};

pub(crate) fn play(role: &str) {
    common::end_after(60);
    match role.strip_prefix("leaderless ") {
        Some(name) => leaderless(name),
        None => common::tracer(role.parse().unwrap()),
    }
}

/// Takes a name, and ends its first thread; the second lives until the end of the input.
fn leaderless(name: &str) {
    let name = format!("{name}\0");
    // SAFETY: the name ends with a zero byte.
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
    std::thread::spawn(|| {
        println!("started");
        io::stdin().read_to_end(&mut Vec::new()).unwrap();
        exit(0);
    });
    // SAFETY: the thread ends where it is. What its stack holds lives on.
    unsafe { libc::syscall(libc::SYS_exit, 0) };
}

/// Programs with a name that no other process has.
pub(crate) struct Programs {
    dir: Dir,
    pub(crate) name: String,
}

impl Programs {
    pub(crate) fn new() -> Programs {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("pw{}x{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        Programs { dir: Dir::new(), name }
    }

    /// A copy of a program, whose name is ours and `suffix`.
    pub(crate) fn copy(&self, program: &str, suffix: &str) -> PathBuf {
        let path = self.dir.path().join(format!("{}{suffix}", self.name));
        if !path.exists() {
            let which = Command::new("sh").args(["-c", "command -v \"$0\"", program]).output().unwrap();
            common::copy(String::from_utf8(which.stdout).unwrap().trim(), &path);
        }
        path
    }

    /// Lives until its input is closed. It has its name when this returns.
    pub(crate) fn cat(&self) -> Talking {
        Talking::new(&mut Command::new(self.copy("cat", "")))
    }
}

/// A child whose input we hold, and which may answer.
pub(crate) struct Talking {
    pub(crate) child: Child,
    pub(crate) stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Talking {
    pub(crate) fn new(command: &mut Command) -> Talking {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Talking { child, stdin, stdout }
    }

    pub(crate) fn role(role: &str) -> Talking {
        let mut talking = Talking::new(&mut reexec(role));
        assert_eq!(talking.said(), "started");
        talking
    }

    /// The next line.
    pub(crate) fn said(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Waits until a `cat` that reads its input, maybe a descendant, has started.
    pub(crate) fn until_cat(&mut self) {
        writeln!(self.stdin.as_ref().unwrap(), "cat").unwrap();
        assert_eq!(self.said(), "cat");
    }

    /// Ends it, and does not reap it.
    pub(crate) fn end(&mut self) {
        drop(self.stdin.take());
        common::until_ended(childset::Pidfd::from_child(&self.child).unwrap());
    }

    /// Ends it, and reaps it.
    pub(crate) fn end_and_reap(&mut self) {
        drop(self.stdin.take());
        self.child.wait().unwrap();
    }
}

/// Nothing is left behind by a test that fails, either.
impl Drop for Talking {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn ours(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pidwait"));
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Our `pidwait` while it waits.
pub(crate) struct Ours {
    child: Child,
    pub(crate) stdout: BufReader<ChildStdout>,
    waiting_for: String,
}

impl Ours {
    /// Starts it with `--echo`, and returns when it has found so many processes.
    pub(crate) fn start(args: &[&str], processes: usize) -> Ours {
        let mut child = ours(&[&["-e"], args].concat()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut waiting_for = String::new();
        // The number of `--count` comes before them.
        while waiting_for.matches("waiting for ").count() < processes {
            assert!(stdout.read_line(&mut waiting_for).unwrap() > 0, "it found less than {processes}");
        }
        Ours { child, stdout, waiting_for }
    }

    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    pub(crate) fn error_line(&mut self) -> String {
        let mut line = Vec::new();
        let stderr = self.child.stderr.as_mut().unwrap();
        while line.last() != Some(&b'\n') {
            let mut byte = [0];
            assert_eq!(read(&mut *stderr, &mut byte), 1, "no line");
            line.push(byte[0]);
        }
        String::from_utf8(line).unwrap()
    }

    pub(crate) fn is_waiting(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end. All that it wrote to standard output is returned with it.
    pub(crate) fn finish(mut self) -> Output {
        let mut stdout = self.waiting_for.into_bytes();
        self.stdout.read_to_end(&mut stdout).unwrap();
        let output = self.child.wait_with_output().unwrap();
        Output { stdout, ..output }
    }
}
