//! What childset promises, beside what was measured.

use serde::{Deserialize, Serialize};

use crate::contenders::Name;
use crate::programs;
use crate::results::{Results, Section};
use crate::run::{Load, Outstanding, Setting, Throughput};
use crate::sections::total;
use crate::table::{cell, Table};

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Target {
    pub(crate) what: String,
    pub(crate) at_most: f64,
    /// Awaiting; `None` if what it needs was not measured.
    pub(crate) awaiting: Option<f64>,
    pub(crate) blocking: Option<f64>,
}

/// The load of the targets on throughput.
const IN_FLIGHT: usize = 16;

/// What is measured, the most that it may be, and how it is found for one of the two.
type Bound<'a> = (String, f64, Box<dyn Fn(Name) -> Option<f64> + 'a>);

const TAG_BYTES: f64 = 4.0;

impl Results {
    pub(crate) fn set_targets(&mut self) {
        let most = self.outstanding.last().map_or(0, |section| section.setting.outstanding);
        let targets: Vec<Bound<'_>> = vec![
            target("own CPU a child / floor", 1.10, |name| {
                self.throughput(name, Name::Floor, |took| took.own_us)
            }),
            target("own CPU a child / tokio", 0.85, |name| {
                self.throughput(name, Name::Tokio, |took| took.own_us)
            }),
            target("own CPU a child / async-process", 0.55, |name| {
                self.throughput(name, Name::AsyncProcess, |took| took.own_us)
            }),
            target("wall a child / floor", 1.08, |name| {
                self.throughput(name, Name::Floor, |took| took.wall_us)
            }),
            target(&format!("spawn beside {most} / beside 100"), 1.15, |name| self.spawn_growth(name)),
            target("heap bytes a child outstanding, without the tag", 64.0, |name| self.heap(name)),
            target("allocations a child", 1.0, |name| Some(self.counted(name)?.allocations)),
            target("system calls a child in the parent", 8.0, |name| {
                Some(total(&self.counted(name)?.syscalls))
            }),
            target("exit to yield, p50 / floor, the worst", 1.30, |name| self.latency(name)),
            target(&format!("own CPU of collecting {most} / floor"), 1.15, |name| {
                let last = self.outstanding.last()?;
                last.ratio(name, Name::Floor, |took| Some(took.collected.as_ref()?.own_us))
            }),
            target("wake-ups while nothing happens", 0.0, |name| self.wakeups(name)),
        ];
        self.targets = targets
            .into_iter()
            .map(|(what, at_most, measured)| Target {
                what,
                at_most,
                awaiting: measured(Name::Childset),
                blocking: measured(Name::ChildsetWait),
            })
            .collect();
    }

    fn throughput(&self, name: Name, other: Name, what: fn(&Throughput) -> f64) -> Option<f64> {
        let section: &Section<Load, _> = self.throughput.iter().find(|section| {
            section.setting.in_flight == IN_FLIGHT && section.setting.program.as_os_str() == programs::CHILD
        })?;
        section.ratio(name, other, |took| Some(what(took)))
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
        self.worst(|section| section.ratio(name, Name::Floor, |took| Some(took.latency.as_ref()?.p50_us)))
    }

    fn wakeups(&self, name: Name) -> Option<f64> {
        self.worst(|section| section.row(name)?.median(|took| Some(took.idle?.wakeups as f64)))
    }

    fn worst(&self, of: impl Fn(&Section<Setting, Outstanding>) -> Option<f64>) -> Option<f64> {
        self.outstanding.iter().filter_map(of).max_by(f64::total_cmp)
    }

    fn counted(&self, name: Name) -> Option<&crate::results::Counted> {
        self.counted.iter().find(|counted| counted.contender == name)
    }

    pub(crate) fn print_targets(&self) {
        println!("\nTargets: static child, {IN_FLIGHT} in flight, unless it says otherwise");
        let mut table = Table::new(&["", "at most", "childset", "", "childset-wait", ""]);
        for Target { what, at_most, awaiting, blocking } in &self.targets {
            let verdict = |measured: Option<f64>| match measured {
                None => "not measured",
                Some(measured) if measured <= *at_most => "met",
                Some(_) => "MISSED",
            };
            let [bound, first, second] = [Some(*at_most), *awaiting, *blocking].map(|value| cell(value, 2));
            table.row(what, [bound, first, verdict(*awaiting).into(), second, verdict(*blocking).into()]);
        }
        table.print();
    }
}

fn target<'a>(what: &str, at_most: f64, measured: impl Fn(Name) -> Option<f64> + 'a) -> Bound<'a> {
    (what.to_owned(), at_most, Box::new(measured))
}
