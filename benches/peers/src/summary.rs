//! The tables of the README, as Markdown: each peer in its faster way.

use crate::contenders::Name;
use crate::results::{Results, Section};
use crate::run::{Load, Outstanding, Setting, Throughput};
use crate::sections::total;
use crate::table::{cell, spread};

/// `Command` beside `Command`; then what only childset has; then the floors.
const ROWS: [(Name, &str); 13] = [
    (Name::ChildsetCommand, "childset, `Command`"),
    (Name::TokioUnordered, "tokio, `FuturesUnordered`"),
    (Name::Tokio, "tokio, `JoinSet`"),
    (Name::AsyncProcessDriver, "async-process, `driver()`"),
    (Name::AsyncProcess, "async-process, its thread"),
    (Name::Zruntime, "zruntime, `FuturesUnordered`"),
    (Name::Std, "std, a thread each"),
    (Name::ChildsetCommandLaunch, "childset, `Command`, launched"),
    (Name::Childset, "childset, `Prepared`"),
    (Name::ChildsetLaunch, "childset, `Prepared`, launched"),
    (Name::CWaitCopy, "C that waits, and copies the table"),
    (Name::CWaitShare, "C that waits, and shares the table"),
    (Name::CLaunchShare, "C that does not wait, and shares the table"),
];

/// Peers have two ways, of which the slower one is left out of the README. It is in all other tables.
const WAYS: [[Name; 2]; 2] =
    [[Name::TokioUnordered, Name::Tokio], [Name::AsyncProcessDriver, Name::AsyncProcess]];

/// The name that the tables and the plots have for it; `None` if they leave it out.
pub(crate) fn label(results: &Results, name: Name) -> Option<String> {
    let row = ROWS.into_iter().find(|(row, _)| *row == name && is_shown(results, name));
    row.map(|(_, label)| label.replace('`', ""))
}

type Column<'a> = (String, Box<dyn Fn(Name) -> String + 'a>);

pub(crate) fn print(results: &Results) {
    println!("\n{}.", results.machine);
    println!("\nA child, 16 in flight, in µs: medians (and quartiles)\n");
    table(results, &in_flight(results));
    println!("\nOne spawn, in µs: medians (and quartiles)\n");
    table(results, &spawns(results));
    println!("\nCounted, a child\n");
    table(results, &counted(results));
}

fn table(results: &Results, columns: &[Column<'_>]) {
    let heads: Vec<_> = columns.iter().map(|(head, _)| head.as_str()).collect();
    println!("| | {} |", heads.join(" | "));
    println!("|---|{}", "---|".repeat(columns.len()));
    for (name, label) in ROWS.into_iter().filter(|(name, _)| is_shown(results, *name)) {
        let cells: Vec<_> = columns.iter().map(|(_, cell)| cell(name)).collect();
        println!("| {label} | {} |", cells.join(" | "));
    }
}

/// The way with the shorter wall time; the first if neither was measured.
fn is_shown(results: &Results, name: Name) -> bool {
    let Some([first, second]) = WAYS.into_iter().find(|ways| ways.contains(&name)) else { return true };
    let wall = |name| results.idle()?.row(name)?.median(|took| Some(took.wall_us));
    let second_is_faster = match (wall(first), wall(second)) {
        (Some(one), Some(other)) => other < one,
        (one, other) => one.is_none() && other.is_some(),
    };
    name == if second_is_faster { second } else { first }
}

fn in_flight(results: &Results) -> Vec<Column<'_>> {
    let of = |head: &str, section: Option<&'_ Section<Load, Throughput>>, what: fn(&Throughput) -> f64| {
        let rows: Vec<_> = section.iter().flat_map(|section| &section.rows).collect();
        let quartiles: Vec<_> =
            rows.iter().map(|row| (row.contender, row.quartiles(|took| Some(what(took))))).collect();
        let find = move |name| quartiles.iter().find(|(row, _)| *row == name).and_then(|(_, found)| *found);
        let column: Column<'_> = (head.to_owned(), Box::new(move |name| spread(find(name), 0)));
        column
    };
    let (idle, busy, slow) = (results.idle(), results.busy.first(), results.slow.first());
    let mut columns = vec![
        of("wall", idle, |took| took.wall_us),
        of("own CPU", idle, |took| took.own_us),
        of("wall, busy machine", busy, |took| took.wall_us),
        of("own CPU, busy", busy, |took| took.own_us),
    ];
    for (where_, section) in [("busy", busy), ("slow `execve`", slow)] {
        let still = move |name: Name| {
            let row = section?.row(name)?;
            let p50 = row.median(|took| Some(took.still.as_ref()?.wall.p50))?;
            let p99 = row.median(|took| Some(took.still.as_ref()?.wall.p99))?;
            let max = row.rounds.iter().filter_map(|took| Some(took.still.as_ref()?.wall.max));
            Some(format!("{p50:.0}, {p99:.0}, {:.0}", max.max_by(f64::total_cmp)?))
        };
        let head = format!("caller stands still, {where_}: p50, p99, max");
        columns.push((head, Box::new(move |name| still(name).unwrap_or_else(|| String::from("-")))));
    }
    columns
}

fn spawns(results: &Results) -> Vec<Column<'_>> {
    fn of<'a>(
        head: String,
        section: Option<&'a Section<Setting, Outstanding>>,
        what: fn(&Outstanding) -> Option<f64>,
    ) -> Column<'a> {
        (
            head,
            Box::new(move |name| spread(section.and_then(|section| section.row(name)?.quartiles(what)), 0)),
        )
    }
    let wall: fn(&Outstanding) -> Option<f64> = |took| Some(took.spawned.wall_us);
    let few = results.outstanding.iter().find(|section| section.setting.outstanding == 100);
    let (last, piped, large) = (results.outstanding.last(), results.piped.last(), results.parent.last());
    let size = |section: Option<&Section<Setting, Outstanding>>| section.map_or(0, |s| s.setting.outstanding);
    vec![
        of("beside 100 children".into(), few, wall),
        of(format!("beside {}", size(last)), last, wall),
        of(format!("with a piped stdout beside {} such", size(piped)), piped, wall),
        of(
            format!("in a parent with {} MiB", large.map_or(0, |section| section.setting.resident_mib)),
            large,
            wall,
        ),
        of(format!("from its end to its status, beside {}", size(last)), last, |took| {
            Some(took.latency.as_ref()?.p50_us)
        }),
    ]
}

fn counted(results: &Results) -> Vec<Column<'_>> {
    let of = |head: &str, decimals, what: fn(&crate::results::Counted) -> f64| {
        let column: Column<'_> =
            (head.to_owned(), Box::new(move |name| cell(results.counted(name).map(what), decimals)));
        column
    };
    let heap = move |name| results.outstanding.last()?.row(name)?.median(|took| Some(took.heap));
    vec![
        ("heap while it is there, in bytes".into(), Box::new(move |name| cell(heap(name), 0))),
        of("allocations", 1, |counted| counted.allocations),
        of("system calls of the parent", 1, |counted| total(&counted.syscalls)),
        of("of the child up to its `execve`", 1, |counted| total(&counted.syscalls_child)),
        of("instructions of the parent in user mode", 0, |counted| counted.instructions),
    ]
}
