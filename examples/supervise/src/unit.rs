//! One service: its state, and what it does next.

use std::io;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use childset::{ChildSet, Exit, Key, Signal, SpawnError};

use crate::backoff::Row;
use crate::cgroup::Cgroup;
use crate::config::{Restart, Service};
use crate::launch;
use crate::live::Used;
use crate::say;

pub(crate) struct Unit {
    pub(crate) service: Service,
    cgroup: Option<Cgroup>,
    pub(crate) state: State,
    row: Row,
    pub(crate) restarts: u64,
    /// How it ended last, or why it was not started.
    pub(crate) last: Option<String>,
    /// The code that a shell would have for that.
    pub(crate) code: u8,
    /// By runs that are over.
    pub(crate) used: Used,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum State {
    /// To be started then.
    Waiting(Instant),
    Running(Running),
    /// For good: it ended well, or was stopped.
    Done,
    /// For good.
    Failed,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Running {
    key: Key,
    pub(crate) pid: u32,
    since: Instant,
    pub(crate) stopping: Stopping,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Stopping {
    No,
    /// Its signal was sent; SIGKILL is due then.
    Asked(Option<Instant>),
    Killed,
}

impl Unit {
    /// Makes its cgroup.
    pub(crate) fn new(service: Service) -> Result<Unit> {
        let path = service.cgroup.clone();
        let make =
            |path| Cgroup::make(path).with_context(|| format!("cannot make the cgroup of {}", service.name));
        Ok(Unit {
            cgroup: path.map(make).transpose()?,
            service,
            state: State::Waiting(Instant::now()),
            row: Row::default(),
            restarts: 0,
            last: None,
            code: 0,
            used: Used::default(),
        })
    }

    pub(crate) fn running(&self) -> Option<&Running> {
        match &self.state {
            State::Running(running) => Some(running),
            _ => None,
        }
    }

    /// When something is to be done, unless it ends before.
    pub(crate) fn due(&self) -> Option<Instant> {
        match self.state {
            State::Waiting(until) => Some(until),
            State::Running(Running { stopping: Stopping::Asked(until), .. }) => until,
            _ => None,
        }
    }

    pub(crate) fn start(&mut self, set: &ChildSet<usize>, index: usize) {
        let name = &self.service.name;
        let spawned = launch::command(&self.service, self.cgroup.as_ref()).and_then(|mut command| {
            command.kill_on_drop(true);
            // What its program fails at comes as its exit.
            let child = command.launch()?;
            let pid = child.id();
            // A child that cannot be watched is killed.
            Ok((set.insert(child, index)?, pid))
        });
        match spawned {
            Ok((key, pid)) => {
                say(format_args!("{name}: started, pid {pid}"));
                let since = Instant::now();
                self.state = State::Running(Running { key, pid, since, stopping: Stopping::No });
            }
            Err(error) => {
                say(format_args!("{name}: {error}"));
                self.last = Some("not started".into());
                self.code = code_of(&error);
                self.next(false, Duration::ZERO);
            }
        }
    }

    pub(crate) fn exited(&mut self, exit: &io::Result<Exit>, stopped: bool) {
        let State::Running(running) = self.state else {
            return;
        };
        let name = &self.service.name;
        if let Err(error) = exit {
            if SpawnError::from_io_error(error).is_some() {
                say(format_args!("{name}: {error}"));
                self.last = Some("not started".into());
                self.code = code_of(error);
                return match stopped {
                    true => self.state = State::Done,
                    false => self.next(false, Duration::ZERO),
                };
            }
        }
        let last = match exit {
            Ok(exit) => exit.status().to_string(),
            Err(error) => error.to_string(),
        };
        let ran = running.since.elapsed();
        say(format_args!("{name}: pid {} ended after {:.3} s: {last}", running.pid, ran.as_secs_f64()));
        self.last = Some(last);
        self.code = exit.as_ref().map_or(1, |exit| match exit.signal() {
            Some(signal) => 128 + signal.as_raw() as u8,
            None => exit.code().unwrap_or(1) as u8,
        });
        if let Some(usage) = exit.as_ref().ok().and_then(Exit::usage) {
            self.used.add(Used { cpu: usage.user_time + usage.system_time, max_rss: usage.max_rss });
        }
        match stopped {
            true => self.state = State::Done,
            false => self.next(exit.as_ref().is_ok_and(Exit::success), ran),
        }
    }

    /// Starts again, or not.
    fn next(&mut self, success: bool, ran: Duration) {
        let wanted = match self.service.restart {
            Restart::Always => true,
            Restart::OnFailure => !success,
            Restart::Never => false,
        };
        self.row.ended(&self.service.backoff, ran);
        let may = self.service.max_restarts.is_none_or(|most| self.row.restarts() < most);
        self.state = match (wanted && may, success && !wanted) {
            (true, _) => {
                self.restarts += 1;
                let delay = self.row.next(&self.service.backoff, fastrand::f64());
                // A delay beyond the end of the clock is that of an hour.
                let until = Instant::now().checked_add(delay);
                State::Waiting(until.unwrap_or_else(|| Instant::now() + Duration::from_secs(3600)))
            }
            (false, true) => State::Done,
            (false, false) => State::Failed,
        };
        if wanted && !may {
            say(format_args!("{}: given up after {} restarts", self.service.name, self.row.restarts()));
        }
    }

    /// Whether it has ended for good.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.state, State::Done | State::Failed)
    }

    /// Asks it to end.
    pub(crate) fn stop(&mut self, set: &ChildSet<usize>) {
        let State::Running(running) = &mut self.state else {
            self.state = if matches!(self.state, State::Failed) { State::Failed } else { State::Done };
            return;
        };
        running.stopping = Stopping::Asked(Instant::now().checked_add(self.service.stop.grace()));
        let sent = set.send_signal_to_group(running.key, self.service.stop.signal());
        self.complain(sent);
    }

    /// Kills it with all that it has started, as far as that is contained.
    pub(crate) fn kill(&mut self, set: &ChildSet<usize>) {
        let State::Running(running) = &mut self.state else {
            return;
        };
        running.stopping = Stopping::Killed;
        let key = running.key;
        say(format_args!("{}: killed", self.service.name));
        let by_cgroup = self.cgroup.as_ref().is_some_and(|cgroup| cgroup.kill().is_ok());
        if !by_cgroup {
            self.complain(set.send_signal_to_group(key, Signal::KILL));
        }
    }

    /// A service that has left its group, or changed its user, may be beyond reach.
    fn complain(&self, result: io::Result<()>) {
        if let Err(error) = result {
            say(format_args!("{}: cannot signal it: {error}", self.service.name));
        }
    }
}

/// Of a program that could not be run.
fn code_of(error: &io::Error) -> u8 {
    match error.kind() {
        io::ErrorKind::NotFound => 127,
        _ => 126,
    }
}
