//! The program `timeout`, side by side with the installed one of coreutils.
//!
//! Each command holds our ends of pipes, so that their end-of-file tells that nothing of it is left.

#[path = "../../../../tests/common/mod.rs"]
mod common;
mod running;
mod usage;

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Once;

use common::skipped;
use rustix::process::{kill_process, Pid, Signal};

pub(crate) fn ours() -> OsString {
    env!("CARGO_BIN_EXE_timeout").into()
}

/// Major and minor version of the `timeout` of GNU coreutils, if it is the one that is installed.
pub(crate) fn coreutils() -> Option<(u32, u32)> {
    let output = Command::new("timeout").arg("--version").output().ok()?;
    let version = String::from_utf8(output.stdout).ok()?;
    let (_, version) = version.lines().next()?.split_once("(GNU coreutils) ")?;
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map_while(|number| number.parse().ok());
    Some((numbers.next()?, numbers.next()?))
}

/// What ours does as that does.
pub(crate) const OURS: (u32, u32) = (9, 10);

/// Ours, and that of coreutils, unless another one is installed: what it does is no measure. Nor is one before 9.1, whose
/// exit code does not say that it had to send KILL in the foreground.
pub(crate) fn both() -> Vec<OsString> {
    let is_gnu = coreutils() >= Some((9, 1));
    if !is_gnu {
        static SAID: Once = Once::new();
        SAID.call_once(|| {
            skipped(
                "side by side: no timeout of GNU coreutils is installed; Debian's package coreutils has it",
            )
        });
    }
    [Some(ours()), is_gnu.then(|| "timeout".into())].into_iter().flatten().collect()
}

/// Starts it after a shell's preparation, with the signals at their defaults before that.
pub(crate) fn start(program: &OsString, preparation: &str, arguments: &[&str]) -> Child {
    let mut command = Command::new("env");
    // Where nothing is that may not be searched, which would be another error than that nothing is found.
    command.args(["--default-signal", "LC_ALL=C", "PATH=/usr/bin:/bin"]);
    command.args(["sh", "-c", &format!("{preparation}\nexec \"$@\""), "sh"]).arg(program).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// As a shell has it in `$?`.
pub(crate) fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap())
}

pub(crate) struct Outcome {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    /// Once all that holds its pipes is gone.
    pub(crate) fn of(child: Child) -> Outcome {
        let output = child.wait_with_output().unwrap();
        Outcome {
            status: output.status,
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// What a command prints that is ready to be timed out.
pub(crate) const UP: &str = "up\n";

/// Waits until the command is up, and `timeout` sleeps: a signal that hits coreutils's before it has noted the pid of the
/// command, which may be up by then, ends it alone.
pub(crate) fn until_up(child: &mut Child) {
    let mut said = [0; UP.len()];
    child.stdout.as_mut().unwrap().read_exact(&mut said).unwrap();
    assert_eq!(said, UP.as_bytes());
    common::until_state(child.id(), "S");
}

/// SIGALRM is to `timeout` as if its time were over: that hits no command that is not ready.
pub(crate) fn end_its_time(child: &mut Child) {
    until_up(child);
    kill_process(Pid::from_child(child), Signal::ALARM).unwrap();
}

/// Preparation, arguments, exit code, and what it is to print on standard output ([`UP`] first if its time is to be over
/// then), and on standard error if that is coreutils's word for word.
type Case<'a> = (&'a str, &'a [&'a str], i32, &'a str, Option<&'a str>);

pub(crate) fn check(cases: &[Case<'_>]) {
    let programs = both();
    for (preparation, arguments, wanted, stdout, stderr) in cases {
        let run = |program| {
            let mut child = start(program, preparation, arguments);
            if stdout.starts_with(UP) {
                end_its_time(&mut child);
            }
            Outcome::of(child)
        };
        let outcomes: Vec<_> = programs.iter().map(run).collect();
        for (program, outcome) in programs.iter().zip(&outcomes) {
            let what = format!("{program:?} {preparation:?} {arguments:?}: {}", outcome.stderr);
            assert_eq!(code(outcome.status), *wanted, "{what}");
            assert_eq!(outcome.stdout, stdout.trim_start_matches(UP), "{what}");
            match stderr {
                Some(stderr) => assert_eq!(outcome.stderr, *stderr, "{what}"),
                None => assert!(outcome.stderr.contains("timeout") || *wanted == 125, "{what}"),
            }
        }
        // Also whether it is a signal that ended them.
        assert!(outcomes.iter().all(|outcome| outcome.status == outcomes[0].status), "{arguments:?}");
    }
}

/// A command that ignores TERM.
pub(crate) const STUBBORN: &str = "trap '' TERM; echo up; while :; do sleep 1000; done";
