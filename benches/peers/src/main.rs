//! Run with: `cargo run --release --manifest-path benches/peers/Cargo.toml`
//!
//! Each contender is a process of its own, started afresh for each round, and they take turns. It spawns the
//! same child, N times with K in flight: one that has ended is replaced by the next.
//!
//! The modes `spawn`, `parent` and `strace` look at the spawn alone (`-- spawn --help`).

mod contenders;
mod load;
mod measure;
mod options;
mod programs;
mod spawn;
mod syscalls;
mod table;

use std::fs;
use std::io::{stderr, IsTerminal};
use std::path::Path;
use std::thread::available_parallelism;

use anyhow::{Context, Result};
use clap::Parser;

use contenders::Contender;
use load::Load;
use options::{Mode, Options};
use syscalls::Syscalls;
use table::Row;

/// Enough to count system calls, of which strace makes each one slow.
const TRACED_CHILDREN: usize = 1000;

fn main() -> Result<()> {
    let options = Options::parse();
    options.check()?;
    match &options.mode {
        None => {}
        Some(Mode::Spawn(options)) => return spawn::spawn(options),
        Some(Mode::Parent(options)) => return spawn::parent(options),
        Some(Mode::Strace(options)) => return spawn::strace(options),
        Some(Mode::OneSpawner(options)) => return spawn::run_one(options),
    }
    let program = match &options.child {
        Some(path) => fs::canonicalize(path).with_context(|| format!("--child {}", path.display()))?,
        None => programs::child()?,
    };
    let load = Load { children: options.children, in_flight: options.in_flight, program };
    if let Some(contender) = options.contender {
        syscalls::block_sigchld_if_traced()?;
        println!("{}", contender.run(&load)?);
        return Ok(());
    }
    compare(&options, &load)
}

fn compare(options: &Options, load: &Load) -> Result<()> {
    let contenders = options.contenders();
    let floor = contenders.contains(&Contender::Floor).then(programs::floor).transpose()?;
    let mut rows: Vec<Row> = contenders
        .into_iter()
        .map(|contender| Row { contender, samples: Vec::new(), syscalls: None, syscalls_alone: None })
        .collect();
    print_machine(load)?;
    if options.syscalls {
        count_syscalls(&mut rows, load, floor.as_deref())?;
    }
    for round in 1..=options.rounds {
        progress(&format!("round {round} of {}", options.rounds));
        for row in &mut rows {
            row.samples.push(row.contender.start(load, floor.as_deref(), &[])?);
        }
    }
    progress("");
    table::print(&rows, load.children);
    table::print_syscalls(&rows);
    Ok(())
}

fn count_syscalls(rows: &mut [Row], load: &Load, floor: Option<&Path>) -> Result<()> {
    let load = Load { children: load.children.min(TRACED_CHILDREN), ..load.clone() };
    let alone = Load { in_flight: 1, ..load.clone() };
    for row in rows {
        progress(&format!("strace of {}", row.contender.name()));
        row.syscalls = Some(Syscalls::of(row.contender, &load, floor)?);
        row.syscalls_alone = Some(Syscalls::of(row.contender, &alone, floor)?);
    }
    Ok(())
}

/// Shows what is going on, in the place of what was before.
pub(crate) fn progress(text: &str) {
    if stderr().is_terminal() {
        eprint!("\r\x1b[K{text}");
    }
}

fn print_machine(load: &Load) -> Result<()> {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    println!("Linux {}, {} processors", kernel.trim(), available_parallelism()?);
    println!("{} children, {} in flight: {}", load.children, load.in_flight, load.program.display());
    Ok(())
}
