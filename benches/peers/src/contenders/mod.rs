mod async_process;
mod childset;
mod std;
mod tokio;

use ::std::env;
use ::std::ffi::OsStr;
use ::std::io;
use ::std::path::Path;
use ::std::process::{Command, Stdio};

use anyhow::{bail, Context, Result};
use clap::ValueEnum;

use crate::load::Load;
use crate::measure::Sample;
use crate::syscalls::TRACED;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Contender {
    /// `Prepared::spawn`, and `ChildSet::next`, awaited
    Childset,
    /// `Prepared::spawn`, and `ChildSet::wait`, which blocks
    ChildsetWait,
    /// `std::process::Command::spawn`, and `ChildSet::next`, awaited
    ChildsetStd,
    /// `FuturesUnordered` of `Child::status`
    AsyncProcess,
    /// `JoinSet` of `Child::wait`, on a current-thread runtime
    Tokio,
    /// `Command::status`: one child at a time, whatever --in-flight says
    Std,
    /// clone with CLONE_PIDFD, epoll, waitid: in C
    Floor,
}

impl Contender {
    pub(crate) const ALL: [Contender; 7] = [
        Contender::Childset,
        Contender::ChildsetWait,
        Contender::ChildsetStd,
        Contender::AsyncProcess,
        Contender::Tokio,
        Contender::Std,
        Contender::Floor,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Contender::Childset => "childset",
            Contender::ChildsetWait => "childset-wait",
            Contender::ChildsetStd => "childset-std",
            Contender::AsyncProcess => "async-process",
            Contender::Tokio => "tokio",
            Contender::Std => "std",
            Contender::Floor => "floor",
        }
    }

    /// Runs it in this process.
    pub(crate) fn run(self, load: &Load) -> Result<Sample> {
        match self {
            Contender::Childset => Sample::of(|| childset::awaiting(load)),
            Contender::ChildsetWait => Sample::of(|| childset::blocking(load)),
            Contender::ChildsetStd => Sample::of(|| childset::awaiting_std(load)),
            Contender::AsyncProcess => Sample::of(|| async_process::run(load)),
            Contender::Tokio => Sample::of(|| tokio::run(load)),
            Contender::Std => Sample::of(|| std::run(load)),
            Contender::Floor => bail!("the floor is a program of its own"),
        }
    }

    /// A process that runs it; by way of the tracer, if that is not empty.
    pub(crate) fn start(self, load: &Load, floor: Option<&Path>, tracer: &[&OsStr]) -> Result<Sample> {
        let children = load.children.to_string();
        let in_flight = load.in_flight.to_string();
        let itself = env::current_exe()?;
        let (program, arguments) = match (self, floor) {
            (Contender::Floor, Some(floor)) => (floor, vec![&*children, &*in_flight]),
            (Contender::Floor, None) => bail!("the floor was not compiled"),
            (_, _) => (
                &*itself,
                vec![
                    "--contender",
                    self.name(),
                    "--children",
                    &*children,
                    "--in-flight",
                    &*in_flight,
                    "--child",
                ],
            ),
        };
        let mut line: Vec<&OsStr> = tracer.to_vec();
        line.push(program.as_os_str());
        line.extend(arguments.into_iter().map(OsStr::new));
        line.push(load.program.as_os_str());
        output(&line, !tracer.is_empty())?.parse()
    }
}

/// What a contender prints. Its own children inherit its stdin, stdout and stderr.
pub(crate) fn output(line: &[&OsStr], traced: bool) -> Result<String> {
    let mut command = Command::new(line[0]);
    command.args(&line[1..]).stdin(Stdio::null()).stderr(Stdio::inherit());
    if traced {
        command.env(TRACED, "");
    }
    let output = command.output().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => anyhow::anyhow!("{:?} is not installed", line[0]),
        _ => error.into(),
    })?;
    if !output.status.success() {
        bail!("{line:?}: {}", output.status);
    }
    String::from_utf8(output.stdout).context("a contender prints numbers")
}
