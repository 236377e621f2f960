use std::process::Command;

use anyhow::Result;
use childset::{ChildSet, Exited};

use crate::load::{check, Load};

/// On this thread alone, which drives the reactor of async-io meanwhile.
pub(super) fn awaiting(load: &Load) -> Result<()> {
    let set = filled(load)?;
    async_io::block_on(async {
        let mut later = load.later();
        while let Some(exited) = set.next().await {
            replace(&set, load, &mut later, exited?)?;
        }
        Ok(())
    })
}

/// Without async-io.
pub(super) fn blocking(load: &Load) -> Result<()> {
    let set = filled(load)?;
    let mut later = load.later();
    while let Some(exited) = set.wait(None)? {
        replace(&set, load, &mut later, exited)?;
    }
    Ok(())
}

fn filled(load: &Load) -> Result<ChildSet<()>> {
    let set = ChildSet::new()?;
    for _ in 0..load.at_first() {
        insert(&set, load)?;
    }
    Ok(set)
}

fn replace(set: &ChildSet<()>, load: &Load, later: &mut usize, exited: Exited<()>) -> Result<()> {
    check(exited.exit?.success())?;
    if *later > 0 {
        *later -= 1;
        insert(set, load)?;
    }
    Ok(())
}

fn insert(set: &ChildSet<()>, load: &Load) -> Result<()> {
    set.insert(Command::new(&load.program).spawn()?, ())?;
    Ok(())
}
