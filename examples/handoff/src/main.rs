//! Hands processes over: one program starts them and passes on their pidfds, another one, which is not their parent,
//! waits for them, signals them, and learns how they ended.
//!
//! A pidfd stays the right process whatever becomes of its number, so the receiver need not trust a pid that came
//! over a socket. The parent still has to reap; only then does the kernel tell the receiver the status (Linux 6.15).
//! The one who starts knows who takes: by a pidfd (Linux 6.5), and by the user who connected.
//!
//! For example:
//!
//! ```sh
//! handoff start /tmp/jobs.sock -- sh -c 'sleep 60; exit 7'   # until Ctrl-C
//! handoff take /tmp/jobs.sock   # in another terminal; Ctrl-C goes to the process
//! ```

mod options;
mod passing;
mod report;
mod run;
mod taker;

use std::process::ExitCode;

use clap::Parser;

use options::{Options, Part};
use report::{complain, FAILED};

fn main() -> ExitCode {
    let result = match Options::parse().part {
        Part::Start { socket, users, command } => run::start(&socket, &users, &command).map(|()| 0),
        Part::Take { socket } => run::take(&socket),
    };
    result.map_or_else(
        |error| {
            complain(format_args!("{error:#}"));
            ExitCode::from(FAILED)
        },
        ExitCode::from,
    )
}
