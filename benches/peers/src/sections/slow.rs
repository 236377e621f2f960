use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::throughput::print;
use super::{take_turns, Scale};
use crate::contenders::Name;
use crate::programs;
use crate::results::Section;
use crate::run::{Load, Throughput};
use crate::scanner::Scanned;
use crate::start;

const IN_FLIGHT: usize = 16;
const DELAY: Duration = Duration::from_millis(20);

/// While each `execve` takes long. Empty where that cannot be had.
pub(crate) fn run(names: &[Name], scale: &Scale, rounds: u32) -> Result<Vec<Section<Load, Throughput>>> {
    let Some(scanned) = Scanned::new(Path::new(programs::CHILD), DELAY)? else { return Ok(Vec::new()) };
    let load = Load {
        program: scanned.path().to_owned(),
        children: scale.slow_children,
        in_flight: IN_FLIGHT,
        calls_are_timed: true,
    };
    let sections =
        take_turns(names, vec![load], rounds, |name, load, _| Ok(Some(start::throughput(name, load)?)))?;
    let title =
        format!("{IN_FLIGHT} in flight, each execve held up for {} ms by a scanner", DELAY.as_millis());
    sections.iter().for_each(|section| print(section, &title));
    Ok(sections)
}
