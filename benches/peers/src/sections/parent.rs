use anyhow::Result;

use super::{take_turns, Scale};
use crate::contenders::Name;
use crate::limits;
use crate::results::Section;
use crate::run::{Outstanding, Setting};
use crate::start;
use crate::table::{cell, Table};

const FEW: usize = 16;

/// These spawn as others do, and differ only in how they wait.
const LEFT_OUT: [Name; 3] = [Name::ChildsetWait, Name::AsyncProcess, Name::Tokio];

pub(crate) fn run(
    names: &[Name],
    scale: &Scale,
    rounds: u32,
    mib: &[usize],
) -> Result<Vec<Section<Setting, Outstanding>>> {
    let names: Vec<Name> = names.iter().copied().filter(|name| !LEFT_OUT.contains(name)).collect();
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let setting = |resident_mib| Setting {
        outstanding: FEW,
        batch: scale.batch,
        latencies: 0,
        idle_ms: 0,
        piped: false,
        resident_mib,
    };
    let settings: Vec<Setting> = limits::memory(mib)?.into_iter().map(setting).collect();
    let sections = take_turns(&names, settings, rounds, |name, setting, _| {
        Ok(Some(start::outstanding(name, setting)?))
    })?;
    print(&sections);
    Ok(sections)
}

fn print(sections: &[Section<Setting, Outstanding>]) {
    println!("\nOne spawn in a large parent: µs, and own CPU with the child's");
    let names: Vec<String> =
        sections.iter().map(|section| format!("{} MiB", section.setting.resident_mib)).collect();
    let mut heads = vec![""];
    heads.extend(names.iter().flat_map(|name| [name, "CPU"]));
    heads.extend(["CPU grows"]);
    let mut table = Table::new(&heads);
    let cpu = |took: &Outstanding| Some(took.spawned.own_us + took.spawned.children_us);
    for row in &sections[0].rows {
        let rows: Vec<_> = sections.iter().filter_map(|section| section.row(row.contender)).collect();
        let times = rows.iter().flat_map(|row| {
            [cell(row.median(|took| Some(took.spawned.wall_us)), 1), cell(row.median(cpu), 1)]
        });
        let growth = rows.last().and_then(|last| last.ratio(row, cpu));
        table.row(row.contender.as_str(), times.chain([cell(growth, 2)]));
    }
    table.print();
}
