//! One service: its state, and what it does next.

pub(crate) mod memory;
pub(crate) mod readiness;

use std::io;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use childset::{Command, Exit, Identity, Key, Signal, SpawnError};

use crate::backoff::Row;
use crate::cgroup::Cgroup;
use crate::config::{Restart, Service};
use crate::launch;
use crate::live::Used;
use crate::means::{Means, Tag};
use crate::notify::Notify;
use crate::output::Output;
use crate::say;
use crate::state::hold::Gate;
use readiness::Readiness;

pub(crate) struct Unit {
    /// Of no other one at a time; that of its page, if there is a state file.
    pub(crate) id: usize,
    pub(crate) service: Service,
    cgroup: Option<Cgroup>,
    pub(crate) notify: Option<Notify>,
    /// If it has a log.
    pub(crate) output: Option<Output>,
    pub(crate) state: State,
    pub(crate) row: Row,
    pub(crate) restarts: u64,
    /// How it ended last, or why it was not started.
    pub(crate) last: Option<String>,
    /// The code that a shell would have for that.
    pub(crate) code: u8,
    /// By runs that are over.
    pub(crate) used: Used,
    /// It is to be stopped, and stays so.
    pub(crate) down: bool,
    /// Once it is stopped, it is started again.
    pub(crate) again: bool,
    /// As what: the file has changed.
    pub(crate) next: Option<Box<Service>>,
    /// It is none of ours any more once it has ended.
    pub(crate) leaves: bool,
}

#[derive(Debug)]
pub(crate) enum State {
    /// To be started then.
    Waiting(Instant),
    Running(Running),
    /// For good: it ended well, or was stopped.
    Done,
    /// For good.
    Failed,
}

#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) key: Key,
    pub(crate) pid: u32,
    pub(crate) since: Instant,
    pub(crate) stopping: Stopping,
    /// With a state file.
    pub(crate) identity: Option<Identity>,
    /// Unless it was started by a predecessor.
    pub(crate) gate: Option<Gate>,
    pub(crate) readiness: Readiness,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Stopping {
    No,
    /// Its signal was sent; SIGKILL is due then.
    Asked(Option<Instant>),
    Killed,
}

impl Stopping {
    pub(crate) fn is_killed(self) -> bool {
        matches!(self, Stopping::Killed)
    }
}

impl Unit {
    /// Makes its cgroup, its socket and its pipe.
    pub(crate) fn new(id: usize, service: Service, means: &mut Means) -> Result<Unit> {
        let path = service.cgroup.clone();
        let make =
            |path| Cgroup::make(path).with_context(|| format!("cannot make the cgroup of {}", service.name));
        Ok(Unit {
            id,
            cgroup: path.map(make).transpose()?,
            notify: Unit::socket(id, &service, means)?,
            output: Output::new(id, &service, &mut means.directory)?,
            service,
            state: State::Waiting(Instant::now()),
            row: Row::default(),
            restarts: 0,
            last: None,
            code: 0,
            used: Used::default(),
            down: false,
            again: false,
            next: None,
            leaves: false,
        })
    }

    /// While it does not run.
    pub(crate) fn become_other(&mut self, service: Service, means: &mut Means) -> Result<()> {
        // They may have the same names.
        (self.cgroup, self.notify, self.output) = (None, None, None);
        let other = Unit::new(self.id, service, means)?;
        (self.cgroup, self.notify) = (other.cgroup, other.notify);
        (self.output, self.service) = (other.output, other.service);
        Ok(())
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
            State::Running(Running { stopping: Stopping::No, ref readiness, .. }) => readiness.due(),
            _ => None,
        }
    }

    pub(crate) fn start(&mut self, means: &Means) {
        // A predecessor's service was to have one.
        self.output = self.output.take().filter(|_| self.service.log.is_some());
        let launched = match &means.state {
            None => self.launch(means),
            Some(_) => self.launch_known(means),
        };
        let name = &self.service.name;
        match launched {
            Ok(pid) => say(format_args!("{name}: started, pid {pid}")),
            Err(error) => {
                self.not_started(&error);
                self.next(false, Duration::ZERO);
                self.save(means);
            }
        }
    }

    /// It does not outlive us, as far as the kernel can see to that.
    fn launch(&mut self, means: &Means) -> io::Result<u32> {
        let mut command = launch::command(&self.service, self.cgroup.as_ref())?;
        self.tell_where(&mut command)?;
        // What its program fails at comes as its exit.
        let child = command.kill_with_parent(true).kill_on_drop(true).launch()?;
        let pid = child.id();
        // A child that cannot be watched is killed.
        let key = means.set.insert(child, Tag::Service(self.id))?;
        self.run(key, pid, None, None);
        Ok(pid)
    }

    /// It outlives us. If anything fails on the way, its process finds itself unknown, and ends.
    fn launch_known(&mut self, means: &Means) -> io::Result<u32> {
        let Some((state, exe)) = &means.state else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        let (gate, theirs) = Gate::new(state)?;
        let mut command = launch::held(&self.service, self.cgroup.as_ref(), exe, self.id)?;
        self.tell_where(&mut command)?;
        let child = command.stdin(theirs).launch()?;
        let (pid, identity) = (child.id(), child.pidfd().identity()?);
        let key = means.set.insert(child, Tag::Service(self.id))?;
        self.run(key, pid, Some(identity), None);
        if let Err(error) = state.write(self.id, &self.record()) {
            // It may be in the file, though that failed.
            let _ = means.set.send_signal(key, Signal::KILL);
            let reason = format!("cannot write the state: {error}");
            return Err(io::Error::new(error.kind(), reason));
        }
        gate.open();
        if let State::Running(running) = &mut self.state {
            running.gate = Some(gate);
        }
        Ok(pid)
    }

    /// Where to write to, and the socket, as sd_notify(3) looks for it.
    fn tell_where(&self, command: &mut Command) -> io::Result<()> {
        command.env_remove("NOTIFY_SOCKET").env_remove("WATCHDOG_USEC").env_remove("WATCHDOG_PID");
        if let Some(notify) = &self.notify {
            command.env("NOTIFY_SOCKET", notify.path());
        }
        if let Some(watchdog) = self.service.watchdog {
            command.env("WATCHDOG_USEC", watchdog.as_micros().to_string());
        }
        self.output.as_ref().map_or(Ok(()), |output| output.give(command))
    }

    fn run(&mut self, key: Key, pid: u32, identity: Option<Identity>, gate: Option<Gate>) {
        let since = Instant::now();
        let readiness = Readiness::new(&self.service);
        let stopping = Stopping::No;
        self.state = State::Running(Running { key, pid, since, stopping, identity, gate, readiness });
    }

    fn not_started(&mut self, error: &io::Error) {
        say(format_args!("{}: {error}", self.service.name));
        self.last = Some("not started".into());
        self.code = code_of(error);
    }

    /// Its process has ended.
    pub(crate) fn exited(&mut self, exit: &io::Result<Exit>, stopped: bool, means: &Means) {
        let State::Running(running) = std::mem::replace(&mut self.state, State::Done) else {
            return;
        };
        Unit::end_check(running.readiness, means);
        self.output.iter_mut().for_each(Output::finish);
        let refused = exit.as_ref().err().filter(|error| SpawnError::from_io_error(error).is_some());
        if let Some(error) = refused {
            self.not_started(error);
            return self.go_on(false, Duration::ZERO, stopped, means);
        }
        if let Some(error) = running.gate.and_then(Gate::error) {
            let program = &self.service.command[0];
            self.not_started(&io::Error::new(error.kind(), format!("cannot run {program:?}: {error}")));
            return self.go_on(false, Duration::ZERO, stopped, means);
        }
        let last = match exit {
            Ok(exit) => exit.status().to_string(),
            Err(error) => error.to_string(),
        };
        let (name, ran) = (&self.service.name, running.since.elapsed());
        say(format_args!("{name}: pid {} ended after {:.3} s: {last}", running.pid, ran.as_secs_f64()));
        self.last = Some(last);
        self.code = exit.as_ref().map_or(1, |exit| match exit.signal() {
            Some(signal) => 128 + signal.as_raw() as u8,
            None => exit.code().unwrap_or(1) as u8,
        });
        if let Some(usage) = exit.as_ref().ok().and_then(Exit::usage) {
            self.used.add(Used { cpu: usage.user_time + usage.system_time, max_rss: usage.max_rss });
        }
        self.go_on(exit.as_ref().is_ok_and(Exit::success), ran, stopped, means);
    }

    pub(crate) fn go_on(&mut self, success: bool, ran: Duration, stopped: bool, means: &Means) {
        match stopped || self.down {
            true => self.state = State::Done,
            false => self.next(success, ran),
        }
        self.save(means);
    }

    /// One that it is after has failed.
    pub(crate) fn fail_with(&mut self, other: &str, means: &Means) {
        say(format_args!("{}: not started, since {other} has failed", self.service.name));
        self.last = Some("not started".into());
        (self.state, self.code) = (State::Failed, 1);
        self.save(means);
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

    /// Does what is due to it while it runs.
    pub(crate) fn act(&mut self, now: Instant, means: &Means) {
        match &self.state {
            State::Running(Running { stopping: Stopping::No, .. }) if self.down => self.stop(means),
            State::Running(Running { stopping: Stopping::No, .. }) => self.act_on_readiness(now, means),
            State::Running(Running { stopping: Stopping::Asked(Some(until)), .. }) if *until <= now => {
                self.kill(means);
            }
            _ => {}
        }
    }

    /// Whether it has ended for good.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.state, State::Done | State::Failed)
    }

    /// Asks it to end.
    pub(crate) fn stop(&mut self, means: &Means) {
        let State::Running(running) = &mut self.state else {
            self.state = if matches!(self.state, State::Failed) { State::Failed } else { State::Done };
            return self.save(means);
        };
        running.stopping = Stopping::Asked(Instant::now().checked_add(self.service.stop.grace()));
        let key = running.key;
        self.complain(means.signal(key, self.service.stop.signal()));
    }

    /// Kills it with all that it has started, as far as that is contained.
    pub(crate) fn kill(&mut self, means: &Means) {
        let State::Running(running) = &mut self.state else {
            return;
        };
        running.stopping = Stopping::Killed;
        let key = running.key;
        say(format_args!("{}: killed", self.service.name));
        let by_cgroup = self.cgroup.as_ref().is_some_and(|cgroup| cgroup.kill().is_ok());
        if !by_cgroup {
            self.complain(means.signal(key, Signal::KILL));
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
