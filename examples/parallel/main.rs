//! The core of GNU parallel and xargs: runs a command once for each argument, several at a time.
//!
//! One thread and no async runtime: a single `poll` waits for all jobs (the one descriptor of a `ChildSet`),
//! for their pipes, for more input, for signals, and for the nearest deadline. What jobs write is collected, so that
//! it is never mixed; with `--pipe` each is fed its part of standard input at the same time. Each job leads a process group of its own, so that
//! a time-out, `--halt now` and Ctrl-C end what it started, too.
//!
//! Run with:
//!
//! ```sh
//! cargo run --release --example parallel -- gzip -k {} ::: *.log
//! find . -name '*.flac' -print0 | cargo run --release --example parallel -- -0 --timeout 60 flac -t
//! seq 8 | cargo run --release --example parallel -- -j 2 sh -c 'sleep 1; echo "$1 done"' sh {}
//! zcat huge.gz | cargo run --release --example parallel -- --pipe --block 10M -k grep -c error
//! ```

mod blocks;
mod ending;
mod group;
mod input;
mod jobs;
mod launch;
mod options;
mod output;
mod report;
mod running;
mod signals;
mod template;
mod values;

use std::ffi::OsString;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};

use blocks::{Blocks, Size};
use input::{Input, Next};
use jobs::Runner;
use launch::Launcher;
use options::Options;
use report::Report;
use template::{quote, Template};

/// Of `parallel` itself having failed, as opposed to its jobs.
const TROUBLE: u8 = 255;
const MOST_FAILED: u64 = 101;

fn main() -> ExitCode {
    let options = match Options::from_command_line() {
        Ok(options) => options,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(TROUBLE) } else { ExitCode::SUCCESS };
        }
    };
    match run(options) {
        Ok(failed) => ExitCode::from(failed.min(MOST_FAILED) as u8),
        Err(error) => {
            let _ = writeln!(io::stderr(), "parallel: {error:#}");
            ExitCode::from(TROUBLE)
        }
    }
}

/// Returns the number of failed jobs; at least 1 if it was stopped.
fn run(mut options: Options) -> Result<u64> {
    let template = Template::new(&options.command);
    let template = if options.pipe { template } else { template.or_append() };
    let input = match options.arguments.take() {
        Some(arguments) => Input::of_list(arguments),
        None if options.pipe => {
            let size = options.records.map_or(Size::Bytes(options.block), Size::Records);
            Input::Blocks(Blocks::new(size, options.recend.0.clone()))
        }
        None => Input::of_stdin(if options.null { b'\0' } else { b'\n' }),
    };
    if options.dry_run {
        return match dry_run(&template, input) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("dry run"),
            _ => Ok(0),
        };
    }
    let report = Report::new(options.joblog.as_deref())?;
    let mut runner = Runner::new(&options, Launcher::new(template, &options)?, input, report)?;
    let result = runner.run();
    runner.report.summary();
    result?;
    Ok(runner.report.failed().max(runner.was_stopped().into()))
}

fn dry_run(template: &Template, mut input: Input) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let mut line = Vec::new();
    let mut number = 0;
    loop {
        let argument = match input.next() {
            Next::Argument(argument) => argument,
            Next::Block(_) => OsString::new(),
            Next::Later => {
                out.flush()?;
                input.wait()?;
                continue;
            }
            Next::End => return out.flush(),
        };
        number += 1;
        line.clear();
        quote(&template.expand(&argument, number), &mut line);
        line.push(b'\n');
        out.write_all(&line)?;
    }
}
