use std::env;
use std::ffi::OsStr;

use anyhow::{bail, Result};
use clap::ValueEnum;

use super::cost::Cost;
use super::{async_process, childset, limits, std as by_std, tokio, Programs, Setting};
use crate::contenders::output;
use crate::options::OneSpawner;

/// Spawns children, and keeps all of them.
pub(super) trait Spawn {
    /// Returns the pid.
    fn spawn(&mut self, pausing: bool) -> Result<u32>;
}

/// In the file of its own of each.
pub(super) type New = fn(&Setting, &OneSpawner) -> Result<Box<dyn Spawn>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Spawner {
    /// `childset::Prepared::spawn`, into a `ChildSet`
    Childset,
    /// `childset::Command::new` and `spawn` for each, into a `ChildSet`
    ChildsetCommand,
    /// `std::process::Command`, into a `ChildSet`
    ChildsetStd,
    /// `std::process::Command`, which keeps no descriptor for a child
    Std,
    /// On a current-thread runtime
    Tokio,
    AsyncProcess,
    /// In C: the child copies those descriptors that it needs, epoll
    Floor,
    /// In C: the descriptor table is copied whole, epoll
    FloorCopy,
}

impl Spawner {
    pub(crate) const ALL: [Spawner; 8] = [
        Spawner::Childset,
        Spawner::ChildsetCommand,
        Spawner::ChildsetStd,
        Spawner::Std,
        Spawner::Tokio,
        Spawner::AsyncProcess,
        Spawner::Floor,
        Spawner::FloorCopy,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Spawner::Childset => "childset",
            Spawner::ChildsetCommand => "childset-command",
            Spawner::ChildsetStd => "childset-std",
            Spawner::Std => "std",
            Spawner::Tokio => "tokio",
            Spawner::AsyncProcess => "async-process",
            Spawner::Floor => "floor",
            Spawner::FloorCopy => "floor-copy",
        }
    }

    pub(super) fn is_rust(self) -> bool {
        !matches!(self, Spawner::Floor | Spawner::FloorCopy)
    }

    /// Runs it in this process.
    fn run(self, options: &OneSpawner) -> Result<Cost> {
        let setting = Setting {
            outstanding: options.outstanding,
            batch: options.batch,
            piped: options.piped,
            resident_mib: options.resident_mib,
        };
        let new: New = match self {
            Spawner::Childset => childset::prepared,
            Spawner::ChildsetCommand => childset::command,
            Spawner::ChildsetStd => childset::std,
            Spawner::Std => by_std::new,
            Spawner::Tokio => tokio::new,
            Spawner::AsyncProcess => async_process::new,
            Spawner::Floor | Spawner::FloorCopy => bail!("the floor is a program of its own"),
        };
        limits::raise_descriptors()?;
        let resident = vec![1_u8; setting.resident_mib << 20];
        let mut spawner = new(&setting, options)?;
        let cost = Cost::of(&mut *spawner, &setting)?;
        ::std::hint::black_box(&resident);
        // Its children were reaped behind its back.
        ::std::mem::forget(spawner);
        Ok(cost)
    }

    /// A process that runs it; by way of the tracer, if that is not empty.
    pub(super) fn start(self, setting: &Setting, programs: &Programs, tracer: &[&OsStr]) -> Result<Cost> {
        let Setting { outstanding, batch, piped, resident_mib } = setting;
        let numbers = [outstanding, batch, resident_mib].map(|number| number.to_string());
        let [outstanding, batch, resident_mib] = &numbers;
        let itself = env::current_exe()?;
        let mut line: Vec<&OsStr> = tracer.to_vec();
        if self.is_rust() {
            line.push(itself.as_os_str());
            let arguments =
                ["one-spawner", self.name(), outstanding, batch, if *piped { "true" } else { "false" }];
            line.extend(arguments.map(OsStr::new));
        } else {
            limits::raise_descriptors()?;
            line.push(programs.floor.as_os_str());
            let variant = if self == Spawner::Floor { "flat" } else { "copy" };
            let arguments = [variant, outstanding, batch, if *piped { "pipe" } else { "inherit" }];
            line.extend(arguments.map(OsStr::new));
        }
        line.extend([OsStr::new(resident_mib), programs.pausing.as_os_str(), programs.program.as_os_str()]);
        output(&line, false)?.parse()
    }
}

/// Is one, for one round.
pub(crate) fn run_one(options: &OneSpawner) -> Result<()> {
    println!("{}", options.spawner.run(options)?);
    Ok(())
}
