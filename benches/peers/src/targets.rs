//! What childset promises, and what was measured.

use serde::{Deserialize, Serialize};

use crate::contenders::Name;
use crate::results::{Counted, Results, Section};
use crate::run::{Load, Outstanding, Setting, Throughput};
use crate::sections::total;
use crate::table::{cell, Table};

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Target {
    what: String,
    contender: Name,
    at_most: f64,
    /// `None` if what it needs was not measured.
    measured: Option<f64>,
}

const TAG_BYTES: f64 = 4.0;

/// Who is compared with those that come in two ways is compared with the faster one.
const WAITING: [Name; 2] = [Name::CWaitCopy, Name::CWaitShare];
const TOKIO: [Name; 2] = [Name::Tokio, Name::TokioUnordered];
const ASYNC_PROCESS: [Name; 2] = [Name::AsyncProcess, Name::AsyncProcessDriver];
const ZRUNTIME: [Name; 1] = [Name::Zruntime];

fn wall(took: &Throughput) -> Option<f64> {
    Some(took.wall_us)
}

fn own(took: &Throughput) -> Option<f64> {
    Some(took.own_us)
}

impl Results {
    pub(crate) fn set_targets(&mut self) {
        let mut targets = Vec::new();
        for name in [Name::Childset, Name::ChildsetWait] {
            self.of_spawns(name, &mut |what: &str, at_most, measured| {
                targets.push(Target { what: what.to_owned(), contender: name, at_most, measured });
            });
        }
        for name in [Name::ChildsetCommand, Name::ChildsetCommandLaunch] {
            self.of_commands(name, &mut |what: &str, at_most, measured| {
                targets.push(Target { what: what.to_owned(), contender: name, at_most, measured });
            });
        }
        let name = Name::ChildsetLaunch;
        self.of_launches(name, &mut |what: &str, at_most, measured| {
            targets.push(Target { what: what.to_owned(), contender: name, at_most, measured });
        });
        self.targets = targets;
    }

    fn of_spawns(&self, name: Name, target: &mut dyn FnMut(&str, f64, Option<f64>)) {
        let idle = self.idle();
        let most = self.outstanding.last().map_or(0, |section| section.setting.outstanding);
        let counted = self.counted(name);
        target("own CPU a child / c-wait-copy", 1.10, against(idle, name, &[Name::CWaitCopy], own));
        target("own CPU a child / tokio", 0.85, against(idle, name, &TOKIO, own));
        target("own CPU a child / async-process", 0.55, against(idle, name, &ASYNC_PROCESS, own));
        target("wall a child / c-wait-copy", 1.08, against(idle, name, &[Name::CWaitCopy], wall));
        target(&format!("spawn beside {most} / beside 100"), 1.15, self.spawn_growth(name));
        target("heap bytes a child outstanding, without the tag", 64.0, self.heap(name));
        target("allocations a child", 1.0, counted.map(|counted| counted.allocations));
        target("system calls a child in the parent", 8.0, counted.map(|counted| total(&counted.syscalls)));
        target("exit to yield, p50 / c-wait-copy, the worst", 1.30, self.latency(name));
        let collected = self
            .outstanding
            .last()
            .and_then(|last| last.ratio(name, Name::CWaitCopy, |took| Some(took.collected.as_ref()?.own_us)));
        target(&format!("own CPU of collecting {most} / c-wait-copy"), 1.15, collected);
        target("wake-ups while nothing happens", 0.0, self.wakeups(name));
    }

    fn of_commands(&self, name: Name, target: &mut dyn FnMut(&str, f64, Option<f64>)) {
        let idle = self.idle();
        target("own CPU a child / tokio", 0.85, against(idle, name, &TOKIO, own));
        target("own CPU a child / zruntime", 1.0, against(idle, name, &ZRUNTIME, own));
        let at_most = if name == Name::ChildsetCommandLaunch { 25_000.0 } else { 12_000.0 };
        target("instructions a child", at_most, self.counted(name).map(|counted| counted.instructions));
    }

    fn of_launches(&self, name: Name, target: &mut dyn FnMut(&str, f64, Option<f64>)) {
        let (idle, busy) = (self.idle(), self.busy.first());
        target("wall a child / C that waits", 0.60, against(idle, name, &WAITING, wall));
        target("wall a child / C that waits, busy", 0.45, against(busy, name, &WAITING, wall));
        for (peer, ways) in
            [("tokio", &TOKIO[..]), ("async-process", &ASYNC_PROCESS), ("zruntime", &ZRUNTIME)]
        {
            target(&format!("wall a child / {peer}"), 0.45, against(idle, name, ways, wall));
            target(&format!("wall a child / {peer}, busy"), 0.45, against(busy, name, ways, wall));
        }
        target("own CPU a child / C that waits", 0.85, against(idle, name, &WAITING, own));
        let most = self.outstanding.last().map_or(0, |section| section.setting.outstanding);
        target(&format!("launch beside {most} / beside 100"), 1.20, self.spawn_growth(name));
        let still = |what: fn(&Throughput) -> Option<f64>| against(busy, name, &[Name::Childset], what);
        target(
            "caller asleep / in spawn, mean, busy",
            0.05,
            still(|took| Some(took.still.as_ref()?.asleep.mean)),
        );
        target(
            "caller asleep / in spawn, p50, busy",
            0.05,
            still(|took| Some(took.still.as_ref()?.asleep.p50)),
        );
    }

    fn spawn_growth(&self, name: Name) -> Option<f64> {
        let few = self.outstanding.iter().find(|section| section.setting.outstanding == 100)?;
        let last = self.outstanding.last()?;
        last.row(name)?.ratio(few.row(name)?, |took| Some(took.spawned.wall_us))
    }

    fn heap(&self, name: Name) -> Option<f64> {
        self.worst(|section| {
            let heap = section.row(name)?.median(|took| Some(took.heap))?;
            (section.setting.outstanding > 0).then_some(heap - TAG_BYTES)
        })
    }

    fn latency(&self, name: Name) -> Option<f64> {
        self.worst(|section| section.ratio(name, Name::CWaitCopy, |took| Some(took.latency.as_ref()?.p50_us)))
    }

    fn wakeups(&self, name: Name) -> Option<f64> {
        self.worst(|section| section.row(name)?.median(|took| Some(took.idle?.wakeups as f64)))
    }

    fn worst(&self, of: impl Fn(&Section<Setting, Outstanding>) -> Option<f64>) -> Option<f64> {
        self.outstanding.iter().filter_map(of).max_by(f64::total_cmp)
    }

    pub(crate) fn counted(&self, name: Name) -> Option<&Counted> {
        self.counted.iter().find(|counted| counted.contender == name)
    }

    pub(crate) fn print_targets(&self) {
        println!("\nTargets: static child, 16 in flight, no other load, unless it says otherwise");
        let mut table = Table::new(&["", "of", "at most", "measured", ""]);
        for Target { what, contender, at_most, measured } in &self.targets {
            let verdict = match measured {
                None => "not measured",
                Some(measured) if measured <= at_most => "met",
                Some(_) => "MISSED",
            };
            let [bound, measured] = [Some(*at_most), *measured].map(|value| cell(value, 2));
            table.row(what, [contender.as_str().to_owned(), bound, measured, verdict.to_owned()]);
        }
        table.print();
    }
}

/// The ratio to the best of them.
fn against(
    section: Option<&Section<Load, Throughput>>,
    name: Name,
    others: &[Name],
    what: impl Fn(&Throughput) -> Option<f64>,
) -> Option<f64> {
    let ratio = |&other: &Name| section?.ratio(name, other, &what);
    others.iter().filter_map(ratio).max_by(f64::total_cmp)
}
