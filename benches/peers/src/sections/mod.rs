//! What is measured.

mod busy;
mod counted;
mod kernel;
mod outstanding;
mod parent;
mod scale;
mod slow;
mod throughput;

use std::io::{stderr, IsTerminal};

use anyhow::Result;

use crate::contenders::Name;
use crate::results::{Row, Section};

pub(crate) use busy::run as busy;
pub(crate) use counted::{count, run as counted, total};
pub(crate) use kernel::{run as kernel, Parts};
pub(crate) use outstanding::run as outstanding;
pub(crate) use parent::run as parent;
pub(crate) use scale::Scale;
pub(crate) use slow::run as slow;
pub(crate) use throughput::run as throughput;

/// Each contender after the other, in every round, for every setting. `run` may leave one out.
fn take_turns<S: std::fmt::Debug, R>(
    names: &[Name],
    settings: Vec<S>,
    rounds: u32,
    run: impl Fn(Name, &S, u32) -> Result<Option<R>>,
) -> Result<Vec<Section<S, R>>> {
    let row = |&contender: &Name| Row { contender, rounds: Vec::new() };
    let mut sections: Vec<Section<S, R>> = settings
        .into_iter()
        .map(|setting| Section { setting, rows: names.iter().map(row).collect() })
        .collect();
    for round in 0..rounds {
        for Section { setting, rows } in &mut sections {
            // Each is the first in turn: that one follows another setting.
            rows.rotate_left(1);
            for row in rows {
                let name = row.contender.as_str();
                progress(&format!("round {} of {rounds}: {name}, {setting:?}", round + 1));
                row.rounds.extend(run(row.contender, setting, round)?);
            }
        }
    }
    progress("");
    for section in &mut sections {
        section.rows.retain(|row| !row.rounds.is_empty());
        section.rows.sort_by_key(|row| Name::ALL.iter().position(|&name| name == row.contender));
    }
    Ok(sections)
}

/// Shows what is going on, in the place of what was before.
fn progress(text: &str) {
    if stderr().is_terminal() {
        eprint!("\r\x1b[K{text}");
    }
}
