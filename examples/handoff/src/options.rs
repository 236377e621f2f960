//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

const DETAILS: &str = "\
Example:
  handoff start /run/jobs.sock -- backup --all     # as its parent, until SIGINT or SIGTERM
  handoff take /run/jobs.sock; echo $?             # as anybody who may connect

The one who starts stays the parent: it reaps, and prints how each process ended. The one who takes has a handle on \
the process, which never means another one. SIGINT and SIGTERM to it go to the process. If it takes none yet, they \
end it.

Exit status of take: that of the process, 128 and the signal if one ended it. 125 if handoff itself failed, or if \
the status is not known, as before Linux 6.15. Exit status of start: 0 after SIGINT or SIGTERM, 125 if it failed.";

/// Passes processes from the one who starts them to another one who waits for them.
#[derive(Parser)]
#[command(name = "handoff", version, after_help = DETAILS, max_term_width = 100)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) part: Part,
}

#[derive(Subcommand)]
pub(crate) enum Part {
    /// Starts the command once for each that connects, and hands that process over
    Start {
        /// The socket, which is made, and removed in the end; one that nobody listens to is replaced
        socket: PathBuf,
        /// Hand over to these users alone, by number
        #[arg(long = "user", value_name = "UID,...", value_delimiter = ',')]
        users: Vec<u32>,
        /// The program and its words
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
    /// Takes a process over, passes signals on to it, and ends as it does
    Take {
        /// The socket of the one who starts
        socket: PathBuf,
    },
}
