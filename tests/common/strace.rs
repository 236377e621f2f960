//! System calls that fail by the hand of strace.

use std::process::{Command, Stdio};

use super::{has_program, reexec, skipped};

/// Whether strace can be run. If not, says that the test is skipped, and how to have it.
pub(crate) fn works() -> bool {
    if !has_program("strace", "strace") {
        return false;
    }
    // A container may forbid it.
    strace(&["setns:error=EPERM"], &[], Command::new("true"))
        .inspect_err(|why| skipped(format_args!("strace does not work: {why}")))
        .is_ok()
}

/// Runs this test binary in another role, with these calls failing in its first thread.
pub(crate) fn inject(injected: &[&str], role: &str) -> Result<(), String> {
    strace(injected, &[], reexec(role))
}

/// Runs a program under strace, which traces and injects only where `more` allows.
pub(crate) fn strace(injected: &[&str], more: &[&str], program: Command) -> Result<(), String> {
    let mut command = Command::new("strace");
    command.args(["-qq", "-o", "/dev/null", "-e", "signal=none"]);
    let names: Vec<_> = injected.iter().map(|injection| injection.split(':').next().unwrap()).collect();
    command.args(["-e", &format!("trace={}", names.join(","))]).args(more);
    for injection in injected {
        command.args(["-e", &format!("inject={injection}")]);
    }
    command.arg(program.get_program()).args(program.get_args()).stdin(Stdio::null());
    for (name, value) in program.get_envs() {
        command.env(name, value.expect("none is removed"));
    }
    let output = command.output().map_err(|error| format!("strace: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!(
            "{}: {}{}",
            output.status,
            String::from_utf8_lossy(&output.stderr),
            String::from_utf8_lossy(&output.stdout)
        )),
    }
}
