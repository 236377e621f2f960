//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Record a terminal session to a file, in the format asciicast v2.
///
/// Without a command, your shell runs. Leave it to end the recording. The exit code is the command's; that of a command
/// that a signal has ended is 128 and the signal's number, and 125 stands for trouble with the recording itself.
#[derive(Debug, Parser)]
#[command(name = "record", args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) action: Option<Action>,
    #[command(flatten)]
    pub(crate) record: Record,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Show a recording on this terminal, in its time
    Play(Play),
}

#[derive(Debug, Args)]
pub(crate) struct Record {
    /// The file to write
    #[arg(value_name = "FILE", required = true)]
    pub(crate) file: Option<PathBuf>,
    /// Replace the file if it is there
    #[arg(short = 'f', long)]
    pub(crate) overwrite: bool,
    /// Record the keys, too, passwords included
    #[arg(long)]
    pub(crate) keys: bool,
    /// What to run, after `--`
    #[arg(value_name = "COMMAND", last = true)]
    pub(crate) command: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct Play {
    /// The recording
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// How many times as fast
    #[arg(short, long, value_name = "FACTOR", default_value_t = 1.0, value_parser = positive)]
    pub(crate) speed: f64,
    /// Wait no longer than this between two events, in seconds
    #[arg(short, long, value_name = "SECONDS", value_parser = positive)]
    pub(crate) idle: Option<f64>,
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if number > 0.0 && f64::is_finite(number) => Ok(number),
        _ => Err("not a positive number".to_owned()),
    }
}

impl Options {
    pub(crate) fn from_command_line() -> Result<Options, clap::Error> {
        Options::try_parse()
    }
}
