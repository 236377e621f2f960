use std::fs;
use std::io;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::gate::Gate;

/// What a process does while nothing happens, with all its threads.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Idle {
    /// How often a thread went to sleep, hence was woken.
    pub(crate) wakeups: u64,
    pub(crate) cpu_ns: u64,
}

/// Long enough for all threads to go to sleep.
const SETTLE: Duration = Duration::from_millis(100);

/// In a thread of its own, while all others wait: opens the gate at the end.
pub(super) fn watch(gate: Gate, time: Duration) -> thread::JoinHandle<Result<Idle>> {
    thread::spawn(move || {
        thread::sleep(SETTLE);
        let before = look();
        thread::sleep(time);
        let after = look();
        gate.open();
        let (before, after) = (before?, after?);
        Ok(Idle { wakeups: after.wakeups - before.wakeups, cpu_ns: after.cpu_ns - before.cpu_ns })
    })
}

/// All threads but this one.
fn look() -> Result<Idle> {
    let this = fs::read_link("/proc/thread-self")?;
    let mut sum = Idle { wakeups: 0, cpu_ns: 0 };
    for thread in fs::read_dir("/proc/self/task")? {
        let path = thread?.path();
        if this.file_name() == path.file_name() {
            continue;
        }
        // It may have ended.
        let read = |name| match fs::read_to_string(path.join(name)) {
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESRCH)) => Ok(None),
            result => result.map(Some),
        };
        if let (Some(status), Some(schedstat)) = (read("status")?, read("schedstat")?) {
            let first = |text: &str| text.split_whitespace().next().and_then(|word| word.parse::<u64>().ok());
            let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            sum.wakeups += line.and_then(first).context("no count of context switches")?;
            sum.cpu_ns += first(&schedstat).context("no CPU time")?;
        }
    }
    Ok::<_, io::Error>(sum).map_err(Into::into)
}
