use anyhow::Result;
use async_process::{Child, Command, Stdio};

use super::spawner::Spawn;
use super::Setting;
use crate::options::OneSpawner;

struct AsyncProcess {
    options: OneSpawner,
    children: Vec<Child>,
}

pub(super) fn new(_: &Setting, options: &OneSpawner) -> Result<Box<dyn Spawn>> {
    Ok(Box::new(AsyncProcess { options: options.clone(), children: Vec::new() }))
}

impl Spawn for AsyncProcess {
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
