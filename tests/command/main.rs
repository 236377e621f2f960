//! What the child of a `Command` gets: arguments, environment, descriptors, and what Linux offers.

#![allow(unsafe_code)]

mod attributes;
#[path = "../common/mod.rs"]
mod common;
mod fds;
mod lifetime;
mod pre_exec;
mod prepared;
mod printed;
mod program;
mod run;
mod std_stdio;
mod stdio;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use childset::{Command, Output, Stdio};
use common::{by_std, errno, Dir};

pub(crate) type New = fn(&str) -> Command;

/// Runs a test with a spawn of the crate's own, and with one by `std`, which a closure to run makes necessary.
pub(crate) fn both_ways(test: impl Fn(New)) {
    test(|program| Command::new(program));
    test(by_std);
}

pub(crate) fn output(command: &mut Command) -> Output {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    // A child that another test is spawning by std holds a copy of each pipe until its execve.
    child.set_drain_grace(Duration::from_secs(60));
    let captured = child.capture().wait().unwrap();
    assert!(!captured.pipe_open);
    captured.into()
}

/// What it writes to its standard output.
pub(crate) fn text(command: &mut Command) -> String {
    let output = output(command);
    assert!(output.status.success(), "{}", output.status);
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

pub(crate) fn sh(new: New, script: &str) -> Command {
    let mut command = new("sh");
    command.args(["-c", script]);
    command
}

/// A script that the kernel runs by its first line.
pub(crate) fn script(directory: &Dir, name: &str, mode: u32, text: &str) -> PathBuf {
    let path = directory.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    path
}
