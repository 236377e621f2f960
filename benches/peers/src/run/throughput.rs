use std::thread;
use std::time::Duration;

use anyhow::{ensure, Result};
use serde::{Deserialize, Serialize};

use super::usage::Mark;
use super::{heap, Load};
use crate::contenders::{Commands, Contender};
use crate::traced;

/// For each child. Times are in microseconds; CPU time is that of the process itself, in user and system mode.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Throughput {
    pub(crate) wall_us: f64,
    /// Of all threads.
    pub(crate) own_us: f64,
    /// Of those threads that neither spawn nor wait.
    pub(crate) helpers_us: f64,
    /// What the children used.
    pub(crate) children_us: f64,
    /// In the second half of it, where nothing grows any more. 0 if this is timed.
    pub(crate) allocations: f64,
}

/// What a contender starts once is not counted.
const STARTS_WITHIN: Duration = Duration::from_millis(20);

fn counted_from(load: &Load) -> usize {
    load.children / 2
}

pub(super) fn run<C: Contender>(load: &Load) -> Result<Throughput> {
    let mut contender = C::new(Commands { programs: vec![load.program.clone()], piped: false })?;
    let mut seen = vec![false; load.children];
    C::block_on(async {
        // One before: the reactor of async-io is made for the first, and its thread starts.
        contender.spawn(0, 0)?;
        contender.next().await?;
        thread::sleep(STARTS_WITHIN);
        let begin = Mark::begin()?;
        measured(&mut contender, load, &mut seen).await?;
        let used = Mark::end()?.since(&begin, load.children);
        Ok(Throughput {
            wall_us: used.wall,
            own_us: used.own,
            helpers_us: used.helpers,
            children_us: used.children,
            allocations: heap::end().calls as f64 / (load.children - counted_from(load)) as f64,
        })
    })
}

async fn measured<C: Contender>(contender: &mut C, load: &Load, seen: &mut [bool]) -> Result<()> {
    let mut spawned = load.in_flight.min(load.children);
    for tag in 0..spawned {
        contender.spawn(0, tag as u32)?;
    }
    for index in 0..load.children {
        if index == counted_from(load) && traced::is_on() {
            heap::begin();
        }
        let ended = contender.next().await?;
        ensure!(ended.success, "the child failed");
        let seen = &mut seen[ended.tag as usize];
        ensure!(!std::mem::replace(seen, true), "a child came out twice");
        if spawned < load.children {
            contender.spawn(0, spawned as u32)?;
            spawned += 1;
        }
    }
    Ok(())
}
