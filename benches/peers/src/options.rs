use std::path::{Path, PathBuf};

use anyhow::{ensure, Result};
use clap::{Args, Parser, Subcommand};

use crate::contenders::Contender;
use crate::spawn::Spawner;

/// What a child costs its parent, from its spawn to its exit: childset beside its peers.
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) mode: Option<Mode>,
    /// Children that each contender spawns in a round
    #[arg(long, value_name = "N", default_value_t = 4000)]
    pub(crate) children: usize,
    /// Children that run at the same time
    #[arg(long, value_name = "K", default_value_t = 16)]
    pub(crate) in_flight: usize,
    /// How often each contender has its turn
    #[arg(long, value_name = "R", default_value_t = 5)]
    pub(crate) rounds: usize,
    /// A program to spawn, without arguments, instead of one that ends at once
    #[arg(long, value_name = "PATH")]
    pub(crate) child: Option<PathBuf>,
    /// Only these, separated by commas
    #[arg(long, value_name = "NAMES", value_enum, value_delimiter = ',')]
    pub(crate) only: Vec<Contender>,
    /// Count the system calls as well, with strace
    #[arg(long)]
    pub(crate) syscalls: bool,
    /// Be this contender for one round, and print what it took.
    #[arg(long, hide = true, requires = "child")]
    pub(crate) contender: Option<Contender>,
}

impl Options {
    pub(crate) fn check(&self) -> Result<()> {
        let counts = [self.children, self.in_flight, self.rounds];
        ensure!(!counts.contains(&0), "--children, --in-flight and --rounds must be at least 1");
        match &self.mode {
            Some(Mode::Spawn(options)) => options.common.check(),
            Some(Mode::Parent(options)) => options.common.check(),
            _ => Ok(()),
        }
    }

    pub(crate) fn contenders(&self) -> Vec<Contender> {
        let all = Contender::ALL.into_iter();
        all.filter(|contender| self.only.is_empty() || self.only.contains(contender)).collect()
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Mode {
    /// What one spawn costs beside many outstanding children
    Spawn(SpawnOptions),
    /// What one spawn costs a large parent
    Parent(ParentOptions),
    /// Which system calls a child makes before its execve
    Strace(StraceOptions),
    /// Be this contender for one round, and print what it took.
    #[command(hide = true)]
    OneSpawner(OneSpawner),
}

#[derive(Debug, Args)]
pub(crate) struct Common {
    /// Spawns that are measured together
    #[arg(long, value_name = "N", default_value_t = 300)]
    pub(crate) batch: usize,
    /// How often each contender has its turn
    #[arg(long, value_name = "R", default_value_t = 5)]
    pub(crate) rounds: usize,
    /// A program to spawn in what is measured, without arguments, instead of one that pauses
    #[arg(long, value_name = "PATH")]
    pub(crate) child: Option<PathBuf>,
    /// Only these, separated by commas
    #[arg(long, value_name = "NAMES", value_enum, value_delimiter = ',')]
    only: Vec<Spawner>,
}

impl Common {
    fn check(&self) -> Result<()> {
        ensure!(self.batch > 0 && self.rounds > 0, "--batch and --rounds must be at least 1");
        Ok(())
    }

    pub(crate) fn spawners(&self) -> Vec<Spawner> {
        chosen(&self.only)
    }
}

#[derive(Debug, Args)]
pub(crate) struct SpawnOptions {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Children outstanding, separated by commas
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', default_values_t = [100, 1000, 10_000])]
    pub(crate) outstanding: Vec<usize>,
}

#[derive(Debug, Args)]
pub(crate) struct ParentOptions {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Memory of the parent in MiB, separated by commas
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', default_values_t = [10, 1024, 4096])]
    pub(crate) mib: Vec<usize>,
}

#[derive(Debug, Args)]
pub(crate) struct StraceOptions {
    /// Only these, separated by commas
    #[arg(long, value_name = "NAMES", value_enum, value_delimiter = ',')]
    only: Vec<Spawner>,
}

impl StraceOptions {
    pub(crate) fn spawners(&self) -> Vec<Spawner> {
        chosen(&self.only)
    }
}

fn chosen(only: &[Spawner]) -> Vec<Spawner> {
    Spawner::ALL.into_iter().filter(|spawner| only.is_empty() || only.contains(spawner)).collect()
}

#[derive(Debug, Clone, Args)]
pub(crate) struct OneSpawner {
    pub(crate) spawner: Spawner,
    pub(crate) outstanding: usize,
    pub(crate) batch: usize,
    #[arg(action = clap::ArgAction::Set)]
    pub(crate) piped: bool,
    pub(crate) resident_mib: usize,
    pub(crate) pausing: PathBuf,
    pub(crate) program: PathBuf,
}

impl OneSpawner {
    pub(crate) fn program(&self, pausing: bool) -> &Path {
        if pausing {
            &self.pausing
        } else {
            &self.program
        }
    }
}
