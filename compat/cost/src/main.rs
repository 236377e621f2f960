//! What children cost the process that has them: async-process, the crate that takes its place, and zruntime, in one run.
//!
//! Run with: `cargo run --release --manifest-path compat/cost/Cargo.toml -- [CHILDREN [RUNS]]`
//!
//! Each measurement has a process of its own, and the contenders take turns. It takes strace for the system calls.

mod contenders;
mod own;

use std::env;
use std::fs;
use std::process::Command;

use anyhow::{ensure, Context, Result};

use contenders::{Contender, What};
use own::Report;

fn main() -> Result<()> {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["measure", contender, what, children] => {
            let (contender, what) = (Contender::named(contender)?, What::named(what)?);
            let report = own::measure(contender, what, children.parse()?)?;
            println!("{report}");
            Ok(())
        }
        [] => compare(300, 7),
        [children] => compare(children.parse()?, 7),
        [children, runs] => compare(children.parse()?, runs.parse()?),
        _ => anyhow::bail!("too many arguments"),
    }
}

/// Prints a table for each thing that a child can do.
fn compare(children: u32, runs: usize) -> Result<()> {
    ensure!(children > 0 && runs > 0, "at least one child and one run");
    println!("{children} children in each of {runs} runs; medians, least and most in parentheses.");
    for what in What::ALL {
        let mut reports = Contender::ALL.map(|_| Vec::new());
        for _ in 0..runs {
            for (contender, reports) in Contender::ALL.iter().zip(&mut reports) {
                reports.push(start(&mut itself(*contender, what, children)?)?);
            }
        }
        println!("\n| {what} | own CPU time, µs a child | from call to result, µs | system calls a child | threads |");
        println!("|---|---|---|---|---|");
        for (contender, reports) in Contender::ALL.iter().zip(reports) {
            let cpu = spread(reports.iter().map(|report| report.cpu).collect());
            let wall = spread(reports.iter().map(|report| report.wall).collect());
            let threads = reports.iter().map(|report| report.threads.len()).max().unwrap_or(0);
            let calls = system_calls(*contender, what)?;
            println!("| {contender} | {cpu} | {wall} | {calls:.1} | {threads} |");
        }
    }
    Ok(())
}

fn itself(contender: Contender, what: What, children: u32) -> Result<Command> {
    let mut command = Command::new(env::current_exe()?);
    command.args(["measure", contender.name(), what.name(), &children.to_string()]);
    Ok(command)
}

fn start(command: &mut Command) -> Result<Report> {
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Report::parse(&String::from_utf8(output.stdout)?)
}

/// A child, in all threads of the parent: what more children need more.
fn system_calls(contender: Contender, what: What) -> Result<f64> {
    const FEW: u32 = 20;
    const MANY: u32 = 120;

    let count = |children| -> Result<usize> {
        let directory = tempfile::tempdir()?;
        let measured = itself(contender, what, children)?;
        let mut strace = Command::new("strace");
        strace.args(["-qq", "-ff", "-e", "signal=none", "-o"]).arg(directory.path().join("calls"));
        let report = start(strace.arg(measured.get_program()).args(measured.get_args()))?;
        let mut calls = 0;
        for thread in report.threads {
            calls += fs::read_to_string(directory.path().join(format!("calls.{thread}")))?.lines().count();
        }
        Ok(calls)
    };
    Ok((count(MANY)? as f64 - count(FEW)? as f64) / f64::from(MANY - FEW))
}

fn spread(mut values: Vec<u64>) -> String {
    values.sort_unstable();
    format!("{} ({}–{})", values[values.len() / 2], values[0], values[values.len() - 1])
}
