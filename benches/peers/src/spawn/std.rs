use std::process::{Child, Command, Stdio};

use anyhow::Result;

use super::spawner::Spawn;
use super::Setting;
use crate::options::OneSpawner;

struct Std {
    options: OneSpawner,
    children: Vec<Child>,
}

pub(super) fn new(_: &Setting, options: &OneSpawner) -> Result<Box<dyn Spawn>> {
    Ok(Box::new(Std { options: options.clone(), children: Vec::new() }))
}

impl Spawn for Std {
    fn spawn(&mut self, pausing: bool) -> Result<u32> {
        let mut command = Command::new(self.options.program(pausing));
        if self.options.piped {
            command.stdout(Stdio::piped());
        }
        let child = command.spawn()?;
        let pid = child.id();
        self.children.push(child);
        Ok(pid)
    }
}
