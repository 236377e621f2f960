//! From the file, and from what a predecessor left, to units.

use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result};
use childset::ChildSet;

use super::Supervisor;
use crate::config::Service;
use crate::means::Means;
use crate::say;
use crate::signals::Signals;
use crate::state::{Records, StateFile};
use crate::unit::Unit;

impl Supervisor {
    /// Prepares all services, and starts none; finds those again that a predecessor has started.
    pub(crate) fn new(services: Vec<Service>, adopts: bool, state: Option<&Path>) -> Result<Supervisor> {
        // Before the look at what was left to us: none is missed.
        let signals = Signals::catch().context("cannot catch signals")?;
        let set = ChildSet::new().context("cannot watch services")?;
        let (state, records) = match state {
            None => (None, Records::new()),
            Some(path) => {
                let (state, records) = StateFile::open(path)?;
                (Some((state, File::open("/proc/self/exe").context("cannot open /proc/self/exe")?)), records)
            }
        };
        let mut supervisor = Supervisor {
            means: Means { set, state },
            exe: std::env::current_exe().ok(),
            signals,
            units: Vec::new(),
            strangers: 0,
            zombies: true,
            stopping: false,
            adopts,
            orphans: None,
            essential: None,
        };
        for service in services {
            let id = supervisor.new_id(&service.name)?;
            supervisor.units.push(Unit::new(id, service)?);
        }
        for (id, record) in records {
            let known = supervisor.units.iter().position(|unit| unit.service.name == record.name);
            let index = match known {
                Some(index) => index,
                None => {
                    say(format_args!("{}: it is in the file no more", record.name));
                    let mut unit = Unit::new(id, Service::forgotten(record.name.clone()))?;
                    (unit.down, unit.leaves) = (true, true);
                    supervisor.units.push(unit);
                    supervisor.units.len() - 1
                }
            };
            supervisor.units[index].resume(record, &supervisor.means)?;
        }
        Ok(supervisor)
    }

    /// Has room for the service in the state file.
    pub(super) fn new_id(&mut self, name: &str) -> Result<usize> {
        let why = || format!("cannot write the state of {name}");
        match &mut self.means.state {
            Some((state, _)) => state.page(name).with_context(why),
            None => Ok((0..).find(|id| self.units.iter().all(|unit| unit.id != *id)).unwrap_or_default()),
        }
    }
}
