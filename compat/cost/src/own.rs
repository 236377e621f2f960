//! What this process has used.

use std::fmt;
use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::time::{clock_gettime, ClockId};

use crate::contenders::{Contender, What};

/// Times in microseconds a child.
pub(crate) struct Report {
    /// In user mode and in the kernel, of all threads of this process, and of no child.
    pub(crate) cpu: u64,
    pub(crate) wall: u64,
    pub(crate) threads: Vec<u32>,
}

pub(crate) fn measure(contender: Contender, what: What, children: u32) -> Result<Report> {
    let mut start = None;
    contender.run(|number| {
        // The first one starts threads and fills caches.
        if number == 1 {
            start = Some((cpu(), Instant::now()));
        }
        (number <= children).then_some(what)
    })?;
    let (cpu_before, start) = start.context("no child was measured")?;
    let (own, all) = ((cpu() - cpu_before) / children, start.elapsed() / children);
    let mut threads = Vec::new();
    for thread in fs::read_dir("/proc/self/task")? {
        threads.push(thread?.file_name().to_string_lossy().parse()?);
    }
    Ok(Report { cpu: own.as_micros() as u64, wall: all.as_micros() as u64, threads })
}

fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// One line, which [`parse`](Report::parse) reads.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.cpu, self.wall)?;
        self.threads.iter().try_for_each(|thread| write!(f, " {thread}"))
    }
}

impl Report {
    pub(crate) fn parse(line: &str) -> Result<Report> {
        let mut words = line.split_whitespace();
        let mut number = || words.next().context("a line is too short")?.parse().context("no number");
        let (cpu, wall) = (number()?, number()?);
        Ok(Report { cpu, wall, threads: words.map(str::parse).collect::<Result<_, _>>()? })
    }
}
