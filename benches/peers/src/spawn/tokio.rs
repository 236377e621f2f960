use std::process::Stdio;

use anyhow::{Context, Result};
use tokio::process::{Child, Command};
use tokio::runtime::{Builder, Runtime};

use super::spawner::Spawn;
use super::Setting;
use crate::options::OneSpawner;

struct Tokio {
    options: OneSpawner,
    runtime: Runtime,
    children: Vec<Child>,
}

pub(super) fn new(_: &Setting, options: &OneSpawner) -> Result<Box<dyn Spawn>> {
    let runtime = Builder::new_current_thread().enable_io().build()?;
    Ok(Box::new(Tokio { options: options.clone(), runtime, children: Vec::new() }))
}

impl Spawn for Tokio {
    fn spawn(&mut self, pausing: bool) -> Result<u32> {
        let _entered = self.runtime.enter();
        let mut command = Command::new(self.options.program(pausing));
        if self.options.piped {
            command.stdout(Stdio::piped());
        }
        let child = command.spawn()?;
        let pid = child.id().context("nobody has waited for it")?;
        self.children.push(child);
        Ok(pid)
    }
}
