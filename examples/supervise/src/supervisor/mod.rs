//! The loop: waits for whatever comes first, and acts on it.

mod begin;
mod upgrade;

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use childset::Signal;
use rustix::event::{poll, PollFd, PollFlags, Timespec};
use rustix::io::Errno;

use crate::means::Means;
use crate::orphans::{self, Orphans};
use crate::signals::Signals;
use crate::strangers::{self, Left};
use crate::unit::memory::exit_of;
use crate::unit::{State, Stopping, Unit};
use crate::{log, say, status};

/// How many exits are taken before signals and deadlines have their turn.
const BATCH: usize = 64;

pub(crate) struct Supervisor {
    means: Means,
    /// Our own program, by its path.
    exe: Option<PathBuf>,
    /// In the order of the file.
    units: Vec<Unit>,
    signals: Signals,
    /// How many were reaped.
    strangers: u64,
    /// There may be a zombie that no further SIGCHLD tells of.
    zombies: bool,
    stopping: bool,
    /// Whether orphans are left to us.
    adopts: bool,
    /// All services have ended, and what was left to us is to end, too.
    orphans: Option<Orphans>,
    /// The exit code of the essential service that has ended first.
    essential: Option<u8>,
}

impl Supervisor {
    /// Returns when there is nothing left to run: the exit code.
    pub(crate) fn run(mut self) -> Result<u8> {
        loop {
            self.act();
            if self.units.iter().all(Unit::is_over) && self.end_orphans() {
                let failed = self.units.iter().any(|unit| matches!(unit.state, State::Failed));
                if let Some((state, _)) = self.means.state {
                    state.finish().context("cannot write the state")?;
                }
                return Ok(self.essential.unwrap_or(failed.into()));
            }
            self.wait().context("cannot wait")?;
            self.take_exits().context("cannot watch services")?;
            self.reap_strangers().context("cannot reap")?;
            if self.signals.table.take()? > 0 {
                log::write(&status::table(&self.units, self.strangers));
            }
            for _ in 0..self.signals.stop.take()?.min(2) {
                self.stop();
            }
            if self.signals.upgrade.take()? > 0 {
                self.upgrade();
            }
        }
    }

    /// Starts and kills what is due; when stopping, the last service that runs is the next one to go.
    fn act(&mut self) {
        let now = Instant::now();
        for index in 0..self.units.len() {
            let unit = &mut self.units[index];
            let is_due = unit.due().is_some_and(|due| due <= now);
            match &unit.state {
                State::Waiting(_) if is_due => {
                    unit.start(&self.means);
                    self.end_with(index);
                }
                State::Running(_) if is_due => unit.kill(&self.means),
                State::Running(running) if unit.down && matches!(running.stopping, Stopping::No) => {
                    unit.stop(&self.means);
                }
                _ => {}
            }
        }
        if !self.stopping {
            return;
        }
        let last = self.units.iter_mut().rev().find(|unit| unit.running().is_some());
        if let Some(unit) = last {
            if unit.running().is_some_and(|running| matches!(running.stopping, Stopping::No)) {
                unit.stop(&self.means);
            }
        }
    }

    /// Forgets those that are to leave, and have ended.
    fn leave(&mut self) {
        let state = &mut self.means.state;
        self.units.retain(|unit| {
            let leaves = unit.leaves && unit.is_over();
            if let Some((state, _)) = state.as_mut().filter(|_| leaves) {
                if let Err(error) = state.free(unit.id) {
                    say(format_args!("{}: cannot write the state: {error}", unit.service.name));
                }
            }
            !leaves
        });
    }

    /// Whether there is none.
    fn end_orphans(&mut self) -> bool {
        if !self.adopts {
            return true;
        }
        let graces = self.units.iter().map(|unit| unit.service.stop.grace());
        let grace = graces.chain([orphans::GRACE]).max().unwrap_or_default();
        self.orphans.get_or_insert_with(|| Orphans::new(grace)).end()
    }

    /// Has all end because an essential service has.
    fn end_with(&mut self, index: usize) {
        let unit = &self.units[index];
        if unit.service.essential && unit.is_over() && self.essential.is_none() {
            self.essential = Some(unit.code);
            if !self.stopping {
                self.stop();
            }
        }
    }

    fn stop(&mut self) {
        if let Some(orphans) = &mut self.orphans {
            orphans.kill();
        }
        if !self.stopping {
            say(format_args!("stopping"));
            self.stopping = true;
            // Those that run go one by one.
            self.units
                .iter_mut()
                .filter(|unit| unit.running().is_none())
                .for_each(|unit| unit.stop(&self.means));
            return;
        }
        self.units.iter_mut().for_each(|unit| unit.kill(&self.means));
    }

    fn wait(&self) -> io::Result<()> {
        let orphans = self.orphans.as_ref().and_then(Orphans::due);
        let next = self.units.iter().filter_map(Unit::due).chain(orphans).min();
        let left = match self.zombies {
            true => Some(Duration::ZERO),
            false => next.map(|next| next.saturating_duration_since(Instant::now())),
        };
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        let signals = &self.signals;
        let log = log::wants();
        let mut fds = vec![
            PollFd::new(&self.means.set, PollFlags::IN),
            PollFd::new(&signals.stop, PollFlags::IN),
            PollFd::new(&signals.table, PollFlags::IN),
            PollFd::new(&signals.child, PollFlags::IN),
            PollFd::new(&signals.upgrade, PollFlags::IN),
        ];
        fds.extend(log.as_ref().map(|log| PollFd::new(log, PollFlags::OUT)));
        match poll(&mut fds, left.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        log::flush();
        Ok(())
    }

    fn take_exits(&mut self) -> io::Result<()> {
        for _ in 0..BATCH {
            let Some(mut exited) = self.means.set.try_wait()? else {
                break;
            };
            // What it has left behind in its group or cgroup. That it cannot be told on an older kernel is no news.
            let _ = exited.child.kill_tree();
            let _ = exited.child.pidfd().send_signal_to_group(Signal::KILL);
            let exit = exit_of(&mut exited);
            let is_it =
                |unit: &Unit| unit.running().is_some_and(|it| unit.id == exited.tag && it.key == exited.key);
            if let Some(index) = self.units.iter().position(is_it) {
                self.units[index].exited(&exit, self.stopping, &self.means);
                self.end_with(index);
            }
        }
        self.leave();
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
