//! What there is here, and what tests that need more say.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::{Command, Stdio};

/// Says that a test, or a part of it, is not run here: also where the harness keeps what a test prints.
pub(crate) fn skipped(why: impl Display) {
    io::stdout().write_all(format!("skipped: {why}\n").as_bytes()).unwrap();
}

/// Whether children can be launched here. Where none can, what is asked to be is spawned.
pub(crate) fn launches() -> bool {
    cfg!(any(target_arch = "x86_64", target_arch = "aarch64")) && sanitizer().is_none()
}

/// Whether a program can be run. If not, says that the test is skipped, and how to have it.
pub(crate) fn has_program(name: &str, package: &str) -> bool {
    let found = Command::new(name).arg("--version").stdin(Stdio::null()).output();
    if let Err(error) = &found {
        skipped(format_args!("{name}: {error}; Debian's package {package} has it"));
    }
    found.is_ok()
}

/// Whether this process is root's, and can become any other user's. If not, says that the test is skipped.
pub(crate) fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        skipped("it takes root");
    }
    root && has_ordinary_users()
}

/// Whether this process is an ordinary user's, or can become one by [`give_up_root`]. If not, says that the test is
/// skipped.
pub(crate) fn may_be_ordinary() -> bool {
    !rustix::process::geteuid().is_root() || has_ordinary_users()
}

/// The root of a user namespace may be alone there, and may have no say in groups.
fn has_ordinary_users() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap();
    let count = |line: &str| line.split_whitespace().nth(2).unwrap().parse::<u64>().unwrap();
    let has_users = map.lines().map(count).sum::<u64>() >= 1 << 16;
    let has = has_users && std::fs::read_to_string("/proc/self/setgroups").unwrap() == "allow\n";
    if !has {
        skipped("it takes a user namespace with other users and groups");
    }
    has
}

/// How often to do what is done often, to meet rare moments or large numbers: fewer times where each takes long,
/// as on an emulated processor (`tests/kernels/run`).
pub(crate) fn times(usual: usize) -> usize {
    let share = std::env::var("CHILDSET_TEST_SHARE").map_or(1, |share| share.parse().expect("a number"));
    (usual / share).max(1)
}

/// Whether signals come all the time (`tests/hostile/run`): they wake every thread that sleeps.
pub(crate) fn under_signals() -> bool {
    std::env::var_os("CHILDSET_TEST_SIGNALS").is_some()
}

/// The sanitizer that this program was built with (`tests/hostile/run`): `address` or `thread`.
pub(crate) fn sanitizer() -> Option<String> {
    std::env::var("CHILDSET_TEST_SANITIZER").ok()
}

/// Whether memory is what the program itself takes. If not, says that the test is skipped.
pub(crate) fn memory_is_ours() -> bool {
    let sanitizer = sanitizer();
    if let Some(sanitizer) = &sanitizer {
        skipped(format_args!("the {sanitizer} sanitizer takes memory, too"));
    }
    sanitizer.is_none()
}

/// Major and minor version of the running kernel: what is permitted to happen depends on it.
pub(crate) fn kernel() -> (u32, u32) {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap())
}
