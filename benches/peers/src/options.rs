use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::contenders::Name;

/// What a child costs its parent, from its spawn to its exit: childset beside its peers.
///
/// Without a section, all of them, and the targets.
#[derive(Debug, Parser)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) section: Option<Section>,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Debug, Args)]
pub(crate) struct Common {
    /// Everything at a smaller size, within a minute
    #[arg(long, global = true)]
    pub(crate) quick: bool,
    /// How often each contender has its turn
    #[arg(long, value_name = "R", global = true, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: Option<u32>,
    /// Only these, separated by commas
    #[arg(long, value_name = "NAMES", value_enum, value_delimiter = ',', global = true)]
    pub(crate) only: Vec<Name>,
    /// Write what was measured to this file
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) json: Option<PathBuf>,
    /// Write plots into this directory
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) plots: Option<PathBuf>,
}

impl Common {
    pub(crate) fn contenders(&self) -> Vec<Name> {
        Name::ALL.into_iter().filter(|name| self.only.is_empty() || self.only.contains(name)).collect()
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Section {
    /// Children that end at once, some of them in flight
    Throughput,
    /// The same while four processes a processor spin, and how long each caller stands still
    Busy,
    /// How long each caller stands still while each execve takes 20 ms: needs root
    Slow,
    /// Children that stay: what one more costs, memory, idling, latency, and collecting them
    #[command(alias = "spawn")]
    Outstanding {
        /// How many, separated by commas
        #[arg(long, value_name = "NUMBERS", value_delimiter = ',')]
        children: Vec<usize>,
        /// Each with a pipe as standard output
        #[arg(long)]
        piped: bool,
    },
    /// What one spawn costs a large parent
    Parent {
        /// Memory of the parent in MiB, separated by commas
        #[arg(long, value_name = "NUMBERS", value_delimiter = ',')]
        mib: Vec<usize>,
    },
    /// System calls, instructions and allocations a child
    #[command(alias = "strace")]
    Counted,
    /// What of it is the kernel's
    Kernel,
    /// Fails if what is counted exceeds the bounds in guard.json
    Guard,
    /// Draw what an earlier run has written with --json, and print its summary
    Plot {
        #[arg(value_name = "FILE")]
        results: PathBuf,
    },
    /// Be a contender for one round, and print what it took.
    #[command(hide = true)]
    Be { name: Name, task: String },
}
