//! The end of all: side by side, though those first that are after others, under one deadline.

use std::time::Instant;

use super::Supervisor;
use crate::say;
use crate::unit::{Stopping, Unit};

impl Supervisor {
    /// Asked once more, kills all that is left.
    pub(super) fn stop(&mut self) {
        if let Some(orphans) = &mut self.orphans {
            orphans.kill();
        }
        if self.stopping {
            return self.kill_all();
        }
        say(format_args!("stopping"));
        self.stopping = true;
        let grace = self.units.iter().map(|unit| unit.service.stop.grace()).max();
        self.deadline = self.stop_within.or(grace).and_then(|within| Instant::now().checked_add(within));
        let means = &self.means;
        self.units.iter_mut().filter(|unit| unit.running().is_none()).for_each(|unit| unit.stop(means));
        self.go_on_stopping(Instant::now());
    }

    pub(super) fn go_on_stopping(&mut self, now: Instant) {
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            return self.kill_all();
        }
        for index in 0..self.units.len() {
            let unit = &self.units[index];
            let is_asked = |unit: &Unit| unit.running().is_none_or(|it| !matches!(it.stopping, Stopping::No));
            let name = &unit.service.name;
            let is_needed = |other: &Unit| other.running().is_some() && other.service.after.contains(name);
            if !is_asked(unit) && !self.units.iter().any(is_needed) {
                self.units[index].stop(&self.means);
            }
        }
    }

    fn kill_all(&mut self) {
        let is_killed = |unit: &&mut Unit| unit.running().is_some_and(|it| it.stopping.is_killed());
        let others = self.units.iter_mut().filter(|unit| !is_killed(unit));
        others.for_each(|unit| unit.kill(&self.means));
    }

    /// Whether all that still runs was killed.
    pub(super) fn is_killed(&self) -> bool {
        self.units.iter().filter_map(Unit::running).all(|running| running.stopping.is_killed())
    }
}
