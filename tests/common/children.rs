//! Children, and commands that make them.

use std::io::{self, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};

use childset::unix::CommandExt;
use childset::SpawnError;

/// A child that lives until its standard input is closed, and then ends with 0.
pub(crate) fn held() -> Child {
    Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap()
}

/// The same, and it runs its program: its memory is its own, which it may not be at the end of a spawn.
pub(crate) fn held_and_running() -> Child {
    let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.as_ref().unwrap().write_all(b"x").unwrap();
    child.stdout.take().unwrap().read_exact(&mut [0]).unwrap();
    child
}

/// As [`held`], with the pipe apart.
pub(crate) fn held_by_pipe() -> (Child, ChildStdin) {
    let mut child = held();
    let stdin = child.stdin.take().unwrap();
    (child, stdin)
}

/// As [`held_by_pipe`], by the crate.
pub(crate) fn held_child() -> (childset::Child, childset::ChildStdin) {
    let mut command = childset::Command::new("cat");
    let mut child = command.stdin(childset::Stdio::piped()).stdout(childset::Stdio::null()).spawn().unwrap();
    let stdin = child.stdin.take().unwrap();
    (child, stdin)
}

/// A child that ends with `code`.
pub(crate) fn exiting(code: i32) -> Child {
    Command::new("sh").args(["-c", &format!("exit {code}")]).spawn().unwrap()
}

pub(crate) fn opened(child: &Child) -> childset::Pidfd {
    childset::Pidfd::from_child(child).unwrap()
}

/// A child that lives until the pipe is closed, and then ends with `code`.
pub(crate) fn held_with(code: u8) -> (Child, ChildStdin) {
    let script = format!("read line; exit {code}");
    let mut child = Command::new("sh").args(["-c", &script]).stdin(Stdio::piped()).spawn().unwrap();
    let stdin = child.stdin.take().unwrap();
    (child, stdin)
}

/// Another descriptor of the child, to see it by, and what keeps it alive.
pub(crate) type Seen = (childset::Pidfd, Option<childset::ChildStdin>);

/// A child that lives until what is seen of it is dropped.
pub(crate) fn child() -> (childset::Child, Seen) {
    let mut child = childset::Child::try_from(held()).unwrap();
    let seen = (child.pidfd().try_clone().unwrap(), child.stdin.take());
    (child, seen)
}

/// A shell that ignores TERM, and lives until it is killed or its input ends.
pub(crate) fn stubborn() -> Child {
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' TERM; echo ready; read line"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = shell.spawn().unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut [0; 6]).unwrap();
    child
}

/// Ends what is left of a child's unit, from Linux 6.9 on.
pub(crate) struct Rest(pub(crate) childset::ChildHandle);

impl Drop for Rest {
    fn drop(&mut self) {
        let _ = self.0.kill();
    }
}

pub(crate) fn sh(script: &str) -> childset::Command {
    let mut command = childset::Command::new("sh");
    command.args(["-c", script]);
    command
}

/// The same in a group of its own that ends with it, with pipes for what it writes.
pub(crate) fn piped_sh(script: &str) -> childset::Command {
    let mut command = sh(script);
    command.stdout(childset::Stdio::piped()).stderr(childset::Stdio::piped());
    command.unit(childset::Unit::ProcessGroup);
    command
}

/// Has it spawned by `std`, which a closure to run makes necessary.
pub(crate) fn make_by_std(command: &mut childset::Command) -> &mut childset::Command {
    // SAFETY: the closure does nothing.
    unsafe { command.pre_exec(|| Ok(())) }
}

pub(crate) fn by_std(program: &str) -> childset::Command {
    let mut command = childset::Command::new(program);
    make_by_std(&mut command);
    command
}

/// The errno of a spawn that failed.
pub(crate) fn errno(error: &io::Error) -> i32 {
    SpawnError::from_io_error(error).unwrap_or_else(|| panic!("{error:?}")).errno()
}
