//! What a running service has used so far.

use std::time::Duration;

use procfs::process::Process;
use procfs::ProcResult;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Used {
    /// Of all its runs, children that were waited for included.
    pub(crate) cpu: Duration,
    /// In bytes: the largest resident set, as far as it is known.
    pub(crate) max_rss: Option<u64>,
}

impl Used {
    pub(crate) fn add(&mut self, other: Used) {
        self.cpu += other.cpu;
        self.max_rss = self.max_rss.max(other.max_rss);
    }

    /// Nothing where `/proc` does not tell. The pid is that of a child which was not reaped.
    pub(crate) fn by(pid: u32) -> Used {
        read(pid).unwrap_or_default()
    }
}

fn read(pid: u32) -> ProcResult<Used> {
    let process = Process::new(pid as i32)?;
    let stat = process.stat()?;
    let children = stat.cutime.max(0) + stat.cstime.max(0);
    let ticks = stat.utime + stat.stime + children as u64;
    Ok(Used {
        cpu: Duration::from_secs_f64(ticks as f64 / procfs::ticks_per_second() as f64),
        max_rss: process.status()?.vmhwm.map(|kib| kib * 1024),
    })
}
