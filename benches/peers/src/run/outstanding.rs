use std::collections::HashMap;
use std::hint::black_box;
use std::thread;
use std::time::Duration;

use anyhow::{ensure, Result};
use serde::{Deserialize, Serialize};

use super::gate::Gate;
use super::idle::{self, Idle};
use super::stamps::Stamps;
use super::usage::{self, clock, Mark, CLOCK_MONOTONIC, PROCESS, THREAD};
use super::{heap, Setting};
use crate::contenders::{Commands, Contender};
use crate::programs;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Outstanding {
    pub(crate) spawned: Spawned,
    /// Bytes for each child that is outstanding, its tag of four bytes included.
    pub(crate) heap: f64,
    /// The most that there was meanwhile.
    pub(crate) heap_peak: f64,
    /// As the kernel counts, in whole pages: with what the allocator keeps, and the stacks of threads.
    pub(crate) resident: f64,
    pub(crate) idle: Option<Idle>,
    pub(crate) latency: Option<Latency>,
    pub(crate) collected: Option<Collected>,
}

/// One spawn beside those outstanding, in microseconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Spawned {
    /// The median of the batch: what else runs on the machine stops some spawns for long.
    pub(crate) wall_us: f64,
    /// Of this process, the mean. So is the next.
    pub(crate) own_us: f64,
    /// Of the children, from their birth to their end: what they do for the spawn is a part of it.
    pub(crate) children_us: f64,
}

/// From the last moment of a child, before its `exit_group`, to the moment at which its exit has come out: in
/// microseconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Latency {
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
}

/// All of those outstanding, after they were released at once and had ended: each, in microseconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Collected {
    pub(crate) wall_us: f64,
    /// With what other threads did while they ended.
    pub(crate) own_us: f64,
    /// How far the order in which they come out is that in which they ended: 1 if it is the same, 0 if it has
    /// nothing to do with it (Spearman's rank correlation).
    pub(crate) order: f64,
}

const HELD: usize = 0;
const BRIEF: usize = 1;

/// Where others have just freed so much, a virtual machine is busy for a while giving it back to its host.
const MUCH_MIB: usize = 1024;
const SETTLE: Duration = Duration::from_secs(2);

pub(super) fn run<C: Contender>(setting: &Setting) -> Result<Outstanding> {
    let memory = vec![1_u8; setting.resident_mib << 20];
    if setting.resident_mib >= MUCH_MIB {
        thread::sleep(SETTLE);
    }
    let stamps = Stamps::new()?;
    let programs = vec![programs::HELD.into(), programs::BRIEF.into()];
    let contender = C::new(Commands { programs, piped: setting.piped })?;
    let report = C::block_on(Scenario { contender, stamps, next_tag: 0 }.run(setting));
    black_box(&memory);
    report
}

struct Scenario<C> {
    contender: C,
    stamps: Stamps,
    next_tag: u32,
}

impl<C: Contender> Scenario<C> {
    async fn run(mut self, setting: &Setting) -> Result<Outstanding> {
        let gate = self.gate()?;
        let resident = usage::resident()?;
        heap::begin();
        for _ in 0..setting.outstanding {
            self.spawn(HELD)?;
        }
        let heap = heap::end();
        let resident = usage::resident()?.saturating_sub(resident);
        let each = |bytes: i64| bytes as f64 / setting.outstanding.max(1) as f64;

        let spawned = self.batch(setting.batch).await?;
        let idle = match setting.idle_ms {
            0 => None,
            milliseconds => Some(self.idle(Duration::from_millis(milliseconds)).await?),
        };
        let latency = match setting.latencies {
            0 => None,
            count => Some(self.latency(count).await?),
        };
        let collected = self.collect(gate, setting).await?;
        Ok(Outstanding {
            spawned,
            heap: each(heap.live),
            heap_peak: each(heap.peak),
            resident: each(resident as i64),
            idle,
            latency,
            collected,
        })
    }

    fn gate(&mut self) -> Result<Gate> {
        self.contender.settle();
        Ok(Gate::new()?)
    }

    fn spawn(&mut self, program: usize) -> Result<()> {
        self.contender.spawn(program, self.next_tag)?;
        self.next_tag += 1;
        Ok(())
    }

    /// Returns the pid.
    async fn next(&mut self) -> Result<u32> {
        let ended = self.contender.next().await?;
        ensure!(ended.success, "the child failed");
        Ok(ended.pid)
    }

    async fn batch(&mut self, count: usize) -> Result<Spawned> {
        let gate = self.gate()?;
        let mut walls = Vec::with_capacity(count);
        let own = clock(PROCESS);
        for _ in 0..count {
            let begin = clock(CLOCK_MONOTONIC);
            self.spawn(HELD)?;
            walls.push(clock(CLOCK_MONOTONIC) - begin);
        }
        let own = clock(PROCESS) - own;
        walls.sort_unstable();
        // Before they end: a thread may reap them at once.
        let begin = Mark::begin()?;
        gate.open();
        for _ in 0..count {
            self.next().await?;
        }
        let used = Mark::end()?.since(&begin, count);
        Ok(Spawned {
            wall_us: walls[count / 2] as f64 / 1000.0,
            own_us: own as f64 / 1000.0 / count as f64,
            children_us: used.children,
        })
    }

    async fn idle(&mut self, time: Duration) -> Result<Idle> {
        let gate = self.gate()?;
        self.spawn(HELD)?;
        let watching = idle::watch(gate, time);
        self.next().await?;
        watching.join().expect("the watching thread does not panic")
    }

    async fn latency(&mut self, count: usize) -> Result<Latency> {
        let mut latencies = Vec::with_capacity(count);
        for _ in 0..count {
            let before = self.stamps.len();
            self.spawn(BRIEF)?;
            let pid = self.next().await?;
            let now = clock(CLOCK_MONOTONIC);
            let stamp = self.stamps.get(before);
            ensure!(stamp.pid == pid, "another child has ended");
            latencies.push(now - stamp.time);
        }
        latencies.sort_unstable();
        let at = |permille: usize| latencies[(count * permille / 1000).min(count - 1)] as f64 / 1000.0;
        Ok(Latency { p50_us: at(500), p99_us: at(990), p999_us: at(999) })
    }

    async fn collect(&mut self, gate: Gate, setting: &Setting) -> Result<Option<Collected>> {
        let count = setting.outstanding;
        let first = self.stamps.len();
        let mut order = Vec::with_capacity(count);
        let process = clock(PROCESS);
        let thread = clock(THREAD);
        gate.open();
        if !setting.piped {
            self.await_zombies(first, count);
        }
        let waited = clock(THREAD) - thread;
        let begin = clock(CLOCK_MONOTONIC);
        for _ in 0..count {
            order.push(self.next().await?);
        }
        let wall = clock(CLOCK_MONOTONIC) - begin;
        let own = clock(PROCESS) - process - waited;
        if setting.piped || count == 0 {
            return Ok(None);
        }
        let each = |nanoseconds: u64| nanoseconds as f64 / 1000.0 / count as f64;
        let order = rank_correlation(&self.ended(first, count), &order);
        Ok(Some(Collected { wall_us: each(wall), own_us: each(own), order }))
    }

    /// Until all have ended, without reaping them: what is measured is not how they end.
    fn await_zombies(&self, first: usize, count: usize) {
        while self.stamps.len() < first + count {
            thread::sleep(Duration::from_millis(1));
        }
        for pid in self.ended(first, count) {
            // SAFETY: no pointer to anything is passed. If a thread of the contender has reaped it, it fails.
            unsafe { libc::waitid(libc::P_PID, pid, std::ptr::null_mut(), libc::WEXITED | libc::WNOWAIT) };
        }
    }

    /// Their pids, in the order in which they ended.
    fn ended(&self, first: usize, count: usize) -> Vec<u32> {
        (first..first + count).map(|index| self.stamps.get(index).pid).collect()
    }
}

fn rank_correlation(one: &[u32], other: &[u32]) -> f64 {
    let ranks: HashMap<u32, usize> = one.iter().enumerate().map(|(rank, &pid)| (pid, rank)).collect();
    let distance = |(rank, pid): (usize, &u32)| {
        let there = ranks.get(pid).copied().unwrap_or(0);
        (rank.abs_diff(there) as f64).powi(2)
    };
    let squares: f64 = other.iter().enumerate().map(distance).sum();
    let n = one.len() as f64;
    1.0 - 6.0 * squares / (n * (n * n - 1.0)).max(1.0)
}
