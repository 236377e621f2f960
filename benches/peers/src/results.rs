use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::contenders::Name;
use crate::machine::Machine;
use crate::programs;
use crate::run::{Load, Outstanding, Setting, Throughput};
use crate::sections::Parts;
use crate::strace::Calls;
use crate::targets::Target;

/// As it stands in the JSON file: each round, nothing condensed.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Results {
    pub(crate) machine: Machine,
    pub(crate) throughput: Vec<Section<Load, Throughput>>,
    /// While other processes want all processors.
    pub(crate) busy: Vec<Section<Load, Throughput>>,
    /// While each `execve` takes long.
    pub(crate) slow: Vec<Section<Load, Throughput>>,
    pub(crate) outstanding: Vec<Section<Setting, Outstanding>>,
    /// Each with a pipe.
    pub(crate) piped: Vec<Section<Setting, Outstanding>>,
    /// With much memory in the parent.
    pub(crate) parent: Vec<Section<Setting, Outstanding>>,
    pub(crate) counted: Vec<Counted>,
    pub(crate) kernel: Vec<Parts>,
    pub(crate) targets: Vec<Target>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Section<S, R> {
    pub(crate) setting: S,
    pub(crate) rows: Vec<Row<R>>,
}

/// One contender: what it took in each round, in order.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Row<R> {
    pub(crate) contender: Name,
    pub(crate) rounds: Vec<R>,
}

/// For each child, with 16 in flight; `alone`: with one, which is always waited for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Counted {
    pub(crate) contender: Name,
    pub(crate) syscalls: Calls,
    pub(crate) syscalls_alone: Calls,
    pub(crate) syscalls_child: Calls,
    /// In user mode, in the parent.
    pub(crate) instructions: f64,
    pub(crate) instructions_alone: f64,
    pub(crate) allocations: f64,
}

impl Results {
    pub(crate) fn new() -> Result<Results> {
        Ok(Results {
            machine: Machine::this()?,
            throughput: Vec::new(),
            busy: Vec::new(),
            slow: Vec::new(),
            outstanding: Vec::new(),
            piped: Vec::new(),
            parent: Vec::new(),
            counted: Vec::new(),
            kernel: Vec::new(),
            targets: Vec::new(),
        })
    }

    /// 16 static children in flight, and no other load.
    pub(crate) fn idle(&self) -> Option<&Section<Load, Throughput>> {
        self.throughput.iter().find(|section| {
            section.setting.in_flight == 16 && section.setting.program.as_os_str() == programs::CHILD
        })
    }

    pub(crate) fn read(path: &Path) -> Result<Results> {
        let text = fs::read(path).with_context(|| path.display().to_string())?;
        serde_json::from_slice(&text).with_context(|| format!("{} holds no results", path.display()))
    }

    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        fs::write(path, serde_json::to_string_pretty(self)?).with_context(|| path.display().to_string())
    }
}

impl<S, R> Section<S, R> {
    pub(crate) fn row(&self, name: Name) -> Option<&Row<R>> {
        self.rows.iter().find(|row| row.contender == name)
    }

    pub(crate) fn ratio(&self, of: Name, to: Name, what: impl Fn(&R) -> Option<f64>) -> Option<f64> {
        self.row(of)?.ratio(self.row(to)?, what)
    }
}

impl<R> Row<R> {
    pub(crate) fn median(&self, what: impl Fn(&R) -> Option<f64>) -> Option<f64> {
        median(self.rounds.iter().filter_map(what))
    }

    /// The lower one, the median, and the upper one.
    pub(crate) fn quartiles(&self, what: impl Fn(&R) -> Option<f64>) -> Option<[f64; 3]> {
        let mut values: Vec<f64> = self.rounds.iter().filter_map(what).collect();
        values.sort_by(f64::total_cmp);
        let quarter = (values.len().checked_sub(1)? as f64 / 4.0).round() as usize;
        Some([values[quarter], median(values.iter().copied())?, values[values.len() - 1 - quarter]])
    }

    /// Each round is compared with itself, since noise hits neighbours alike.
    pub(crate) fn ratio(&self, other: &Row<R>, what: impl Fn(&R) -> Option<f64>) -> Option<f64> {
        let pairs = self.rounds.iter().zip(&other.rounds);
        median(pairs.filter_map(|(ours, theirs)| Some(what(ours)? / what(theirs)?)))
    }
}

pub(crate) fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        even if even % 2 == 0 => Some((values[middle - 1] + values[middle]) / 2.0),
        _ => Some(values[middle]),
    }
}
