//! Other processes of this program: the test binary in another role, copies, examples.

use std::io::{self, Read};
use std::path::PathBuf;
use std::process::Command;

use super::reap_by_pid;

/// An example of this package, which was built with the tests.
pub(crate) fn example(name: &str) -> PathBuf {
    let me = std::env::current_exe().unwrap();
    let path = me.parent().unwrap().parent().unwrap().join("examples").join(name);
    assert!(path.is_file(), "{} is missing: `cargo build --example {name}` makes it", path.display());
    path
}

const ROLE: &str = "CHILDSET_TEST_ROLE";

/// What a test binary that was started by [`reexec`] is to do instead of running its tests.
pub(crate) fn role() -> Option<String> {
    std::env::var(ROLE).ok()
}

/// Plays the role, if it is one of these. Longer than so many seconds, and the process is ended.
pub(crate) fn play<'a>(
    role: &str,
    roles: impl IntoIterator<Item = &'a (&'a str, fn())>,
    seconds: u32,
) -> Option<()> {
    end_after(seconds);
    let (_, run) = roles.into_iter().find(|(name, _)| *name == role)?;
    run();
    Some(())
}

/// A process that hangs is ended.
pub(crate) fn end_after(seconds: u32) {
    // SAFETY: alarm(2) touches no memory.
    unsafe { libc::alarm(seconds) };
}

/// Process 1 of a pid namespace is killed with its parent, since no SIGALRM ends it.
pub(crate) fn die_with_parent() {
    // SAFETY: no memory is touched.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
}

/// This test binary again, in another role.
pub(crate) fn reexec(role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env(ROLE, role);
    command
}

/// The role of a process that traces another one until its own standard input is closed. It says `started`, or why not.
pub(crate) fn tracer(pid: i32) {
    // SAFETY: it changes only the other process. The address and the options are null.
    match unsafe { libc::ptrace(libc::PTRACE_SEIZE, pid, 0_usize, 0_usize) } {
        -1 => println!("{}", io::Error::last_os_error()),
        _ => println!("started"),
    }
    io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

/// In a copy of this process, which has one thread or is one whose other threads hold no lock: what `act` returns.
pub(crate) fn in_copy(act: impl FnOnce() -> u8) -> i32 {
    // SAFETY: this process has one thread.
    match unsafe { libc::fork() } {
        0 => {
            let code = std::panic::catch_unwind(std::panic::AssertUnwindSafe(act)).unwrap_or(101);
            // SAFETY: the end of the copy.
            unsafe { libc::_exit(code.into()) }
        }
        pid => match reap_by_pid(pid as u32) {
            status if libc::WIFEXITED(status) => libc::WEXITSTATUS(status),
            // As shells have it, and no code of a copy's.
            status => 1000 + libc::WTERMSIG(status),
        },
    }
}
