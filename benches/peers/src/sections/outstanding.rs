use anyhow::Result;

use super::{take_turns, Scale};
use crate::contenders::Name;
use crate::limits;
use crate::results::Section;
use crate::run::{Outstanding, Setting};
use crate::start;
use crate::table::{cell, Table};

pub(crate) fn run(
    names: &[Name],
    scale: &Scale,
    rounds: u32,
    wanted: &[usize],
    piped: bool,
) -> Result<Vec<Section<Setting, Outstanding>>> {
    let mut settings = Vec::new();
    for &wanted in wanted {
        let mut setting = Setting {
            outstanding: 0,
            batch: scale.batch,
            latencies: if piped { 0 } else { scale.latencies },
            idle_ms: scale.idle_ms,
            piped,
            resident_mib: 0,
        };
        setting.outstanding = limits::children(wanted, &setting)?;
        settings.push(setting);
    }
    settings.dedup_by_key(|setting| setting.outstanding);
    let sections = take_turns(names, settings, rounds, |name, setting, round| {
        if name == Name::Std && !limits::allows_threads(setting.outstanding)? {
            return Ok(None);
        }
        // What is counted needs no second round.
        let idle_ms = if round == 0 { setting.idle_ms } else { 0 };
        Ok(Some(start::outstanding(name, &Setting { idle_ms, ..setting.clone() })?))
    })?;
    for section in &sections {
        print(section);
    }
    Ok(sections)
}

fn print(section: &Section<Setting, Outstanding>) {
    let Setting { outstanding, piped, .. } = &section.setting;
    let stdout = if *piped { ", each with a pipe as standard output" } else { "" };
    println!("\nBeside {outstanding} children outstanding{stdout}");
    let mut table = Table::new(&[
        "µs, bytes",
        "spawn",
        "own CPU",
        "with child",
        "heap",
        "peak",
        "resident",
        "wake-ups",
        "exit p50",
        "p99",
        "p99.9",
        "collect",
        "own CPU",
        "order",
    ]);
    for row in &section.rows {
        let each = |what: fn(&Outstanding) -> Option<f64>, decimals| cell(row.median(what), decimals);
        let bytes: fn(&Outstanding, f64) -> Option<f64> = |_, bytes| Some(bytes);
        let bytes = |what: fn(&Outstanding) -> f64| match outstanding {
            0 => cell(None, 0),
            _ => cell(row.median(|took| bytes(took, what(took))), 0),
        };
        let columns = [
            each(|took| Some(took.spawned.wall_us), 1),
            each(|took| Some(took.spawned.own_us), 1),
            each(|took| Some(took.spawned.own_us + took.spawned.children_us), 1),
            bytes(|took| took.heap),
            bytes(|took| took.heap_peak),
            bytes(|took| took.resident),
            each(|took| Some(took.idle?.wakeups as f64), 0),
            each(|took| Some(took.latency.as_ref()?.p50_us), 1),
            each(|took| Some(took.latency.as_ref()?.p99_us), 1),
            each(|took| Some(took.latency.as_ref()?.p999_us), 1),
            each(|took| Some(took.collected.as_ref()?.wall_us), 2),
            each(|took| Some(took.collected.as_ref()?.own_us), 2),
            each(|took| Some(took.collected.as_ref()?.order), 3),
        ];
        table.row(row.contender.as_str(), columns);
    }
    table.print();
}
