//! Contenders, each in a process started afresh.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::process::{Command, Stdio};

use anyhow::{anyhow, bail, ensure, Context, Result};

use crate::contenders::Name;
use crate::run::{Outstanding, Report, Setting, Task, Throughput};
use crate::traced::Tracer;

pub(crate) fn throughput(name: Name, load: &crate::run::Load) -> Result<Throughput> {
    match report(command(&[], name, &Task::Throughput(load.clone()), None)?)? {
        Report::Throughput(throughput) => Ok(throughput),
        Report::Outstanding(_) => bail!("not what was asked for"),
    }
}

pub(crate) fn outstanding(name: Name, setting: &Setting) -> Result<Outstanding> {
    match report(command(&[], name, &Task::Outstanding(setting.clone()), None)?)? {
        Report::Outstanding(outstanding) => Ok(outstanding),
        Report::Throughput(_) => bail!("not what was asked for"),
    }
}

/// By way of another program, if that is not empty; with `environment`.
pub(crate) fn command(by: &[&OsStr], name: Name, task: &Task, tracer: Option<Tracer>) -> Result<Command> {
    let itself = env::current_exe()?;
    let line = [by, &[itself.as_os_str()]].concat();
    let mut command = Command::new(line[0]);
    command.args(&line[1..]).args(["be", name.as_str(), &serde_json::to_string(task)?]);
    command.env_clear().envs(environment(tracer));
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    Ok(command)
}

/// Of 35 variables, as that of a login is, and the same everywhere: who copies it depends on it.
pub(crate) fn environment(tracer: Option<Tracer>) -> impl Iterator<Item = (String, &'static str)> {
    let (variable, value) = Tracer::environment(tracer);
    let variables = (0..33).map(|number| (format!("VARIABLE_{number}"), "of the usual length"));
    variables.chain([("PATH".into(), "/usr/bin:/bin"), (variable.into(), value)])
}

pub(crate) fn report(mut command: Command) -> Result<Report> {
    let output = command.stderr(Stdio::inherit()).output().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => anyhow!("{:?} is not installed", command.get_program()),
        _ => error.into(),
    })?;
    ensure!(output.status.success(), "{command:?}: {}", output.status);
    serde_json::from_slice(&output.stdout).with_context(|| format!("{command:?} printed no report"))
}
