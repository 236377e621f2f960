use std::fmt;
use std::mem::MaybeUninit;
use std::str::FromStr;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure, Context, Result};

use super::spawner::Spawn;
use super::Setting;
use crate::measure::{cpu_time, total};

/// What one spawn took: of a batch of them, in one round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    /// The median of the batch: what else runs on the machine stops some spawns for long.
    pub(crate) wall: Duration,
    /// Of this process, the mean. So is the next.
    pub(crate) own: Duration,
    /// Of the children, from their birth to their end: what they do for the spawn is a part of it.
    pub(crate) children: Duration,
}

impl Cost {
    /// Of both processes. It hardly depends on what else runs on the machine, as the wall time does.
    pub(crate) fn both(&self) -> Duration {
        self.own + self.children
    }

    pub(super) fn of(spawner: &mut dyn Spawn, setting: &Setting) -> Result<Cost> {
        let mut pids = Vec::with_capacity(setting.outstanding + setting.batch);
        let result = measure(spawner, setting, &mut pids);
        // Nothing may be left behind, also after an error.
        for &pid in &pids {
            // SAFETY: no memory is involved. Nobody has reaped the child, so the pid is its own.
            unsafe { libc::kill(pid, libc::SIGKILL) };
        }
        let ends: Vec<Duration> = pids.iter().map(|&pid| reap(pid)).collect::<Result<_>>()?;
        let (wall, own) = result?;
        let children = ends[setting.outstanding..].iter().sum::<Duration>() / setting.batch as u32;
        Ok(Cost { wall, own, children })
    }
}

fn measure(spawner: &mut dyn Spawn, setting: &Setting, pids: &mut Vec<i32>) -> Result<(Duration, Duration)> {
    for _ in 0..setting.outstanding {
        pids.push(spawner.spawn(true)? as i32);
    }
    let mut walls = Vec::with_capacity(setting.batch);
    let own = cpu_time(libc::RUSAGE_SELF)?;
    for _ in 0..setting.batch {
        let begin = Instant::now();
        pids.push(spawner.spawn(false)? as i32);
        walls.push(begin.elapsed());
    }
    let own = (cpu_time(libc::RUSAGE_SELF)? - own) / setting.batch as u32;
    walls.sort_unstable();
    Ok((walls[setting.batch / 2], own))
}

/// The CPU time that the child has used.
fn reap(pid: i32) -> Result<Duration> {
    let mut status = 0;
    let mut usage = MaybeUninit::uninit();
    // SAFETY: both have room for what is written.
    let reaped = unsafe { libc::wait4(pid, &mut status, 0, usage.as_mut_ptr()) };
    ensure!(reaped == pid, "wait4: {}", std::io::Error::last_os_error());
    if libc::WIFEXITED(status) && libc::WEXITSTATUS(status) != 0 {
        bail!("a child did not run");
    }
    // SAFETY: wait4 succeeded, so it has filled it in.
    Ok(total(&unsafe { usage.assume_init() }))
}

/// In nanoseconds: wall, own, children. The floor prints the same.
impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cost { wall, own, children } = self;
        write!(f, "{} {} {}", wall.as_nanos(), own.as_nanos(), children.as_nanos())
    }
}

impl FromStr for Cost {
    type Err = anyhow::Error;

    fn from_str(line: &str) -> Result<Cost> {
        let mut numbers = line.split_whitespace().map(str::parse);
        let mut next = || -> Result<Duration> {
            let number = numbers.next().with_context(|| format!("three numbers expected: {line:?}"))?;
            Ok(Duration::from_nanos(number?))
        };
        Ok(Cost { wall: next()?, own: next()?, children: next()? })
    }
}
