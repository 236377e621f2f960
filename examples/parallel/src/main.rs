//! The core of GNU parallel and xargs: runs a command once for each argument, several at a time.
//!
//! One thread and no async runtime: a single `poll` waits for all jobs (the one descriptor of a `ChildSet`),
//! for their pipes, for more input, for signals, and for the nearest deadline. What jobs write is collected, so that
//! it is never mixed; with `--pipe` each is fed its part of standard input at the same time. Each job leads a process group of its own, so that
//! a time-out, `--halt now` and Ctrl-C end what it started, too.
//!
//! For example:
//!
//! ```sh
//! parallel gzip -k {} ::: *.log
//! find . -name '*.flac' -print0 | parallel -0 --timeout 60 flac -t
//! seq 8 | parallel -j 2 'sleep 1; echo {} done'
//! parallel convert -size {1} {2} {2.}-{1}.png ::: 64x64 128x128 ::: *.svg
//! zcat huge.gz | parallel --pipe --block 10M -k grep -c error
//! ```

mod blocks;
mod descriptors;
mod ending;
mod group;
mod hosts;
mod input;
mod launch;
mod options;
mod output;
mod placeholder;
mod quote;
mod remote;
mod report;
mod resume;
mod run;
mod running;
mod signals;
mod template;
mod values;

use std::collections::HashSet;
use std::io::{self, BufWriter, ErrorKind, IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Instant, SystemTime};

use anyhow::{Context, Error, Result};
use shared::complain;

use descriptors::Inherited;
use hosts::Hosts;
use input::{Input, Next};
use launch::{Job, Launcher};
use options::Options;
use report::Report;
use run::Runner;

/// Of `parallel` itself having failed, as opposed to its jobs.
const TROUBLE: u8 = 255;

fn main() -> ExitCode {
    let inherited = Inherited::find();
    let options = match Options::from_command_line() {
        Ok(options) => options,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(TROUBLE) } else { ExitCode::SUCCESS };
        }
    };
    match run(options, inherited) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            complain("parallel", format_args!("{error:#}"));
            ExitCode::from(TROUBLE)
        }
    }
}

/// Returns the exit status.
fn run(mut options: Options, inherited: Inherited) -> Result<u8> {
    if options.sources.is_empty() && io::stdin().is_terminal() {
        complain("parallel", "reading from the terminal; Ctrl-D ends the input");
    }
    let mut input = match options.pipe {
        true => Input::Blocks(options.blocks()),
        false => Input::of_sources(&options)?,
    };
    if options.has_header() {
        let names = input.header().context("cannot read the header")?;
        options.prepare(&names).map_err(Error::msg)?;
    }
    // To print commands, no host is asked.
    let logins: &[_] = if options.dry_run { &[] } else { &options.logins };
    let hosts = Hosts::new(logins, options.jobs, &options.remote.command)?;
    if let Some(fill) = options.fill(hosts.slots()) {
        input.fill(fill);
    }
    let done = match &options.joblog {
        Some(joblog) if options.resumes() => resume::done(joblog, options.resume_failed)?,
        _ => HashSet::new(),
    };
    let launcher = Launcher::new(&mut options, inherited.for_slots(hosts.slots()));
    if options.dry_run {
        return match dry_run(&launcher, input, &done) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("dry run"),
            _ => Ok(0),
        };
    }
    let report = Report::new(&options)?;
    let mut runner = Runner::new(&mut options, hosts, launcher, input, done, report)?;
    let result = runner.run();
    runner.report.end();
    result?;
    Ok(runner.status())
}

fn dry_run(launcher: &Launcher, mut input: Input, done: &HashSet<u64>) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let mut line = Vec::new();
    let (started, started_at) = (Instant::now(), SystemTime::now());
    let mut job = Job {
        number: 0,
        arguments: Vec::new(),
        slot: 1,
        host: 0,
        block: None,
        tries_left: 1,
        started,
        started_at,
    };
    loop {
        job.arguments = match input.next() {
            Next::Arguments(arguments) => arguments,
            Next::Block(_) => Vec::new(),
            Next::Later => {
                out.flush()?;
                input.wait()?;
                continue;
            }
            Next::End => return out.flush(),
        };
        job.number += 1;
        if done.contains(&job.number) {
            continue;
        }
        line.clear();
        launcher.invocation(&job).quote(&mut line);
        line.push(b'\n');
        out.write_all(&line)?;
    }
}
