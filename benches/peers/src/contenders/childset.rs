use anyhow::Result;
use childset::{Child, ChildSet, Command, Exited, Prepared};

use crate::load::{check, Load};

/// On this thread alone, which drives the reactor of async-io meanwhile.
pub(super) fn awaiting(load: &Load) -> Result<()> {
    let prepared = prepare(load)?;
    await_all(load, || Ok(prepared.spawn()?))
}

/// With the children of std.
pub(super) fn awaiting_std(load: &Load) -> Result<()> {
    await_all(load, || Ok(Child::try_from(std::process::Command::new(&load.program).spawn()?)?))
}

fn await_all(load: &Load, spawn: impl Fn() -> Result<Child>) -> Result<()> {
    let set = filled(load, &spawn)?;
    async_io::block_on(async {
        let mut later = load.later();
        while let Some(exited) = set.next().await {
            replace(&set, &spawn, &mut later, exited?)?;
        }
        Ok(())
    })
}

/// Without async-io.
pub(super) fn blocking(load: &Load) -> Result<()> {
    let prepared = prepare(load)?;
    let spawn = || Ok(prepared.spawn()?);
    let set = filled(load, &spawn)?;
    let mut later = load.later();
    while let Some(exited) = set.wait(None)? {
        replace(&set, &spawn, &mut later, exited)?;
    }
    Ok(())
}

fn prepare(load: &Load) -> Result<Prepared> {
    Ok(Command::new(&load.program).prepare()?)
}

fn filled(load: &Load, spawn: &impl Fn() -> Result<Child>) -> Result<ChildSet<()>> {
    let set = ChildSet::new()?;
    for _ in 0..load.at_first() {
        set.insert(spawn()?, ())?;
    }
    Ok(set)
}

fn replace(
    set: &ChildSet<()>,
    spawn: &impl Fn() -> Result<Child>,
    later: &mut usize,
    exited: Exited<()>,
) -> Result<()> {
    check(exited.exit?.success())?;
    if *later > 0 {
        *later -= 1;
        set.insert(spawn()?, ())?;
    }
    Ok(())
}
