//! What is told of the jobs: progress, messages, the joblog, the summary.

use std::ffi::OsStr;
use std::fmt::Display;
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant, UNIX_EPOCH};

use anyhow::{Context, Result};
use childset::{Exit, Signal};
use indicatif::{ProgressBar, ProgressStyle};
use shared::complain;

use crate::launch::Job;
use crate::options::Options;
use crate::quote::Invocation;

pub(crate) struct Report {
    bar: Option<ProgressBar>,
    log: Option<File>,
    has_summary: bool,
    began: Instant,
    jobs: u64,
    failed: u64,
    cpu_time: Duration,
    /// Known only of a job that had more than this program.
    max_rss: Option<u64>,
}

/// How a try of a job ended, as the joblog has it.
pub(crate) struct Outcome {
    pub(crate) code: i32,
    pub(crate) signal: i32,
    pub(crate) failed: bool,
    pub(crate) runtime: Duration,
}

impl Outcome {
    /// `exit` is `None` where nobody knows how the job ended.
    pub(crate) fn new(exit: Option<Exit>, timed_out: bool, runtime: Duration) -> Outcome {
        let Some(exit) = exit else {
            return Outcome { code: -1, signal: 0, failed: true, runtime };
        };
        // As GNU parallel has it: -1 with the signal of a time-out, 0 with any other. One that ends itself well when its
        // time is over has not succeeded.
        let code = match exit.code() {
            None | Some(0) if timed_out => -1,
            code => code.unwrap_or(0),
        };
        let failed = timed_out || !exit.success();
        Outcome { code, signal: exit.signal().map_or(0, Signal::as_raw), failed, runtime }
    }

    /// As a shell has it: 128 and the signal, or the exit code. 255 for one that took too long, or of which nobody knows.
    pub(crate) fn status(&self) -> u8 {
        match (self.code, self.signal) {
            (0, signal) => (128 + signal) as u8,
            (code, _) => code as u8,
        }
    }
}

impl Report {
    pub(crate) fn new(options: &Options) -> Result<Report> {
        let log = options.joblog.is_some().then(|| open_log(options)).transpose()?;
        let bar = (options.bar && io::stderr().is_terminal())
            .then(|| ProgressBar::no_length().with_style(style("{spinner} {pos} ended, {elapsed} so far")));
        Ok(Report {
            bar,
            log,
            has_summary: options.summary(),
            began: Instant::now(),
            jobs: 0,
            failed: 0,
            cpu_time: Duration::ZERO,
            max_rss: None,
        })
    }

    /// The number of all jobs is known now, and with it when they may be done.
    pub(crate) fn set_total(&self, total: u64) {
        if let Some(bar) = &self.bar {
            bar.set_style(style("{wide_bar} {pos}/{len}, {elapsed} so far, {eta} to go"));
            bar.set_length(total);
        }
    }

    /// Puts a line on standard error.
    pub(crate) fn say(&self, message: impl Display) {
        self.hidden(|| complain("parallel", message));
    }

    /// Writes with the progress bar out of the way.
    pub(crate) fn hidden<R>(&self, write: impl FnOnce() -> R) -> R {
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// Counts what one try of a job used.
    pub(crate) fn used(&mut self, exit: &Exit) {
        self.cpu_time += exit.user_time().unwrap_or_default() + exit.system_time().unwrap_or_default();
        self.max_rss = self.max_rss.max(exit.max_rss());
    }

    /// Counts a job that has ended for good; `command` makes what it ran.
    pub(crate) fn ended(
        &mut self,
        job: &Job,
        host: &OsStr,
        outcome: &Outcome,
        command: impl FnOnce() -> Invocation,
    ) -> Result<()> {
        self.jobs += 1;
        self.failed += u64::from(outcome.failed);
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
        match &mut self.log {
            Some(log) => {
                log.write_all(&log_line(job, host, outcome, &command())).context("cannot write the joblog")
            }
            None => Ok(()),
        }
    }

    pub(crate) fn failed(&self) -> u64 {
        self.failed
    }

    /// How many have ended for good.
    pub(crate) fn jobs(&self) -> u64 {
        self.jobs
    }

    /// Nothing more is said than a summary, if that is wanted.
    pub(crate) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        if !self.has_summary {
            return;
        }
        let mib = |bytes| format!(", largest: {:.1} MiB", bytes as f64 / (1 << 20) as f64);
        self.say(format_args!(
            "jobs: {}, failed: {}, wall time: {:.3} s, CPU time: {:.3} s{}",
            self.jobs,
            self.failed,
            self.began.elapsed().as_secs_f64(),
            self.cpu_time.as_secs_f64(),
            self.max_rss.map(mib).unwrap_or_default(),
        ));
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn open_log(options: &Options) -> Result<File> {
    let path = options.joblog.as_deref().unwrap_or("".as_ref());
    let open = || {
        let mut how = OpenOptions::new();
        match options.resumes() {
            true => how.append(true),
            false => how.write(true).truncate(true),
        };
        let mut log = how.create(true).open(path)?;
        if !options.resumes() || log.metadata()?.len() == 0 {
            log.write_all(b"Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n")?;
        }
        io::Result::Ok(log)
    };
    open().with_context(|| format!("cannot write the joblog {}", path.display()))
}

/// The number formats are GNU parallel's, and so is the NUL for a newline, lest a job have two lines.
fn log_line(job: &Job, host: &OsStr, outcome: &Outcome, command: &Invocation) -> Vec<u8> {
    let mut line = format!(
        "{}\t{}\t{:.3}\t{:10.3}\t0\t0\t{}\t{}\t",
        job.number,
        shared::printable(host.as_bytes()),
        job.started_at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64(),
        outcome.runtime.as_secs_f64(),
        outcome.code,
        outcome.signal,
    )
    .into_bytes();
    let start = line.len();
    command.quote(&mut line);
    line[start..].iter_mut().filter(|byte| **byte == b'\n').for_each(|byte| *byte = b'\0');
    line.push(b'\n');
    line
}
