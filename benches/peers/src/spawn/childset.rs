use std::process::Stdio as StdStdio;

use anyhow::Result;
use childset::{ChildSet, Command, Prepared, Stdio};

use super::spawner::Spawn;
use super::Setting;
use crate::options::OneSpawner;

struct InSet<C> {
    set: ChildSet<()>,
    pausing: C,
    program: C,
    spawn: fn(&ChildSet<()>, &C) -> Result<u32>,
}

impl<C> Spawn for InSet<C> {
    fn spawn(&mut self, pausing: bool) -> Result<u32> {
        (self.spawn)(&self.set, if pausing { &self.pausing } else { &self.program })
    }
}

pub(super) fn prepared(setting: &Setting, options: &OneSpawner) -> Result<Box<dyn Spawn>> {
    let prepare = |program| -> Result<Prepared> { Ok(builder(program, setting.piped).prepare()?) };
    Ok(Box::new(InSet {
        set: ChildSet::new()?,
        pausing: prepare(&options.pausing)?,
        program: prepare(&options.program)?,
        spawn: |set, prepared| {
            let child = prepared.spawn()?;
            let pid = child.id();
            set.insert(child, ())?;
            Ok(pid)
        },
    }))
}

/// Builds a command for each spawn.
pub(super) fn command(setting: &Setting, options: &OneSpawner) -> Result<Box<dyn Spawn>> {
    Ok(Box::new(InSet {
        set: ChildSet::new()?,
        pausing: (options.pausing.clone(), setting.piped),
        program: (options.program.clone(), setting.piped),
        spawn: |set, (program, piped)| {
            let child = builder(program, *piped).spawn()?;
            let pid = child.id();
            set.insert(child, ())?;
            Ok(pid)
        },
    }))
}

pub(super) fn std(setting: &Setting, options: &OneSpawner) -> Result<Box<dyn Spawn>> {
    Ok(Box::new(InSet {
        set: ChildSet::new()?,
        pausing: (options.pausing.clone(), setting.piped),
        program: (options.program.clone(), setting.piped),
        spawn: |set, (program, piped)| {
            let mut command = std::process::Command::new(program);
            if *piped {
                command.stdout(StdStdio::piped());
            }
            let child = command.spawn()?;
            let pid = child.id();
            set.insert(child, ())?;
            Ok(pid)
        },
    }))
}

fn builder(program: &std::path::Path, piped: bool) -> Command {
    let mut command = Command::new(program);
    if piped {
        command.stdout(Stdio::piped());
    }
    command
}
