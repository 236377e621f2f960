use std::thread::available_parallelism;

use anyhow::Result;
use childset::{Child, Command};

use super::throughput::print;
use super::{take_turns, Scale};
use crate::contenders::Name;
use crate::programs;
use crate::results::Section;
use crate::run::{Load, Throughput};
use crate::start;

const IN_FLIGHT: usize = 16;

/// So many for each processor.
const SPINNING: usize = 4;

/// While other processes want all processors.
pub(crate) fn run(names: &[Name], scale: &Scale, rounds: u32) -> Result<Vec<Section<Load, Throughput>>> {
    let load = Load {
        program: programs::CHILD.into(),
        children: scale.busy_children,
        in_flight: IN_FLIGHT,
        calls_are_timed: true,
    };
    let count = SPINNING * available_parallelism()?.get();
    let spinning = (0..count).map(|_| spin()).collect::<Result<Vec<_>>>()?;
    let sections =
        take_turns(names, vec![load], rounds, |name, load, _| Ok(Some(start::throughput(name, load)?)))?;
    drop(spinning);
    let title = format!("{IN_FLIGHT} in flight, on a machine with {count} busy processes");
    sections.iter().for_each(|section| print(section, &title));
    Ok(sections)
}

/// Ends with its handle, and with this process.
fn spin() -> Result<Child> {
    Ok(Command::new(programs::SPIN).kill_with_parent(true).kill_on_drop(true).spawn()?)
}
