//! Run with: `cargo run --release --manifest-path benches/peers/Cargo.toml -- --quick`
//!
//! Each contender is a process of its own, started afresh for each round, and they take turns. All spawn the same
//! children, and are measured by the same code (`run`). Without `--quick` it takes about an hour, and the machine
//! should have nothing else to do.

mod contenders;
mod guard;
mod limits;
mod machine;
mod options;
mod plots;
mod programs;
mod results;
mod run;
mod scanner;
mod sections;
mod start;
mod step;
mod strace;
mod summary;
mod table;
mod targets;
mod traced;

use anyhow::Result;
use clap::Parser;

use options::{Common, Options, Section};
use results::Results;
use sections::Scale;

fn main() -> Result<()> {
    let Options { section, common } = Options::parse();
    let mut results = match &section {
        Some(Section::Be { name, task }) => return run::be(*name, task),
        Some(Section::Guard) => return guard::run(),
        Some(Section::Plot { results }) => Results::read(results)?,
        _ => {
            let mut results = Results::new()?;
            println!("{}", results.machine);
            measure(&mut results, section.as_ref(), &common)?;
            results
        }
    };
    if matches!(section, None | Some(Section::Plot { .. })) {
        results.set_targets();
        results.print_targets();
        summary::print(&results);
    }
    if let Some(path) = &common.json {
        results.write(path)?;
    }
    if let Some(directory) = &common.plots {
        plots::draw(&results, directory)?;
    }
    Ok(())
}

/// The section that is asked for, or all of them.
fn measure(results: &mut Results, section: Option<&Section>, common: &Common) -> Result<()> {
    let names = common.contenders();
    let scale = if common.quick { &Scale::QUICK } else { &Scale::FULL };
    let rounds = common.rounds.unwrap_or(scale.rounds);
    if matches!(section, None | Some(Section::Throughput)) {
        results.throughput = sections::throughput(&names, scale, rounds)?;
    }
    if matches!(section, None | Some(Section::Busy)) {
        results.busy = sections::busy(&names, scale, rounds)?;
    }
    if matches!(section, None | Some(Section::Slow)) {
        results.slow = sections::slow(&names, scale, rounds)?;
    }
    let (plain, piped) = match section {
        None => (Some(scale.outstanding), Some(scale.piped)),
        Some(Section::Outstanding { children, piped }) => {
            let by_default = if *piped { scale.piped } else { scale.outstanding };
            let children = if children.is_empty() { by_default } else { children };
            (Some(children).filter(|_| !piped), Some(children).filter(|_| *piped))
        }
        _ => (None, None),
    };
    if let Some(children) = plain {
        results.outstanding = sections::outstanding(&names, scale, rounds, children, false)?;
    }
    if let Some(children) = piped {
        results.piped = sections::outstanding(&names, scale, rounds, children, true)?;
    }
    let mib = match section {
        None => Some(&[][..]),
        Some(Section::Parent { mib }) => Some(&mib[..]),
        _ => None,
    };
    if let Some(mib) = mib {
        let mib = if mib.is_empty() { scale.parent_mib } else { mib };
        let rounds = common.rounds.unwrap_or(scale.parent_rounds);
        results.parent = sections::parent(&names, scale, rounds, mib)?;
    }
    if matches!(section, None | Some(Section::Counted)) {
        results.counted = sections::counted(&names, scale)?;
    }
    if matches!(section, None | Some(Section::Kernel)) {
        results.kernel = sections::kernel(scale, rounds)?;
    }
    Ok(())
}
