//! Tracees and their tracers.

use std::io::{self, BufRead, BufReader, Read};
use std::process::{exit, ChildStdin, Command, Stdio};

use childset::{Pidfd, State};

use crate::common::{self, reexec, until_ended};
use crate::CODE;

/// Lets anybody trace it, says so, and lives until its standard input is closed. A signal would stop it, which its
/// tracer does not mend.
pub(crate) fn tracee() {
    common::block_signals();
    // SAFETY: no memory is touched. Without Yama it fails, and is not needed.
    unsafe { libc::prctl(libc::PR_SET_PTRACER, libc::PR_SET_PTRACER_ANY) };
    println!("traceable");
    io::stdin().read_to_end(&mut Vec::new()).unwrap();
    exit(CODE.into());
}

/// A process on its standard input, and the first line that it wrote.
pub(crate) fn start(mut command: Command) -> (std::process::Child, String) {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (child, line.trim().to_owned())
}

/// Ends when it is dropped, and lets go of the tracee.
pub(crate) struct Tracer(pub(crate) std::process::Child);

impl Drop for Tracer {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

struct Traced {
    child: std::process::Child,
    stdin: ChildStdin,
    tracer: Tracer,
}

/// A child that is traced by another one, and still runs.
fn traced() -> Result<Traced, String> {
    let (mut child, line) = start(reexec("tracee"));
    assert_eq!(line, "traceable");
    let stdin = child.stdin.take().unwrap();
    let (tracer, line) = start(reexec(&child.id().to_string()));
    let tracer = Tracer(tracer);
    if line != "started" {
        drop(stdin);
        child.wait().unwrap();
        return Err(line);
    }
    Ok(Traced { child, stdin, tracer })
}

pub(crate) fn refusal() -> Option<String> {
    let Traced { mut child, stdin, tracer } = match traced() {
        Ok(traced) => traced,
        Err(errno) => return Some(errno),
    };
    drop((stdin, tracer));
    child.wait().unwrap();
    None
}

/// A zombie that is held back: how the crate sees it, and the two that make it go on.
pub(crate) fn zombie<C>(adopt: impl FnOnce(std::process::Child) -> C) -> (C, Tracer) {
    let Traced { child, stdin, tracer } = traced().unwrap();
    let probe = Pidfd::from_child(&child).unwrap();
    let child = adopt(child);
    drop(stdin);
    until_ended(&probe);
    assert_eq!(probe.state().unwrap(), State::Zombie);
    assert_eq!(probe.try_wait().unwrap(), None);
    (child, tracer)
}
