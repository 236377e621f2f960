//! procps's `pidwait`: waits until processes have ended that need not be children.
//!
//! It holds a pidfd of each process that it found, and so neither mistakes a later process for it nor counts one
//! twice. It can tell a process that has *exited*, and is a zombie, from one that was *reaped*, which is when the
//! kernel tells its status to others (Linux 6.15); and it names the zombies that nobody collects.
//!
//! Run with:
//!
//! ```sh
//! cargo run --example pidwait -- -x rsync && systemctl suspend
//! cargo run --example pidwait -- --until reaped --status --zombie-after 5 -f 'python.*worker'
//! cargo run --example pidwait -- --pid 4711 --timeout 60
//! cargo run --example pidwait -- --print-identity -x rsync >rsync.id && cargo run --example pidwait -- --identity "$(cat rsync.id)"
//! ```

mod find;
mod options;
mod pattern;
mod process;
mod wait;

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use futures_lite::future::block_on;
use rustix::process::{getrlimit, setrlimit, Resource, Rlimit};

use options::Options;

/// As of procps, but for the last, which is timeout(1)'s.
const ENDED: u8 = 0;
const NONE_FOUND: u8 = 1;
const FAILED: u8 = 3;
const TIMED_OUT: u8 = 124;

fn main() -> ExitCode {
    let mut options = Options::parse();
    // As procps has it: nothing can be found by such a file.
    if let Err(error) = options.read_pid_file() {
        let _ = writeln!(io::stderr(), "pidwait: {error}");
        return ExitCode::from(NONE_FOUND);
    }
    match run(&options) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let _ = writeln!(io::stderr(), "pidwait: {error:#}");
            ExitCode::from(FAILED)
        }
    }
}

fn run(options: &Options) -> Result<u8> {
    allow_many_descriptors();
    let found = find::matching(options)?;
    let mut out = io::stdout().lock();
    if options.count {
        writeln!(out, "{}", found.len())?;
    }
    if options.print_identity {
        for process in &found {
            if let Some(identity) = process.identity()? {
                writeln!(out, "{identity}")?;
            }
        }
        return Ok(if found.is_empty() { NONE_FOUND } else { ENDED });
    }
    if options.echo {
        for process in &found {
            writeln!(out, "waiting for {process}")?;
        }
    }
    drop(out);
    if found.is_empty() {
        return Ok(NONE_FOUND);
    }
    let left = block_on(wait::for_all(&found, options))?;
    for process in &left {
        writeln!(io::stderr(), "pidwait: timed out, still there: {process}")?;
    }
    Ok(if left.is_empty() { ENDED } else { TIMED_OUT })
}

/// Each process takes one. Where it is refused, opening one too many says so.
fn allow_many_descriptors() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}
