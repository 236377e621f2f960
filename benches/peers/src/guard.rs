//! Bounds on what is counted, for continuous integration. None is on time.

use std::collections::BTreeMap;

use anyhow::{bail, Context, Result};
use clap::ValueEnum;
use serde::Deserialize;

use crate::contenders::Name;
use crate::results::Counted;
use crate::sections::{count, total, Scale};
use crate::table::Table;

const FILE: &str = "guard.json";

/// At most this much a child. See `Counted`. Instructions differ by up to 2 % with the directory in which the same code
/// is compiled, so their bounds leave some 5 %. What async-io's thread does while it waits depends on how long that
/// is, so who awaits has no bounds on `alone`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bounds {
    syscalls: f64,
    syscalls_alone: Option<f64>,
    syscalls_child: f64,
    instructions: f64,
    instructions_alone: Option<f64>,
    allocations: f64,
}

pub(crate) fn run() -> Result<()> {
    let all: BTreeMap<String, Bounds> = serde_json::from_str(include_str!("../guard.json")).context(FILE)?;
    let mut exceeded = Vec::new();
    let mut table = Table::new(&["", "a child", "counted", "at most"]);
    for (name, bounds) in &all {
        let contender =
            Name::from_str(name, false).map_err(|_| anyhow::anyhow!("{FILE}: no contender {name:?}"))?;
        let counted = count(contender, &Scale::GUARD)?;
        for (what, count, bound) in compare(bounds, &counted) {
            let Some(bound) = bound else { continue };
            table.row(name, [what.into(), format!("{count:.2}"), format!("{bound}")]);
            if count > bound {
                exceeded.push(format!("{name}: {count:.2} {what} a child, of at most {bound}"));
            }
        }
    }
    table.print();
    if !exceeded.is_empty() {
        bail!("more than {FILE} allows:\n{}", exceeded.join("\n"));
    }
    Ok(())
}

fn compare(bounds: &Bounds, counted: &Counted) -> [(&'static str, f64, Option<f64>); 6] {
    [
        ("system calls", total(&counted.syscalls), Some(bounds.syscalls)),
        ("system calls, alone", total(&counted.syscalls_alone), bounds.syscalls_alone),
        (
            "system calls of the child up to its execve",
            total(&counted.syscalls_child),
            Some(bounds.syscalls_child),
        ),
        ("instructions", counted.instructions, Some(bounds.instructions)),
        ("instructions, alone", counted.instructions_alone, bounds.instructions_alone),
        ("allocations", counted.allocations, Some(bounds.allocations)),
    ]
}
