use std::io;
use std::mem::MaybeUninit;
use std::time::Duration;

use anyhow::{ensure, Context, Result};

pub(super) use libc::{
    CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID as PROCESS, CLOCK_THREAD_CPUTIME_ID as THREAD,
};

use crate::traced;

/// In nanoseconds. The CPU time of a child before its `execve` is the child's.
pub(super) fn clock(id: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` has room for what is written.
    let result = unsafe { libc::clock_gettime(id, &mut time) };
    assert_eq!(result, 0, "Linux has all of these clocks");
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// The CPU time of those children that have been reaped, from their birth to their end.
pub(super) fn children() -> Result<Duration> {
    let mut usage = MaybeUninit::uninit();
    // SAFETY: `usage` has room for what is written.
    let result = unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, usage.as_mut_ptr()) };
    ensure!(result == 0, "getrusage: {}", io::Error::last_os_error());
    // SAFETY: getrusage succeeded, so it has filled it in.
    let usage: libc::rusage = unsafe { usage.assume_init() };
    let time = |time: libc::timeval| {
        Duration::from_secs(time.tv_sec as u64) + Duration::from_micros(time.tv_usec as u64)
    };
    Ok(time(usage.ru_utime) + time(usage.ru_stime))
}

/// What is resident of this process, in bytes.
pub(super) fn resident() -> Result<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = statm.split(' ').nth(1).context("statm has fewer fields")?.parse()?;
    // SAFETY: no memory is involved.
    Ok(pages * unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as u64)
}

/// The beginning of a measurement, or its end.
#[derive(Debug)]
pub(super) struct Mark {
    wall: u64,
    process: u64,
    thread: u64,
    children: Duration,
}

impl Mark {
    /// The system call `getrusage`, and what `traced` does, stand directly at what is measured.
    pub(super) fn begin() -> Result<Mark> {
        let [wall, process, thread] = [CLOCK_MONOTONIC, PROCESS, THREAD].map(clock);
        let children = children()?;
        traced::stop();
        Ok(Mark { wall, process, thread, children })
    }

    pub(super) fn end() -> Result<Mark> {
        traced::stop();
        let children = children()?;
        let [thread, process, wall] = [THREAD, PROCESS, CLOCK_MONOTONIC].map(clock);
        Ok(Mark { wall, process, thread, children })
    }

    /// What it took since then: microseconds for each of them.
    pub(super) fn since(&self, begin: &Mark, count: usize) -> Used {
        let each = |nanoseconds: u64| nanoseconds as f64 / 1000.0 / count as f64;
        let own = each(self.process - begin.process);
        Used {
            wall: each(self.wall - begin.wall),
            own,
            helpers: (own - each(self.thread - begin.thread)).max(0.0),
            children: (self.children - begin.children).as_secs_f64() * 1e6 / count as f64,
        }
    }
}

#[derive(Debug)]
pub(super) struct Used {
    pub(super) wall: f64,
    pub(super) own: f64,
    pub(super) helpers: f64,
    pub(super) children: f64,
}
