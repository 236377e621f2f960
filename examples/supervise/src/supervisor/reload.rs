//! SIGHUP: the file is read again, and what has changed in it is changed.

use anyhow::Result;

use super::Supervisor;
use crate::config::Service;
use crate::means::Means;
use crate::say;
use crate::unit::{State, Unit};

impl Supervisor {
    /// All or nothing, as far as can be known before services are stopped.
    pub(super) fn reload(&mut self) {
        if self.stopping {
            return;
        }
        match self.try_reload() {
            Ok(changed) => say(format_args!("{}: read again, {changed} changed", self.file.display())),
            Err(error) => say(format_args!("nothing is changed: {error:#}")),
        }
    }

    fn try_reload(&mut self) -> Result<usize> {
        let config = crate::read(&self.file, false)?;
        let known = |name: &str, units: &[Unit]| units.iter().position(|unit| unit.service.name == name);
        let mut added = Vec::new();
        for service in &config.services {
            if known(&service.name, &self.units).is_none() {
                match self.add(service, &added) {
                    Ok(unit) => added.push(unit),
                    Err(error) => {
                        added.iter().for_each(|unit: &Unit| self.free(unit.id));
                        return Err(error);
                    }
                }
            }
        }
        let mut changed = added.len();
        self.stop_within = config.stop_within;
        for unit in &mut self.units {
            let service = config.services.iter().find(|service| service.name == unit.service.name);
            changed += match service {
                Some(service) if unit.leaves => {
                    // It is back before it has gone.
                    (unit.down, unit.again, unit.leaves) = (true, true, false);
                    unit.next = Some(Box::new(service.clone()));
                    1
                }
                None if unit.leaves => 0,
                None => {
                    (unit.down, unit.again, unit.leaves) = (true, false, true);
                    if unit.running().is_none() {
                        unit.state = State::Done;
                    }
                    1
                }
                Some(service) => usize::from(unit.change(service, &self.means)),
            };
        }
        for unit in &mut self.units {
            unit.output.iter_mut().for_each(|output| output.reload(unit.service.log.as_ref()));
        }
        self.units.append(&mut added);
        let place =
            |unit: &Unit| config.services.iter().position(|service| service.name == unit.service.name);
        // Those that leave are last.
        self.units.sort_by_key(|unit| place(unit).filter(|_| !unit.leaves).unwrap_or(usize::MAX));
        self.leave();
        Ok(changed)
    }

    fn add(&mut self, service: &Service, added: &[Unit]) -> Result<Unit> {
        let id = self.new_id(&service.name, added)?;
        let unit = Unit::new(id, service.clone(), &mut self.means);
        if unit.is_err() {
            self.free(id);
        }
        unit
    }

    pub(super) fn free(&mut self, id: usize) {
        if let Some((state, _)) = &mut self.means.state {
            if let Err(error) = state.free(id) {
                say(format_args!("cannot write the state: {error}"));
            }
        }
    }

    /// Starts those again that were stopped for that, perhaps as others than before.
    pub(super) fn start_again(&mut self) {
        for unit in self.units.iter_mut().filter(|unit| unit.again && unit.is_over()) {
            if let Some(service) = unit.next.take() {
                if let Err(error) = unit.become_other(*service, &mut self.means) {
                    say(format_args!("{error:#}"));
                    (unit.again, unit.state) = (false, State::Failed);
                    continue;
                }
            }
            (unit.again, unit.down) = (false, false);
            unit.renew();
            unit.save(&self.means);
        }
    }
}

impl Unit {
    /// Whether anything is to change.
    fn change(&mut self, service: &Service, means: &Means) -> bool {
        let latest = self.next.as_deref().unwrap_or(&self.service);
        if latest == service {
            return false;
        }
        if self.service.has_same_process(service) {
            self.next = None;
            self.service = service.clone();
            return true;
        }
        self.next = Some(Box::new(service.clone()));
        if self.down && !self.again {
            // It is what the file says when it is started.
            return true;
        }
        (self.down, self.again) = (true, true);
        if self.running().is_none() {
            self.state = State::Done;
        }
        self.save(means);
        true
    }
}
