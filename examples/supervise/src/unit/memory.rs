//! What the state file keeps of a service, and what becomes of it.

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use childset::{Exit, Exited, Gone, StatusUnknown};
use rustix::event::{poll, PollFd, PollFlags, Timespec};
use rustix::time::{clock_gettime, ClockId};

use super::readiness::Readiness;
use super::{Running, State, Stopping, Unit};
use crate::backoff::Row;
use crate::means::{Means, Tag};
use crate::say;
use crate::state::{Phase, Record};

impl Unit {
    pub(crate) fn record(&self) -> Record {
        let running = self.running();
        let since = running.map(|running| now().saturating_sub(running.since.elapsed()));
        Record {
            name: self.service.name.clone(),
            identity: running.and_then(|running| running.identity),
            phase: match self.state {
                State::Waiting(_) => Phase::Waiting,
                State::Running(_) => Phase::Running,
                State::Done => Phase::Done,
                State::Failed => Phase::Failed,
            },
            down: self.down && !self.again,
            ready: running.is_some_and(|running| running.readiness.ready),
            since: since.unwrap_or_default(),
            restarts: self.restarts,
            row: self.row.0,
            code: self.code,
            last: self.last.clone(),
        }
    }

    /// What it does is the same if that fails; a process that has ended is found to be gone.
    pub(crate) fn save(&self, means: &Means) {
        if let Some((state, _)) = &means.state {
            if let Err(error) = state.write(self.id, &self.record()) {
                say(format_args!("{}: cannot write the state: {error}", self.service.name));
            }
        }
    }

    /// Goes on where a predecessor was: finds the process again, if it has not ended.
    pub(crate) fn resume(&mut self, record: Record, means: &Means) -> Result<()> {
        let name = self.service.name.clone();
        self.down |= record.down;
        self.restarts = record.restarts;
        self.row = Row(record.row);
        self.code = record.code;
        self.last = record.last;
        let Some(identity) = record.identity.filter(|_| record.phase == Phase::Running) else {
            self.state = match record.phase {
                Phase::Done => State::Done,
                Phase::Failed => State::Failed,
                _ if self.down => State::Done,
                _ => State::Waiting(Instant::now()),
            };
            return Ok(());
        };
        let ran = now().saturating_sub(record.since);
        let found = match identity.open() {
            Ok(found) => found,
            Err(error) if Gone::from_io_error(&error).is_some() => {
                let last = "exit status unknown: it ended while nobody watched it";
                say(format_args!("{name}: {last}"));
                self.last = Some(last.into());
                self.code = 1;
                self.go_on(false, ran, false, means);
                return Ok(());
            }
            Err(error) => return Err(error).with_context(|| format!("cannot find {name} again")),
        };
        let pid = found.pid().ok().flatten().unwrap_or(0);
        let watch = || format!("cannot watch {name}, pid {pid}");
        let key =
            means.set.insert(found, Tag::Service(self.id)).map_err(io::Error::from).with_context(watch)?;
        say(format_args!("{name}: found again, pid {pid}"));
        let since = Instant::now().checked_sub(ran).unwrap_or_else(Instant::now);
        let identity = Some(identity);
        let mut readiness = Readiness::new(&self.service);
        if record.ready {
            readiness.set_ready(&self.service);
        }
        let stopping = Stopping::No;
        self.state = State::Running(Running { key, pid, since, stopping, identity, gate: None, readiness });
        Ok(())
    }
}

/// How it ended. The parent of one that is not our child reaps it in a moment; then the kernel reports it (Linux 6.15).
pub(crate) fn exit_of(exited: &mut Exited<Tag>) -> io::Result<Exit> {
    const MOMENT: Duration = Duration::from_millis(100);
    let exit = std::mem::replace(&mut exited.exit, Err(StatusUnknown::NotKept.into()));
    let unknown = exit.as_ref().err().and_then(StatusUnknown::from_io_error);
    if unknown != Some(StatusUnknown::Zombie) {
        return exit;
    }
    let pidfd = exited.child.pidfd();
    let moment = Timespec::try_from(MOMENT).ok();
    // Without a flag, the end of waiting is that it was reaped.
    let _ = poll(&mut [PollFd::new(&pidfd.as_fd(), PollFlags::empty())], moment.as_ref());
    match pidfd.try_wait() {
        Ok(Some(found)) => Ok(found),
        _ => exit,
    }
}

/// On the clock of `Instant`.
fn now() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}
