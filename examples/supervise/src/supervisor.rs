//! The loop: waits for whatever comes first, and acts on it.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use childset::ChildSet;
use rustix::event::{poll, PollFd, PollFlags, Timespec};
use rustix::io::Errno;

use crate::config::Service;
use crate::signals::Signals;
use crate::strangers::{self, Left};
use crate::unit::{State, Stopping, Unit};
use crate::{say, status};

/// How many exits are taken before signals and deadlines have their turn.
const BATCH: usize = 64;

pub(crate) struct Supervisor {
    /// With the indices of their units.
    set: ChildSet<usize>,
    /// In the order of the file.
    units: Vec<Unit>,
    signals: Signals,
    /// How many were reaped.
    strangers: u64,
    /// There may be a zombie that no further SIGCHLD tells of.
    zombies: bool,
    stopping: bool,
}

impl Supervisor {
    /// Prepares all services, and starts none.
    pub(crate) fn new(services: Vec<Service>) -> Result<Supervisor> {
        Ok(Supervisor {
            set: ChildSet::new().context("cannot watch services")?,
            // Before the look at what was left to us: none is missed.
            signals: Signals::catch().context("cannot catch signals")?,
            units: services.into_iter().map(Unit::new).collect::<Result<_>>()?,
            strangers: 0,
            zombies: true,
            stopping: false,
        })
    }

    /// Returns when there is nothing left to run: whether no service failed for good.
    pub(crate) fn run(mut self) -> Result<bool> {
        loop {
            self.act();
            if self.units.iter().all(|unit| matches!(unit.state, State::Done | State::Failed)) {
                return Ok(!self.units.iter().any(|unit| matches!(unit.state, State::Failed)));
            }
            self.wait().context("cannot wait")?;
            self.take_exits().context("cannot watch services")?;
            self.reap_strangers().context("cannot reap")?;
            if self.signals.table.take()? > 0 {
                let _ = io::stderr().write_all(status::table(&self.units, self.strangers).as_bytes());
            }
            for _ in 0..self.signals.stop.take()?.min(2) {
                self.stop();
            }
        }
    }

    /// Starts and kills what is due; when stopping, the last service that runs is the next one to go.
    fn act(&mut self) {
        let now = Instant::now();
        for (index, unit) in self.units.iter_mut().enumerate() {
            match unit.state {
                State::Waiting(until) if until <= now => unit.start(&self.set, index),
                State::Running(_) if unit.due().is_some_and(|due| due <= now) => unit.kill(&self.set),
                _ => {}
            }
        }
        if !self.stopping {
            return;
        }
        let last = self.units.iter_mut().rev().find(|unit| unit.running().is_some());
        if let Some(unit) = last {
            if unit.running().is_some_and(|running| matches!(running.stopping, Stopping::No)) {
                unit.stop(&self.set);
            }
        }
    }

    fn stop(&mut self) {
        if !self.stopping {
            say(format_args!("stopping"));
            self.stopping = true;
            // Those that run go one by one.
            self.units
                .iter_mut()
                .filter(|unit| unit.running().is_none())
                .for_each(|unit| unit.stop(&self.set));
            return;
        }
        self.units.iter_mut().for_each(|unit| unit.kill(&self.set));
    }

    fn wait(&self) -> io::Result<()> {
        let next = self.units.iter().filter_map(Unit::due).min();
        let left = match self.zombies {
            true => Some(Duration::ZERO),
            false => next.map(|next| next.saturating_duration_since(Instant::now())),
        };
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        let signals = &self.signals;
        let mut fds = [
            PollFd::new(&self.set, PollFlags::IN),
            PollFd::new(&signals.stop, PollFlags::IN),
            PollFd::new(&signals.table, PollFlags::IN),
            PollFd::new(&signals.child, PollFlags::IN),
        ];
        match poll(&mut fds, left.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn take_exits(&mut self) -> io::Result<()> {
        for _ in 0..BATCH {
            let Some(exited) = self.set.try_wait()? else {
                break;
            };
            // What it has left behind in its group or cgroup. That it cannot be told on an older kernel is no news.
            let _ = exited.child.kill_tree();
            self.units[exited.tag].exited(&exited.exit, self.stopping);
        }
        Ok(())
    }

    fn reap_strangers(&mut self) -> io::Result<()> {
        if self.signals.child.take()? > 0 || self.zombies {
            let units = &self.units;
            let is_service = |pid| units.iter().filter_map(Unit::running).any(|running| running.pid == pid);
            self.zombies = strangers::reap(&mut self.strangers, is_service)? == Left::Zombie;
        }
        Ok(())
    }
}
