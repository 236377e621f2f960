use serde::{Deserialize, Serialize};

use super::usage::{clock, CLOCK_MONOTONIC, THREAD};

/// How long the caller stands still in a call, in microseconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Still {
    /// The time of the whole call.
    pub(crate) wall: Spread,
    /// Without the CPU time of this thread: it sleeps, or waits for a processor.
    pub(crate) asleep: Spread,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Spread {
    pub(crate) mean: f64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

/// Times calls, or leaves them alone: the clock of the thread is a system call.
pub(super) struct Watch {
    is_on: bool,
    walls: Vec<u64>,
    asleep: Vec<u64>,
}

impl Watch {
    pub(super) fn new(is_on: bool, calls: usize) -> Watch {
        let room = || Vec::with_capacity(if is_on { calls } else { 0 });
        Watch { is_on, walls: room(), asleep: room() }
    }

    pub(super) fn time<T>(&mut self, call: impl FnOnce() -> T) -> T {
        if !self.is_on {
            return call();
        }
        let begin = [CLOCK_MONOTONIC, THREAD].map(clock);
        let result = call();
        let [thread, wall] = [THREAD, CLOCK_MONOTONIC].map(clock);
        let (wall, used) = (wall - begin[0], thread - begin[1]);
        self.walls.push(wall);
        self.asleep.push(wall.saturating_sub(used));
        result
    }

    pub(super) fn end(self) -> Option<Still> {
        Some(Still { wall: Spread::of(self.walls)?, asleep: Spread::of(self.asleep)? })
    }
}

impl Spread {
    fn of(mut nanoseconds: Vec<u64>) -> Option<Spread> {
        nanoseconds.sort_unstable();
        let max = *nanoseconds.last()? as f64 / 1000.0;
        let count = nanoseconds.len();
        let at = |percent: usize| nanoseconds[(count * percent / 100).min(count - 1)] as f64 / 1000.0;
        let mean = nanoseconds.iter().sum::<u64>() as f64 / 1000.0 / count as f64;
        Some(Spread { mean, p50: at(50), p99: at(99), max })
    }
}
