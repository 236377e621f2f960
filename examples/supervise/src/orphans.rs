//! Processes that were left to us and still run when all services have ended, such as daemons: they are ended, too.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use procfs::process::{all_processes, Process};
use rustix::process::{getpid, kill_process, Pid, Signal};

/// From SIGTERM to SIGKILL, unless a service has a longer one.
pub(crate) const GRACE: Duration = Duration::from_secs(10);

pub(crate) struct Orphans {
    /// When to kill them.
    deadline: Option<Instant>,
    /// Those that were asked to end. None is reaped behind our back, so that the numbers stay theirs.
    asked: HashSet<i32>,
    killed: bool,
}

impl Orphans {
    pub(crate) fn new(grace: Duration) -> Orphans {
        Orphans { deadline: Instant::now().checked_add(grace), asked: HashSet::new(), killed: false }
    }

    /// Signals those that are there now; true if there is none left.
    pub(crate) fn end(&mut self) -> bool {
        let living = living();
        self.asked.retain(|pid| living.contains(pid));
        self.killed |= self.deadline.is_some_and(|deadline| deadline <= Instant::now());
        for &pid in &living {
            let Some(pid) = Pid::from_raw(pid) else {
                continue;
            };
            // One that has changed its user may be beyond reach, or has just ended.
            if self.killed {
                let _ = kill_process(pid, Signal::KILL);
            } else if self.asked.insert(pid.as_raw_nonzero().get()) {
                let _ = kill_process(pid, Signal::TERM).and_then(|()| kill_process(pid, Signal::CONT));
            }
        }
        living.is_empty()
    }

    pub(crate) fn kill(&mut self) {
        self.killed = true;
    }

    pub(crate) fn due(&self) -> Option<Instant> {
        self.deadline.filter(|_| !self.killed)
    }
}

/// Our children that are no zombies. None where `/proc` is that of others.
fn living() -> HashSet<i32> {
    let me = getpid().as_raw_nonzero().get();
    let is_ours = Process::myself().is_ok_and(|process| process.pid == me);
    let processes = all_processes().ok().filter(|_| is_ours).into_iter().flatten().flatten();
    let stats = processes.filter_map(|process| process.stat().ok());
    stats.filter(|stat| stat.ppid == me && !matches!(stat.state, 'Z' | 'X')).map(|stat| stat.pid).collect()
}
