//! The runs: some waiting, some running, the others ended.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use childset::{ChildSet, Command, Exit, Exited, Signal, Unit};
use common::{elapsed, Descriptors, Rest};

/// How long the runs that are left have to end after SIGTERM when the window is closed.
const GRACE: Duration = Duration::from_secs(2);

pub(crate) enum Run {
    Waiting,
    Running(Instant),
    Ended(Exit, Duration),
    /// It could not be started, or its status is unknown.
    Lost(String),
}

/// What a run is at a glance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Succeeded,
    Failed,
    Killed,
    Lost,
    Running,
    Waiting,
}

impl Kind {
    pub(crate) const ALL: [Kind; 6] =
        [Kind::Succeeded, Kind::Failed, Kind::Killed, Kind::Lost, Kind::Running, Kind::Waiting];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Succeeded => "succeeded",
            Kind::Failed => "failed",
            Kind::Killed => "killed",
            Kind::Lost => "not started",
            Kind::Running => "running",
            Kind::Waiting => "waiting",
        }
    }
}

impl Run {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Run::Waiting => Kind::Waiting,
            Run::Running(_) => Kind::Running,
            Run::Lost(_) => Kind::Lost,
            Run::Ended(exit, _) if exit.success() => Kind::Succeeded,
            Run::Ended(exit, _) if exit.code().is_some() => Kind::Failed,
            Run::Ended(..) => Kind::Killed,
        }
    }

    pub(crate) fn describe(&self) -> String {
        match self {
            Run::Waiting => "waiting".to_owned(),
            Run::Running(start) => format!("running for {}", elapsed(start.elapsed())),
            Run::Lost(error) => error.clone(),
            Run::Ended(exit, time) => match exit.user_time().zip(exit.system_time()) {
                Some((user, system)) => format!(
                    "{} after {}, {:.2} s of CPU time",
                    exit.status(),
                    elapsed(*time),
                    (user + system).as_secs_f64()
                ),
                None => format!("{} after {}", exit.status(), elapsed(*time)),
            },
        }
    }
}

pub(crate) struct Runs {
    set: ChildSet<usize>,
    all: Vec<Run>,
    started: usize,
    at_once: usize,
    start: Instant,
    /// How long all have taken, once they have ended.
    time: Option<Duration>,
    rest: Rest,
    descriptors: Descriptors,
}

impl Runs {
    pub(crate) fn new(count: u16, at_once: u16, descriptors: Descriptors) -> io::Result<Runs> {
        let all = (0..count).map(|_| Run::Waiting).collect();
        Ok(Runs {
            set: ChildSet::new()?,
            all,
            started: 0,
            at_once: at_once.into(),
            start: Instant::now(),
            time: None,
            rest: Rest::default(),
            descriptors,
        })
    }

    pub(crate) fn all(&self) -> &[Run] {
        &self.all
    }

    /// How long it has taken until now, or all in all.
    pub(crate) fn time(&self) -> Duration {
        self.time.unwrap_or_else(|| self.start.elapsed())
    }

    pub(crate) fn is_running(&self) -> bool {
        self.time.is_none()
    }

    /// The number of the run that is to be started now, if one is.
    pub(crate) fn due(&self) -> Option<usize> {
        (self.started < self.all.len() && self.set.len() < self.at_once).then_some(self.started)
    }

    /// Starts the run that is due.
    pub(crate) fn start(&mut self, command: io::Result<Command>) {
        let number = self.started;
        self.started += 1;
        let spawned = command.and_then(|mut command| {
            // It ends with this program, also if that is killed. What it has started then lives on.
            command.unit(Unit::ProcessGroup).parent_death_signal(Signal::KILL);
            self.descriptors.give(&mut command)?;
            Ok(self.set.spawn(&mut command, number)?)
        });
        self.all[number] = match spawned {
            Ok(_) => Run::Running(Instant::now()),
            Err(error) => Run::Lost(self.descriptors.explain(&error)),
        };
        self.note_end();
    }

    /// Takes the exit of a run that has ended.
    pub(crate) fn reap(&mut self) -> io::Result<Option<Exited<usize>>> {
        self.set.try_wait()
    }

    pub(crate) fn ended(&mut self, exited: Exited<usize>) {
        self.rest.keep(exited.child);
        let run = &mut self.all[exited.tag];
        let time = if let Run::Running(start) = run { start.elapsed() } else { Duration::ZERO };
        *run = exited.exit.map_or_else(|error| Run::Lost(error.to_string()), |exit| Run::Ended(exit, time));
        self.note_end();
    }

    fn note_end(&mut self) {
        if self.set.is_empty() && self.started == self.all.len() {
            self.time.get_or_insert(self.start.elapsed());
        }
    }

    /// Ends what still runs, and what was left behind.
    pub(crate) fn end(&self) -> io::Result<()> {
        self.rest.terminate();
        let mut shutdown = self.set.shutdown(GRACE);
        while shutdown.wait()?.is_some() {}
        Ok(())
    }
}

impl AsFd for Runs {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.set.as_fd()
    }
}
