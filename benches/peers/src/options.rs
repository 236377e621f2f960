use std::path::PathBuf;

use anyhow::{ensure, Result};
use clap::Parser;

use crate::contenders::Contender;

/// What reaping a child costs its parent: childset beside its peers.
#[derive(Debug, Parser)]
pub(crate) struct Options {
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
        Ok(())
    }

    pub(crate) fn contenders(&self) -> Vec<Contender> {
        let all = Contender::ALL.into_iter();
        all.filter(|contender| self.only.is_empty() || self.only.contains(contender)).collect()
    }
}
