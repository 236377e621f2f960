use std::path::Path;

use anyhow::Result;

use super::{take_turns, Scale};
use crate::contenders::Name;
use crate::programs;
use crate::results::Section;
use crate::run::{Load, Spread, Throughput};
use crate::start;
use crate::table::{cell, spread, Table};

/// What a distribution ships: it is linked dynamically.
const TRUE: &str = "/bin/true";

pub(crate) fn run(names: &[Name], scale: &Scale, rounds: u32) -> Result<Vec<Section<Load, Throughput>>> {
    let loads = |program: &str, children, in_flight: &[usize]| -> Vec<Load> {
        let load = |&in_flight: &usize| Load {
            program: program.into(),
            children,
            in_flight,
            calls_are_timed: false,
        };
        in_flight.iter().map(load).collect()
    };
    let mut settings = loads(programs::CHILD, scale.children, scale.in_flight);
    if Path::new(TRUE).exists() {
        settings.extend(loads(TRUE, scale.true_children, scale.true_in_flight));
    }
    let sections =
        take_turns(names, settings, rounds, |name, load, _| Ok(Some(start::throughput(name, load)?)))?;
    for section in &sections {
        print(section, &format!("{} in flight", section.setting.in_flight));
    }
    Ok(sections)
}

pub(super) fn print(section: &Section<Load, Throughput>, title: &str) {
    let Load { program, children, .. } = &section.setting;
    let program = if program.ends_with("true") { TRUE } else { "a static child that ends at once" };
    println!("\n{children} times {program}, {title}: µs a child, medians (and quartiles)");
    let heads = ["", "wall", "own CPU", "helpers", "children", "wall / c-wait-copy", "own CPU / c-wait-copy"];
    let mut table = Table::new(&heads);
    for row in &section.rows {
        let spreads: [fn(&Throughput) -> f64; 2] = [|took| took.wall_us, |took| took.own_us];
        let spreads = spreads.map(|column| spread(row.quartiles(|took| Some(column(took))), 1));
        let medians: [fn(&Throughput) -> f64; 2] = [|took| took.helpers_us, |took| took.children_us];
        let medians = medians.map(|column| cell(row.median(|took| Some(column(took))), 1));
        let ratios: [fn(&Throughput) -> f64; 2] = [|took| took.wall_us, |took| took.own_us];
        let ratios = ratios
            .map(|column| cell(section.ratio(row.contender, Name::CWaitCopy, |took| Some(column(took))), 2));
        table.row(row.contender.as_str(), spreads.into_iter().chain(medians).chain(ratios));
    }
    table.print();
    if section.setting.calls_are_timed {
        print_still(section);
    }
}

/// The maximum is that of all rounds.
fn print_still(section: &Section<Load, Throughput>) {
    println!(
        "\nHow long the caller stands still in each of these calls, and sleeps or waits for a processor: µs"
    );
    let heads = ["", "mean", "p50", "p99", "max", "asleep: mean", "p50", "p99", "max"];
    let mut table = Table::new(&heads);
    for row in &section.rows {
        let columns: [fn(&Spread) -> f64; 3] = [|still| still.mean, |still| still.p50, |still| still.p99];
        let part = |of: fn(&Throughput) -> Option<&Spread>| {
            let medians = columns.map(|column| row.median(|took| of(took).map(column)));
            let max = row.rounds.iter().filter_map(of).map(|still| still.max).max_by(f64::total_cmp);
            medians.into_iter().chain([max]).map(|value| cell(value, 1)).collect::<Vec<_>>()
        };
        let wall = part(|took| Some(&took.still.as_ref()?.wall));
        let asleep = part(|took| Some(&took.still.as_ref()?.asleep));
        table.row(row.contender.as_str(), wall.into_iter().chain(asleep));
    }
    table.print();
}
