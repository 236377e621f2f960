use anyhow::Result;

use super::{progress, Scale};
use crate::contenders::Name;
use crate::programs;
use crate::results::Counted;
use crate::run::Load;
use crate::step;
use crate::strace::{self, Calls};
use crate::table::Table;
use crate::traced::OneProcessor;

const COUNTED_IN_FLIGHT: usize = 16;

/// What is traced is slow. With many in flight one has always ended, and what only a wait needs is missed; alone,
/// each exit is waited for. The truth lies between the two.
pub(crate) fn count(name: Name, scale: &Scale) -> Result<Counted> {
    let load = |program: &str, children, in_flight| Load {
        program: program.into(),
        children,
        in_flight,
        calls_are_timed: false,
    };
    let many = |children| load(programs::CHILD, children, COUNTED_IN_FLIGHT);
    let alone = load(programs::LATE, scale.alone, 1);
    let _pinned = OneProcessor::new()?;
    let (syscalls, throughput) = strace::count(name, &many(scale.traced))?;
    let (syscalls_alone, _) = strace::count(name, &alone)?;
    Ok(Counted {
        contender: name,
        syscalls: syscalls.parent,
        syscalls_alone: syscalls_alone.parent,
        syscalls_child: syscalls.child,
        instructions: step::count(name, &many(scale.stepped))?,
        instructions_alone: step::count(name, &alone)?,
        allocations: throughput.allocations,
    })
}

pub(crate) fn run(names: &[Name], scale: &Scale) -> Result<Vec<Counted>> {
    let mut all = Vec::new();
    for &name in names {
        progress(&format!("counting: {}", name.as_str()));
        all.push(count(name, scale)?);
    }
    progress("");
    print(&all);
    Ok(all)
}

fn print(all: &[Counted]) {
    println!("\nCounted, a child: {COUNTED_IN_FLIGHT} in flight; alone: one, each waited for");
    let heads = ["", "system calls", "alone", "in the child", "instructions", "alone", "allocations"];
    let mut table = Table::new(&heads);
    for counted in all {
        let calls = [&counted.syscalls, &counted.syscalls_alone, &counted.syscalls_child];
        let calls = calls.map(|calls| format!("{:.2}", total(calls)));
        let instructions =
            [counted.instructions, counted.instructions_alone].map(|count| format!("{count:.0}"));
        let allocations = [format!("{:.2}", counted.allocations)];
        table.row(counted.contender.as_str(), calls.into_iter().chain(instructions).chain(allocations));
    }
    table.print();
    println!("\nSystem calls by name: parent; alone; child up to its execve");
    for counted in all {
        for (name, calls) in [
            (counted.contender.as_str(), &counted.syscalls),
            ("alone", &counted.syscalls_alone),
            ("child", &counted.syscalls_child),
        ] {
            println!("{name:>20}: {}", list(calls));
        }
    }
}

pub(crate) fn total(calls: &Calls) -> f64 {
    calls.values().sum()
}

/// The most frequent first; without those that only setting up needs.
fn list(calls: &Calls) -> String {
    let mut calls: Vec<_> = calls.iter().filter(|(_, count)| **count >= 0.05).collect();
    calls.sort_by(|a, b| b.1.total_cmp(a.1));
    calls.iter().map(|(name, count)| format!("{name} {count:.2}")).collect::<Vec<_>>().join(", ")
}
