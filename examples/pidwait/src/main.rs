//! procps's `pidwait`: waits until processes have ended that need not be children.
//!
//! It holds a pidfd of each process that it found, and so neither mistakes a later process for it nor counts one
//! twice. It can tell a process that has *exited*, and is a zombie, from one that was *reaped*, which is when the
//! kernel reports its status to others (Linux 6.15); and it names the zombies that nobody collects.
//!
//! For example:
//!
//! ```sh
//! pidwait -x rsync && systemctl suspend
//! pidwait --until reaped --status --zombie-after 5 -f 'python.*worker'
//! pidwait --pid 4711 --timeout 60
//! pidwait --print-identity -x rsync >rsync.id && pidwait --identity "$(cat rsync.id)"
//! ```

mod ere;
mod find;
mod options;
mod pattern;
mod pid_file;
mod process;
mod report;
mod run;
mod surroundings;

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use futures_lite::future::block_on;
use rustix::process::{getrlimit, setrlimit, Resource, Rlimit};

use options::Options;
use report::{complain, ENDED, FAILED, NONE_FOUND, TIMED_OUT};

fn main() -> ExitCode {
    let mut options = Options::parse();
    // As procps has it: nothing can be found by such a file.
    if let Err(error) = options.read_pid_file() {
        complain(error);
        return ExitCode::from(NONE_FOUND);
    }
    match run(&options) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            complain(format_args!("{error:#}"));
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
    let left = block_on(run::for_all(&found, options))?;
    for process in &left {
        complain(format_args!("timed out, still there: {process}"));
    }
    Ok(if left.is_empty() { ENDED } else { TIMED_OUT })
}

/// Each process takes one. Where it is refused, opening one too many says so.
fn allow_many_descriptors() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}
