use std::fmt;
use std::mem::MaybeUninit;
use std::str::FromStr;
use std::time::{Duration, Instant};

use anyhow::{ensure, Context, Result};

/// What one contender took in one round.
///
/// The CPU time is that of the process itself, in user and system mode. What a child uses, also before its
/// `execve`, is accounted to the child.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) wall: Duration,
    /// Of all threads.
    pub(crate) cpu: Duration,
    /// Of the thread that spawns and waits.
    pub(crate) main_thread: Duration,
}

impl Sample {
    /// The system call `getrusage` stands at both ends of what is measured: `syscalls` counts between them.
    pub(crate) fn of(act: impl FnOnce() -> Result<()>) -> Result<Sample> {
        let wall = Instant::now();
        let cpu = cpu_time(libc::RUSAGE_SELF)?;
        let main_thread = cpu_time(libc::RUSAGE_THREAD)?;
        act()?;
        // In this order: RUSAGE_SELF brings the thread's own account up to date, RUSAGE_THREAD does not.
        let cpu = cpu_time(libc::RUSAGE_SELF)? - cpu;
        let main_thread = cpu_time(libc::RUSAGE_THREAD)? - main_thread;
        Ok(Sample { wall: wall.elapsed(), cpu, main_thread })
    }

    pub(crate) fn other_threads(&self) -> Duration {
        self.cpu.saturating_sub(self.main_thread)
    }
}

pub(crate) fn cpu_time(who: libc::c_int) -> Result<Duration> {
    let mut usage = MaybeUninit::uninit();
    // SAFETY: `usage` has room for what is written.
    let result = unsafe { libc::getrusage(who, usage.as_mut_ptr()) };
    ensure!(result == 0, "getrusage: {}", std::io::Error::last_os_error());
    // SAFETY: getrusage succeeded, so it has filled it in.
    Ok(total(&unsafe { usage.assume_init() }))
}

/// In user and system mode.
pub(crate) fn total(usage: &libc::rusage) -> Duration {
    let time = |time: libc::timeval| {
        Duration::from_secs(time.tv_sec as u64) + Duration::from_micros(time.tv_usec as u64)
    };
    time(usage.ru_utime) + time(usage.ru_stime)
}

/// In nanoseconds: wall, CPU, CPU of the main thread. The floor prints the same.
impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sample { wall, cpu, main_thread } = self;
        write!(f, "{} {} {}", wall.as_nanos(), cpu.as_nanos(), main_thread.as_nanos())
    }
}

impl FromStr for Sample {
    type Err = anyhow::Error;

    fn from_str(line: &str) -> Result<Sample> {
        let mut numbers = line.split_whitespace().map(str::parse);
        let mut next = || -> Result<Duration> {
            let number = numbers.next().with_context(|| format!("three numbers expected: {line:?}"))?;
            Ok(Duration::from_nanos(number?))
        };
        Ok(Sample { wall: next()?, cpu: next()?, main_thread: next()? })
    }
}
