use std::process::Command;

use anyhow::Result;

use crate::load::{check, Load};

pub(super) fn run(load: &Load) -> Result<()> {
    for _ in 0..load.children {
        check(Command::new(&load.program).status()?.success())?;
    }
    Ok(())
}
