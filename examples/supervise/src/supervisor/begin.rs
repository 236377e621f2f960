//! From the file, and from what a predecessor left, to units.

use std::fs::File;

use anyhow::{Context, Result};
use childset::ChildSet;

use super::Supervisor;
use crate::config::{Config, Service};
use crate::control::Control;
use crate::means::Means;
use crate::notify::Directory;
use crate::signals::Signals;
use crate::state::{Records, StateFile};
use crate::unit::Unit;
use crate::{say, Options};

impl Supervisor {
    /// Prepares all services, and starts none; finds those again that a predecessor has started.
    pub(crate) fn new(config: Config, options: &Options, adopts: bool) -> Result<Supervisor> {
        let path = options.state.as_deref();
        // Before the look at what was left to us: none is missed.
        let signals = Signals::catch().context("cannot catch signals")?;
        let set = ChildSet::new().context("cannot watch services")?;
        let (state, records) = match path {
            None => (None, Records::new()),
            Some(path) => {
                let (state, records) = StateFile::open(path)?;
                (Some((state, File::open("/proc/self/exe").context("cannot open /proc/self/exe")?)), records)
            }
        };
        let mut supervisor = Supervisor {
            means: Means { set, directory: Directory::new(path), state },
            exe: std::env::current_exe().ok(),
            signals,
            units: Vec::new(),
            file: options.file.clone().unwrap_or_default(),
            control: options.control.as_deref().map(Control::listen).transpose()?,
            pending: Vec::new(),
            strangers: 0,
            zombies: true,
            stopping: false,
            deadline: None,
            stop_within: config.stop_within,
            adopts,
            orphans: None,
            essential: None,
        };
        for service in config.services {
            let id = supervisor.new_id(&service.name, &[])?;
            let unit = Unit::new(id, service, &mut supervisor.means)?;
            supervisor.units.push(unit);
        }
        for (id, record) in records {
            let known = supervisor.units.iter().position(|unit| unit.service.name == record.name);
            let index = match known {
                Some(index) => index,
                None => {
                    say(format_args!("{}: it is in the file no more", record.name));
                    let mut unit =
                        Unit::new(id, Service::forgotten(record.name.clone()), &mut supervisor.means)?;
                    (unit.down, unit.leaves) = (true, true);
                    supervisor.units.push(unit);
                    supervisor.units.len() - 1
                }
            };
            supervisor.units[index].resume(record, &supervisor.means)?;
        }
        supervisor.leave();
        Ok(supervisor)
    }

    /// Has room for the service in the state file.
    pub(super) fn new_id(&mut self, name: &str, others: &[Unit]) -> Result<usize> {
        let why = || format!("cannot write the state of {name}");
        match &mut self.means.state {
            Some((state, _)) => state.page(name).with_context(why),
            None => {
                let units = self.units.iter().chain(others);
                Ok((0..).find(|id| units.clone().all(|unit| unit.id != *id)).unwrap_or_default())
            }
        }
    }
}
