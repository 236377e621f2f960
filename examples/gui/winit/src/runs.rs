//! The runs: some waiting, some running, the others ended.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use childset::{ChildSet, Command, Exit, Exited, Signal};

/// How long the runs that are left have to end after SIGTERM when the window is closed.
const GRACE: Duration = Duration::from_secs(2);

pub(crate) enum Run {
    Waiting,
    Running,
    Ended(Exit),
    /// It could not be started, or its status is unknown.
    Lost(io::Error),
}

pub(crate) struct Runs {
    set: ChildSet<usize>,
    all: Vec<Run>,
    started: usize,
    at_once: usize,
}

impl Runs {
    pub(crate) fn new(count: u16, at_once: u16) -> io::Result<Runs> {
        let all = (0..count).map(|_| Run::Waiting).collect();
        Ok(Runs { set: ChildSet::new()?, all, started: 0, at_once: at_once.into() })
    }

    pub(crate) fn all(&self) -> &[Run] {
        &self.all
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
            // If this program is killed, nobody is left to look at the wall.
            command.parent_death_signal(Signal::KILL);
            Ok(self.set.spawn(&mut command, number)?)
        });
        self.all[number] = match spawned {
            Ok(_) => Run::Running,
            Err(error) => Run::Lost(error),
        };
    }

    /// Takes the exit of a run that has ended.
    pub(crate) fn reap(&mut self) -> io::Result<Option<Exited<usize>>> {
        self.set.try_wait()
    }

    pub(crate) fn ended(&mut self, number: usize, exit: io::Result<Exit>) {
        self.all[number] = exit.map_or_else(Run::Lost, Run::Ended);
    }

    /// Ends what still runs.
    pub(crate) fn end(&self) -> io::Result<()> {
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
