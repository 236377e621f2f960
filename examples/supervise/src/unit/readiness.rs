//! Whether a service that runs is ready, and still alive.

use std::time::Instant;

use anyhow::Result;
use childset::{Key, Signal};

use super::{State, Stopping, Unit};
use crate::config::ready::{Ready, When};
use crate::config::Service;
use crate::launch;
use crate::means::{Means, Tag};
use crate::notify::Notify;
use crate::say;

/// Of one run.
#[derive(Debug, Default)]
pub(crate) struct Readiness {
    pub(crate) ready: bool,
    /// To be ready by then.
    by: Option<Instant>,
    /// To be heard of by then.
    alive_by: Option<Instant>,
    /// When to check it next.
    check_at: Option<Instant>,
    check: Option<Check>,
}

/// One that runs.
#[derive(Debug)]
struct Check {
    key: Key,
    by: Option<Instant>,
}

impl Readiness {
    pub(super) fn new(service: &Service) -> Readiness {
        let now = Instant::now();
        let ready = service.ready == Ready::When(When::Started);
        let later = |duration: Option<_>| duration.and_then(|duration| now.checked_add(duration));
        Readiness {
            ready,
            by: later(service.start_within).filter(|_| !ready),
            alive_by: later(service.watchdog).filter(|_| ready),
            check_at: matches!(service.ready, Ready::Check(_)).then_some(now),
            check: None,
        }
    }

    /// From now on its watchdog counts.
    pub(super) fn set_ready(&mut self, service: &Service) {
        (self.ready, self.by, self.check_at) = (true, None, None);
        self.alive_by = service.watchdog.and_then(|watchdog| Instant::now().checked_add(watchdog));
    }

    pub(super) fn due(&self) -> Option<Instant> {
        let check = self.check.as_ref().map_or(self.check_at, |check| check.by);
        [self.by, self.alive_by, check].into_iter().flatten().min()
    }
}

impl Unit {
    /// The socket that it speaks to, if it is to have one.
    pub(super) fn socket(id: usize, service: &Service, means: &mut Means) -> Result<Option<Notify>> {
        service.speaks().then(|| Notify::new(&mut means.directory, id, service)).transpose()
    }

    /// Whether those that are after it may be started.
    pub(crate) fn is_ready(&self) -> bool {
        match &self.state {
            State::Running(running) => running.readiness.ready && matches!(running.stopping, Stopping::No),
            State::Done => !self.down,
            _ => false,
        }
    }

    fn readiness(&mut self) -> Option<&mut Readiness> {
        match &mut self.state {
            State::Running(running) if matches!(running.stopping, Stopping::No) => {
                Some(&mut running.readiness)
            }
            _ => None,
        }
    }

    fn is_ready_now(&mut self, means: &Means) {
        let (name, service) = (self.service.name.clone(), self.service.clone());
        let Some(readiness) = self.readiness().filter(|readiness| !readiness.ready) else {
            return;
        };
        readiness.set_ready(&service);
        // It will not say so once more to a successor.
        self.save(means);
        say(format_args!("{name}: ready"));
    }

    /// Hears what it has said.
    pub(crate) fn listen(&mut self, means: &Means) {
        let Some(said) = self.notify.as_ref().map(Notify::take) else {
            return;
        };
        let (watchdog, by_word) = (self.service.watchdog, self.service.ready == Ready::When(When::Notify));
        let Some(readiness) = self.readiness() else {
            return;
        };
        if readiness.ready && (said.alive || said.ready) {
            readiness.alive_by = watchdog.and_then(|watchdog| Instant::now().checked_add(watchdog));
        }
        if readiness.ready && said.hangs && watchdog.is_some() {
            readiness.alive_by = Some(Instant::now());
        }
        if said.ready && by_word {
            self.is_ready_now(means);
        }
    }

    /// Checks it, or kills it, if that is due.
    pub(super) fn act_on_readiness(&mut self, now: Instant, means: &Means) {
        let is_due = |due: Option<Instant>| due.is_some_and(|due| due <= now);
        let name = self.service.name.clone();
        let Some(readiness) = self.readiness() else {
            return;
        };
        if is_due(readiness.by) || is_due(readiness.alive_by) {
            let what = if is_due(readiness.by) { "not ready in time" } else { "its watchdog heard nothing" };
            say(format_args!("{name}: {what}"));
            return self.kill(means);
        }
        match &mut readiness.check {
            Some(check) if is_due(check.by) => {
                check.by = None;
                let _ = means.signal(check.key, Signal::KILL);
            }
            None if is_due(readiness.check_at) => self.check(means),
            _ => {}
        }
    }

    fn check(&mut self, means: &Means) {
        let Ready::Check(wanted) = &self.service.ready else {
            return;
        };
        let launched = launch::check(&self.service, self.cgroup.as_ref(), &wanted.check)
            .and_then(|mut command| command.launch())
            .and_then(|child| Ok(means.set.insert(child, Tag::Check(self.id))?));
        let (every, timeout) = (wanted.every.0, wanted.timeout.0);
        let launched = launched.map_err(|error| say(format_args!("{}: check: {error}", self.service.name)));
        if let Some(readiness) = self.readiness() {
            readiness.check_at = Instant::now().checked_add(every);
            readiness.check = launched.ok().map(|key| Check { key, by: Instant::now().checked_add(timeout) });
        }
    }

    /// A check has ended.
    pub(crate) fn checked(&mut self, key: Key, success: bool, means: &Means) {
        let Some(readiness) = self.readiness() else {
            return;
        };
        if readiness.check.as_ref().is_some_and(|check| check.key == key) {
            readiness.check = None;
            if success {
                self.is_ready_now(means);
            }
        }
    }

    /// Its process has ended: a check has nothing more to look for.
    pub(super) fn end_check(readiness: Readiness, means: &Means) {
        if let Some(check) = readiness.check {
            let _ = means.signal(check.key, Signal::KILL);
        }
    }
}
