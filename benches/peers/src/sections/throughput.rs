use std::path::Path;

use anyhow::Result;

use super::{take_turns, Scale};
use crate::contenders::Name;
use crate::programs;
use crate::results::Section;
use crate::run::{Load, Throughput};
use crate::start;
use crate::table::{cell, Table};

/// What a distribution ships: it is linked dynamically.
const TRUE: &str = "/bin/true";

pub(crate) fn run(names: &[Name], scale: &Scale, rounds: u32) -> Result<Vec<Section<Load, Throughput>>> {
    let loads = |program: &str, children, in_flight: &[usize]| -> Vec<Load> {
        let load = |&in_flight: &usize| Load { program: program.into(), children, in_flight };
        in_flight.iter().map(load).collect()
    };
    let mut settings = loads(programs::CHILD, scale.children, scale.in_flight);
    if Path::new(TRUE).exists() {
        settings.extend(loads(TRUE, scale.true_children, scale.true_in_flight));
    }
    let sections =
        take_turns(names, settings, rounds, |name, load, _| Ok(Some(start::throughput(name, load)?)))?;
    sections.iter().for_each(print);
    Ok(sections)
}

fn print(section: &Section<Load, Throughput>) {
    let Load { program, children, in_flight } = &section.setting;
    let program = if program.ends_with("true") { TRUE } else { "a static child that ends at once" };
    println!("\nThroughput: {children} times {program}, {in_flight} in flight");
    let heads =
        ["µs a child", "wall", "own CPU", "helpers", "children", "own / floor", "/ tokio", "/ async-p."];
    let mut table = Table::new(&heads);
    for row in &section.rows {
        let columns: [fn(&Throughput) -> f64; 4] =
            [|took| took.wall_us, |took| took.own_us, |took| took.helpers_us, |took| took.children_us];
        let times = columns.map(|column| cell(row.median(|took| Some(column(took))), 1));
        let references = [Name::Floor, Name::Tokio, Name::AsyncProcess];
        let ratios =
            references.map(|other| cell(section.ratio(row.contender, other, |took| Some(took.own_us)), 2));
        table.row(row.contender.as_str(), times.into_iter().chain(ratios));
    }
    table.print();
}
