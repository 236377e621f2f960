//! The loop: waits for whatever comes first, and acts on it.

mod begin;
mod command;
mod reload;
mod stop;
mod upgrade;

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use childset::Signal;
use rustix::event::{poll, PollFd, PollFlags, Timespec};
use rustix::io::Errno;

use crate::control::Control;
use crate::means::{Means, Tag};
use crate::orphans::{self, Orphans};
use crate::output::Output;
use crate::signals::Signals;
use crate::strangers::{self, Left};
use crate::unit::memory::exit_of;
use crate::unit::{State, Unit};
use crate::{log, status};

use command::Pending;

/// How many exits are taken before signals and deadlines have their turn.
const BATCH: usize = 64;

/// Why a service is not started.
enum Blocker {
    /// One that it is after is not ready.
    NotReady,
    /// And never will be.
    Failed(String),
}

pub(crate) struct Supervisor {
    /// In the order of the file.
    units: Vec<Unit>,
    means: Means,
    /// Our own program, by its path.
    exe: Option<PathBuf>,
    /// What to run.
    file: PathBuf,
    control: Option<Control>,
    pending: Vec<Pending>,
    signals: Signals,
    /// How many were reaped.
    strangers: u64,
    /// There may be a zombie for which no further SIGCHLD comes.
    zombies: bool,
    stopping: bool,
    /// For all to be stopped; then what still runs is killed.
    deadline: Option<Instant>,
    stop_within: Option<Duration>,
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
            self.answer_pending();
            if self.units.iter().all(|unit| unit.is_over() && !unit.again)
                && self.has_nothing_to_do()
                && self.end_orphans()
            {
                self.outputs().for_each(Output::finish);
                let failed = self.units.iter().any(|unit| matches!(unit.state, State::Failed));
                if let Some((state, _)) = self.means.state {
                    state.finish().context("cannot write the state")?;
                }
                return Ok(self.essential.unwrap_or(failed.into()));
            }
            self.wait().context("cannot wait")?;
            self.units.iter_mut().for_each(|unit| unit.listen(&self.means));
            self.outputs().for_each(Output::turn);
            self.take_exits().context("cannot watch services")?;
            self.reap_strangers().context("cannot reap")?;
            if self.signals.table.take()? > 0 {
                log::write(&status::table(&self.units, self.strangers));
            }
            for _ in 0..self.signals.stop.take()?.min(2) {
                self.stop();
            }
            if self.signals.reload.take()? > 0 {
                self.reload();
            }
            self.obey();
            self.start_again();
            if self.signals.upgrade.take()? > 0 {
                self.upgrade();
            }
        }
    }

    /// Starts and kills what is due.
    fn act(&mut self) {
        let now = Instant::now();
        for index in 0..self.units.len() {
            match &self.units[index].state {
                State::Waiting(until) if *until <= now => match self.blocker(index) {
                    None => {
                        self.units[index].start(&self.means);
                        self.end_with(index);
                    }
                    Some(Blocker::Failed(name)) => {
                        self.units[index].fail_with(&name, &self.means);
                        self.end_with(index);
                    }
                    Some(Blocker::NotReady) => {}
                },
                _ => self.units[index].act(now, &self.means),
            }
        }
        if self.stopping {
            self.go_on_stopping(now);
        }
    }

    /// Why it cannot be started yet.
    fn blocker(&self, index: usize) -> Option<Blocker> {
        let after = &self.units[index].service.after;
        let others = self.units.iter().filter(|other| after.contains(&other.service.name));
        let mut blockers = others.filter(|other| !other.is_ready()).map(|other| match other.state {
            State::Failed => Blocker::Failed(other.service.name.clone()),
            _ => Blocker::NotReady,
        });
        let first = blockers.next()?;
        Some(blockers.fold(first, |first, other| if let Blocker::Failed(_) = first { first } else { other }))
    }

    fn outputs(&mut self) -> impl Iterator<Item = &mut Output> {
        self.units.iter_mut().filter_map(|unit| unit.output.as_mut())
    }

    /// Forgets those that are to leave, and have ended.
    fn leave(&mut self) {
        let is_over = |unit: &Unit| unit.leaves && unit.is_over();
        let ids: Vec<_> = self.units.iter().filter(|unit| is_over(unit)).map(|unit| unit.id).collect();
        self.units.retain(|unit| !is_over(unit));
        ids.into_iter().for_each(|id| self.free(id));
    }

    /// One that was stopped by request may be started again.
    fn has_nothing_to_do(&self) -> bool {
        self.stopping || self.control.is_none() || !self.units.iter().any(|unit| unit.down)
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

    fn wait(&self) -> io::Result<()> {
        let orphans = self.orphans.as_ref().and_then(Orphans::due);
        let due = |(index, unit): (usize, &Unit)| {
            let is_blocked = || matches!(self.blocker(index), Some(Blocker::NotReady));
            let blocked = matches!(unit.state, State::Waiting(_)) && is_blocked();
            unit.due().filter(|_| !blocked)
        };
        let deadline = self.deadline.filter(|_| !self.is_killed());
        let next = self.units.iter().enumerate().filter_map(due).chain(orphans).chain(deadline).min();
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
            PollFd::new(&signals.reload, PollFlags::IN),
        ];
        fds.extend(log.as_ref().map(|log| PollFd::new(log, PollFlags::OUT)));
        let sockets = self.units.iter().filter_map(|unit| unit.notify.as_ref());
        fds.extend(sockets.map(|socket| PollFd::new(socket, PollFlags::IN)));
        let outputs = self.units.iter().filter_map(|unit| unit.output.as_ref());
        fds.extend(outputs.map(|output| PollFd::new(output, PollFlags::IN)));
        let control = self.control.iter().flat_map(Control::wants);
        fds.extend(control.map(|(fd, flags)| PollFd::from_borrowed_fd(fd, flags)));
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
            let (Tag::Service(id) | Tag::Check(id)) = exited.tag;
            let Some(index) = self.units.iter().position(|unit| unit.id == id) else {
                continue;
            };
            let unit = &mut self.units[index];
            if exited.tag == Tag::Check(id) {
                unit.checked(exited.key, exit.is_ok_and(|exit| exit.success()), &self.means);
            } else if unit.running().is_some_and(|running| running.key == exited.key) {
                unit.exited(&exit, self.stopping, &self.means);
                self.end_with(index);
            }
        }
        self.leave();
        Ok(())
    }

    fn reap_strangers(&mut self) -> io::Result<()> {
        if self.signals.child.take()? > 0 || self.zombies {
            let set = &self.means.set;
            let is_service = |pid| set.keys().into_iter().any(|key| set.pid(key) == Some(pid));
            self.zombies = strangers::reap(&mut self.strangers, is_service)? == Left::Zombie;
        }
        Ok(())
    }
}
