//! Ending jobs with all that they started: time-outs, SIGTERM, then SIGKILL.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::io;
use std::time::{Duration, Instant};

use childset::{Child, ChildSet, Key, Signal};

use crate::group::{outlives, signal};
use crate::values::Timeout;

/// The kernel does not report the end of a process group, so what a job left behind is looked at so often.
const LOOK: Duration = Duration::from_millis(20);

/// The median is that of so many jobs at most, and not known before there were three.
const MOST_RUNTIMES: usize = 101;
const FEWEST_RUNTIMES: usize = 3;

/// The running jobs, as far as they are to be ended.
pub(crate) struct Endings {
    timeout: Option<Timeout>,
    /// Of the last jobs that succeeded, where the time-out depends on them.
    runtimes: VecDeque<Duration>,
    grace: Duration,
    running: HashMap<Key, Ending>,
    /// The `deadline` of each that has one.
    deadlines: BTreeSet<(Instant, Key)>,
    /// Jobs that were ended and are gone, while others of their process group are not.
    leftovers: Vec<Leftover>,
}

struct Ending {
    started: Instant,
    deadline: Option<Instant>,
    timed_out: bool,
    /// SIGTERM was sent; what comes at the deadline is SIGKILL.
    terminated: bool,
}

struct Leftover {
    deadline: Instant,
    leader: Child,
}

impl Endings {
    pub(crate) fn new(timeout: Option<Timeout>, grace: Duration) -> Endings {
        Endings {
            timeout,
            runtimes: VecDeque::new(),
            grace,
            running: HashMap::new(),
            deadlines: BTreeSet::new(),
            leftovers: Vec::new(),
        }
    }

    pub(crate) fn started(&mut self, key: Key, now: Instant) {
        let deadline = self.limit().and_then(|limit| now.checked_add(limit));
        self.running.insert(key, Ending { started: now, deadline, timed_out: false, terminated: false });
        self.deadlines.extend(deadline.map(|deadline| (deadline, key)));
    }

    fn limit(&self) -> Option<Duration> {
        match self.timeout? {
            Timeout::After(limit) => Some(limit),
            Timeout::Medians(_) if self.runtimes.len() < FEWEST_RUNTIMES => None,
            Timeout::Medians(times) => {
                let mut sorted: Vec<_> = self.runtimes.iter().copied().collect();
                sorted.sort_unstable();
                Duration::try_from_secs_f64(sorted[sorted.len() / 2].as_secs_f64() * times).ok()
            }
        }
    }

    /// A job has succeeded after so long.
    pub(crate) fn succeeded(&mut self, runtime: Duration) {
        if !matches!(self.timeout, Some(Timeout::Medians(_))) {
            return;
        }
        self.runtimes.push_back(runtime);
        if self.runtimes.len() > MOST_RUNTIMES {
            self.runtimes.pop_front();
        }
        // Those that were started before it was known.
        if self.runtimes.len() == FEWEST_RUNTIMES {
            let limit = self.limit();
            for (&key, ending) in self.running.iter_mut().filter(|(_, ending)| !ending.terminated) {
                ending.deadline = limit.and_then(|limit| ending.started.checked_add(limit));
                self.deadlines.extend(ending.deadline.map(|deadline| (deadline, key)));
            }
        }
    }

    /// Forgets a job that has come out of the set, and returns whether its time was over.
    pub(crate) fn ended(&mut self, key: Key, leader: Child) -> bool {
        let Some(ending) = self.running.remove(&key) else {
            return false;
        };
        if let Some(deadline) = ending.deadline {
            self.deadlines.remove(&(deadline, key));
        }
        if ending.terminated && outlives(&leader) {
            self.leftovers.push(Leftover { deadline: later(self.grace), leader });
        }
        ending.timed_out
    }

    /// Sends SIGTERM to all, and SIGKILL after the grace.
    pub(crate) fn terminate_in_time<T>(&mut self, set: &ChildSet<T>) -> io::Result<()> {
        let deadline = later(self.grace);
        let mut result = Ok(());
        for (&key, ending) in self.running.iter_mut().filter(|(_, ending)| !ending.terminated) {
            ending.terminated = true;
            if let Some(old) = ending.deadline.replace(deadline) {
                self.deadlines.remove(&(old, key));
            }
            self.deadlines.insert((deadline, key));
            result = result.and(signal(set, key, Signal::TERM));
        }
        result
    }

    /// Sends SIGTERM to all. Only a time-out does more.
    pub(crate) fn terminate<T>(&mut self, set: &ChildSet<T>) -> io::Result<()> {
        let mut result = Ok(());
        for (&key, ending) in &mut self.running {
            if let Some(timeout) = ending.deadline.filter(|_| !ending.terminated) {
                // What comes at the deadline is now SIGKILL.
                let deadline = timeout.checked_add(self.grace).unwrap_or(timeout);
                self.deadlines.remove(&(timeout, key));
                self.deadlines.insert((deadline, key));
                ending.deadline = Some(deadline);
            }
            ending.terminated = true;
            result = result.and(signal(set, key, Signal::TERM));
        }
        result
    }

    /// Sends SIGKILL to all and to what others left behind.
    pub(crate) fn kill<T>(&mut self, set: &ChildSet<T>) -> io::Result<()> {
        self.leftovers.drain(..).for_each(|leftover| leftover.kill());
        let mut result = Ok(());
        for (&key, ending) in &mut self.running {
            ending.terminated = true;
            result = result.and(signal(set, key, Signal::KILL));
        }
        result
    }

    /// Sends it to all, for what is no end.
    pub(crate) fn signal<T>(&self, set: &ChildSet<T>, number: Signal) -> io::Result<()> {
        self.running.keys().map(|&key| signal(set, key, number)).fold(Ok(()), Result::and)
    }

    /// All that was to come comes so much later.
    pub(crate) fn postpone(&mut self, pause: Duration) {
        self.deadlines.clear();
        for (&key, ending) in &mut self.running {
            ending.started += pause;
            ending.deadline = ending.deadline.and_then(|deadline| deadline.checked_add(pause));
            self.deadlines.extend(ending.deadline.map(|deadline| (deadline, key)));
        }
        self.leftovers.iter_mut().for_each(|leftover| leftover.deadline += pause);
    }

    /// Sends the signals that are due.
    pub(crate) fn act<T>(&mut self, set: &ChildSet<T>) -> io::Result<()> {
        let mut result = Ok(());
        if self.deadlines.is_empty() && self.leftovers.is_empty() {
            return result;
        }
        let now = Instant::now();
        while let Some(&(deadline, key)) = self.deadlines.first().filter(|(deadline, _)| *deadline <= now) {
            self.deadlines.remove(&(deadline, key));
            let Some(ending) = self.running.get_mut(&key) else {
                continue;
            };
            if ending.terminated {
                ending.deadline = None;
                result = result.and(signal(set, key, Signal::KILL));
            } else {
                ending.timed_out = true;
                ending.terminated = true;
                let deadline = later(self.grace);
                ending.deadline = Some(deadline);
                self.deadlines.insert((deadline, key));
                result = result.and(signal(set, key, Signal::TERM));
            }
        }
        self.leftovers.retain(|leftover| {
            let due = leftover.deadline <= now;
            if due {
                leftover.kill();
            }
            !due && outlives(&leftover.leader)
        });
        result
    }

    /// When to [act](Endings::act).
    pub(crate) fn next(&self) -> Option<Instant> {
        let deadline = self.deadlines.first().map(|&(deadline, _)| deadline);
        let look = (!self.leftovers.is_empty()).then(|| later(LOOK));
        deadline.into_iter().chain(look).min()
    }

    pub(crate) fn has_leftovers(&self) -> bool {
        !self.leftovers.is_empty()
    }
}

impl Leftover {
    fn kill(&self) {
        // Only its members could be in the way: gone, or not ours to kill.
        let _ = self.leader.pidfd().send_signal_to_group(Signal::KILL);
    }
}

fn later(after: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(after).unwrap_or(now + Duration::from_secs(1 << 30))
}
