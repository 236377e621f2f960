//! The system calls that a child makes before its `execve`.

use std::env;
use std::ffi::OsStr;
use std::fs;

use anyhow::{Context, Result};

use super::{Programs, Setting, Spawner};
use crate::options::StraceOptions;
use crate::syscalls::Call;

pub(crate) fn run(options: &StraceOptions) -> Result<()> {
    let programs = Programs::new(None)?;
    println!("System calls of one child up to its execve:");
    for piped in [false, true] {
        println!("{}:", if piped { "a pipe as standard output" } else { "everything inherited" });
        for spawner in options.spawners().into_iter().filter(|spawner| spawner.is_rust()) {
            let calls = trace(spawner, piped, &programs)?;
            let total: usize = calls.iter().map(|(_, count)| count).sum();
            let list: Vec<_> = calls.iter().map(|(name, count)| format!("{name} {count}")).collect();
            println!("{:>16}: {total:>3}: {}", spawner.name(), list.join(", "));
        }
    }
    Ok(())
}

/// By name, in the order in which each came first.
fn trace(spawner: Spawner, piped: bool, programs: &Programs) -> Result<Vec<(String, usize)>> {
    let trace = env::temp_dir().join(format!("peers-{}.strace", std::process::id()));
    let options = ["strace", "-f", "-qq", "-e", "signal=none", "-s", "0", "-o"].map(OsStr::new);
    let tracer = [&options[..], &[trace.as_os_str()]].concat();
    let setting = Setting { outstanding: 0, batch: 1, piped, resident_mib: 0 };
    let ran = spawner.start(&setting, programs, &tracer).context("strace is needed");
    let written = fs::read_to_string(&trace);
    let _ = fs::remove_file(&trace);
    ran?;
    count(&written?)
}

fn count(trace: &str) -> Result<Vec<(String, usize)>> {
    let calls: Vec<Call<'_>> = trace.lines().filter_map(Call::parse).collect();
    let parent = calls.first().map_or("", |call| call.thread);
    let child = calls
        .iter()
        .find(|call| call.name == "execve" && call.thread != parent)
        .context("no child has called execve")?
        .thread;
    let mut counts: Vec<(String, usize)> = Vec::new();
    for call in calls.iter().filter(|call| call.thread == child) {
        match counts.iter_mut().find(|(name, _)| name == call.name) {
            Some((_, count)) => *count += 1,
            None => counts.push((call.name.to_owned(), 1)),
        }
        if call.name == "execve" {
            break;
        }
    }
    Ok(counts)
}
