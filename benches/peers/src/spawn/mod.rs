//! What one spawn costs: beside outstanding children, in a large parent, and in system calls of the child.

mod async_process;
mod childset;
mod cost;
mod limits;
mod spawner;
mod std;
mod strace;
mod table;
mod tokio;

use ::std::fs;
use ::std::path::PathBuf;
use ::std::thread::available_parallelism;

use anyhow::Result;

use crate::options::{ParentOptions, SpawnOptions};
use crate::{programs, progress};

pub(crate) use spawner::{run_one, Spawner};
pub(crate) use strace::run as strace;

/// Outstanding in `parent`.
const FEW: usize = 16;

/// The conditions of a spawn.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    pub(crate) outstanding: usize,
    /// How many more are spawned and measured.
    pub(crate) batch: usize,
    /// With a pipe as standard output, whose other end the parent keeps; else all three are inherited.
    pub(crate) piped: bool,
    /// Touched memory in the parent.
    pub(crate) resident_mib: usize,
}

/// What is spawned.
#[derive(Debug)]
pub(crate) struct Programs {
    pub(crate) pausing: PathBuf,
    /// Of the batch.
    pub(crate) program: PathBuf,
    pub(crate) floor: PathBuf,
}

impl Programs {
    fn new(program: Option<PathBuf>) -> Result<Programs> {
        let pausing = programs::pausing()?;
        let program = program.map(fs::canonicalize).transpose()?.unwrap_or_else(|| pausing.clone());
        Ok(Programs { pausing, program, floor: programs::spawn_floor()? })
    }
}

/// The mode `spawn`.
pub(crate) fn spawn(options: &SpawnOptions) -> Result<()> {
    let programs = Programs::new(options.common.child.clone())?;
    print_machine(options.common.batch, &programs)?;
    for piped in [false, true] {
        let (outstanding, why) = limits::fit(&options.outstanding, options.common.batch, piped)?;
        let settings: Vec<_> = outstanding
            .into_iter()
            .map(|outstanding| Setting { outstanding, batch: options.common.batch, piped, resident_mib: 0 })
            .collect();
        let rows = table::measure(&settings, &options.common, &programs)?;
        let stdout = if piped { "a pipe as standard output" } else { "everything inherited" };
        println!("\nOne spawn beside outstanding children, with {stdout}:");
        if let Some(why) = why {
            println!("{why}");
        }
        let names: Vec<_> = settings.iter().map(|setting| setting.outstanding.to_string()).collect();
        table::print(&rows, &names);
        table::print_spawn_ratios(&rows, &names);
    }
    Ok(())
}

/// The mode `parent`.
pub(crate) fn parent(options: &ParentOptions) -> Result<()> {
    let programs = Programs::new(options.common.child.clone())?;
    print_machine(options.common.batch, &programs)?;
    let settings: Vec<_> = limits::memory(&options.mib)?
        .into_iter()
        .map(|resident_mib| Setting {
            outstanding: FEW,
            batch: options.common.batch,
            piped: false,
            resident_mib,
        })
        .collect();
    let rows = table::measure(&settings, &options.common, &programs)?;
    println!("\nOne spawn, with this much resident in the parent, and {FEW} children outstanding:");
    let names: Vec<_> = settings.iter().map(|setting| format!("{} MiB", setting.resident_mib)).collect();
    table::print(&rows, &names);
    table::print_growth(&rows, &names);
    Ok(())
}

fn print_machine(batch: usize, programs: &Programs) -> Result<()> {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    println!("Linux {}, {} processors", kernel.trim(), available_parallelism()?);
    println!("measured: {batch} spawns of {}", programs.program.display());
    progress("");
    Ok(())
}
