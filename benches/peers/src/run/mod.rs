//! What a contender has to do, in a process of its own, and how it is measured.

mod gate;
mod heap;
mod idle;
mod outstanding;
mod stamps;
mod still;
mod throughput;
mod usage;

use std::path::PathBuf;
use std::process;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::contenders::{Contender, Name};
use crate::{limits, traced};

pub(crate) use outstanding::Outstanding;
pub(crate) use still::Spread;
pub(crate) use throughput::Throughput;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Task {
    Throughput(Load),
    Outstanding(Setting),
}

/// A number of children, some of them in flight: one that has ended is replaced by the next.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Load {
    pub(crate) program: PathBuf,
    pub(crate) children: usize,
    pub(crate) in_flight: usize,
    /// How long the caller stands still in each call that spawns is measured, too.
    pub(crate) calls_are_timed: bool,
}

/// Children that are alive, and what is done beside them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Setting {
    pub(crate) outstanding: usize,
    /// How many more are spawned and measured.
    pub(crate) batch: usize,
    /// How many exits are then timed.
    pub(crate) latencies: usize,
    /// How long nothing happens. Not at all if 0.
    pub(crate) idle_ms: u64,
    pub(crate) piped: bool,
    /// Touched memory of the parent.
    pub(crate) resident_mib: usize,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    Throughput(Throughput),
    Outstanding(Outstanding),
}

pub(crate) fn run<C: Contender>(task: &Task) -> Result<Report> {
    match task {
        Task::Throughput(load) => Ok(Report::Throughput(throughput::run::<C>(load)?)),
        Task::Outstanding(setting) => Ok(Report::Outstanding(outstanding::run::<C>(setting)?)),
    }
}

/// Is the contender that `start` asks for: prints its report.
pub(crate) fn be(name: Name, task: &str) -> Result<()> {
    limits::raise_descriptors()?;
    traced::prepare()?;
    // The children get another standard output.
    let mut output = stamps::keep_stdout()?;
    let report = name.run(&serde_json::from_str(task)?)?;
    serde_json::to_writer(&mut output, &report)?;
    // Threads of the contender may still wait for something.
    process::exit(0);
}
