//! The list of jobs of a small window, whatever library draws it.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use childset::{ChildHandle, ChildSet, Command, Exit, Exited, Key, Stdio, Unit};

use crate::{elapsed, Descriptors, Rest};

/// How long a job has to end after SIGTERM.
pub const GRACE: Duration = Duration::from_secs(2);

/// How a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It runs.
    Running,
    /// It runs, and was asked to end.
    Stopping,
    /// It has ended, with exit status 0.
    Succeeded,
    /// It has ended otherwise, or could not be started.
    Failed,
}

/// A command for `sh`, as the list shows it.
#[derive(Debug)]
pub struct Job {
    /// The command.
    pub command: String,
    /// How it does.
    pub state: State,
    /// The same in words, with a mark in front.
    pub status: String,
    /// How long it has run, once it has ended.
    pub time: String,
    key: Option<Key>,
    start: Instant,
}

/// What is left of jobs that have ended. Whoever takes their exits keeps it.
#[derive(Clone, Debug, Default)]
pub struct SharedRest(Arc<Mutex<Rest>>);

impl SharedRest {
    /// What a list is to know of a job that has ended.
    pub fn keep(&self, exited: Exited<usize>) -> (usize, io::Result<Exit>) {
        self.lock().keep(exited.child);
        (exited.tag, exited.exit)
    }

    /// The processes themselves.
    pub fn lock(&self) -> MutexGuard<'_, Rest> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Jobs. Each is a process group, and has its place in the list as its tag in the set.
#[derive(Debug)]
pub struct Jobs {
    set: Arc<ChildSet<usize>>,
    list: Vec<Job>,
    /// Those that were asked to end, and when they are killed.
    stopping: Vec<(Instant, ChildHandle)>,
    rest: SharedRest,
    descriptors: Descriptors,
}

impl Jobs {
    /// None yet.
    ///
    /// # Errors
    /// As [`ChildSet::new`].
    pub fn new(descriptors: Descriptors) -> io::Result<Jobs> {
        let (list, stopping, rest) = (Vec::new(), Vec::new(), SharedRest::default());
        Ok(Jobs { set: Arc::new(ChildSet::new()?), list, stopping, rest, descriptors })
    }

    /// From which the exits come.
    pub fn set(&self) -> &Arc<ChildSet<usize>> {
        &self.set
    }

    /// What jobs have left behind that have ended.
    pub fn rest(&self) -> &SharedRest {
        &self.rest
    }

    /// All, in the order in which they were started.
    pub fn list(&self) -> &[Job] {
        &self.list
    }

    /// Starts one more.
    pub fn start(&mut self, command: &str, stdin: impl Into<Stdio>) {
        let mut shell = Command::new("sh");
        // The shell ends with this program, also if that is killed. What it has started then lives on.
        shell.args(["-c", command]).stdin(stdin).unit(Unit::ProcessGroup).kill_with_parent(true);
        let spawned = self.descriptors.give(&mut shell);
        let spawned = spawned.and_then(|()| Ok(self.set.spawn(&mut shell, self.list.len())?));
        let (state, status, key) = match spawned {
            Ok(key) => (State::Running, "▶ running".to_owned(), Some(key)),
            Err(error) => (State::Failed, format!("✖ {}", self.descriptors.explain(&error)), None),
        };
        let (command, time) = (command.to_owned(), String::new());
        self.list.push(Job { command, state, status, time, key, start: Instant::now() });
    }

    /// Shows the end of one.
    pub fn ended(&mut self, number: usize, exit: &io::Result<Exit>) {
        let job = &mut self.list[number];
        (job.state, job.status) = match exit {
            Ok(exit) if exit.success() => (State::Succeeded, format!("✔ {}", exit.status())),
            Ok(exit) => (State::Failed, format!("✖ {}", exit.status())),
            Err(error) => (State::Failed, format!("✖ {error}")),
        };
        job.time = elapsed(job.start.elapsed());
        job.key = None;
    }

    /// Asks one to end. After [`GRACE`], call [`kill_due`](Jobs::kill_due).
    pub fn stop(&mut self, number: usize) {
        let job = &mut self.list[number];
        // There is none if it has ended, and its exit is on the way to the list.
        let Some((key, handle)) = job.key.take().and_then(|key| Some((key, self.set.handle(key)?))) else {
            return;
        };
        // It may end just now.
        let _ = self.set.terminate(key);
        (job.state, job.status) = (State::Stopping, "■ stopping".to_owned());
        self.stopping.push((Instant::now() + GRACE, handle));
    }

    /// Asks all to end, and what was left behind. There can be no more jobs.
    pub fn stop_all(&mut self) {
        self.set.close();
        self.rest.lock().terminate();
        (0..self.list.len()).for_each(|number| self.stop(number));
    }

    /// Kills those that were asked to end and have had their time. Gives when it is to be called again, if it is.
    pub fn kill_due(&mut self) -> Option<Instant> {
        let now = Instant::now();
        self.stopping.retain(|(deadline, handle)| {
            let has_time = *deadline > now;
            if !has_time {
                // Nobody may be left, which is what was wanted.
                let _ = handle.kill();
            }
            has_time
        });
        self.stopping.iter().map(|(deadline, _)| *deadline).min()
    }

    /// Ends all, and waits for it. Nobody else may take exits meanwhile.
    ///
    /// # Errors
    /// As [`Shutdown::wait`](childset::Shutdown::wait).
    pub fn end(self) -> io::Result<()> {
        let deadline = Instant::now() + GRACE;
        self.rest.lock().terminate();
        let mut shutdown = self.set.shutdown(GRACE);
        while shutdown.wait()?.is_some() {}
        self.rest.lock().wait(deadline);
        Ok(())
    }

    /// Prints how many jobs the list has of each status.
    pub fn report(&self, event_loop: &str) {
        let mut shown = BTreeMap::<_, usize>::new();
        for job in &self.list {
            *shown.entry(&job.status).or_default() += 1;
        }
        let shown: Vec<_> = shown.iter().map(|(status, count)| format!("{count} {status}")).collect();
        println!("{event_loop}: {}", shown.join(", "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    /// A list, and the other end of what is to be the standard input of its jobs.
    fn jobs() -> (Jobs, UnixStream, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (Jobs::new(Descriptors::raise().unwrap()).unwrap(), ours, theirs)
    }

    fn stdin(theirs: &UnixStream) -> std::os::fd::OwnedFd {
        theirs.try_clone().unwrap().into()
    }

    /// Takes one exit, as a window does.
    fn take(jobs: &mut Jobs) {
        let exited = jobs.set().wait(None).unwrap().unwrap();
        let (number, exit) = jobs.rest().keep(exited);
        jobs.ended(number, &exit);
    }

    #[test]
    fn ends_are_shown() {
        let (mut jobs, _ours, _theirs) = jobs();
        for command in ["exit 0", "exit 3", "kill -9 $$"] {
            jobs.start(command, Stdio::null());
            assert_eq!(jobs.list().last().unwrap().status, "▶ running");
            take(&mut jobs);
        }
        let shown: Vec<_> = jobs.list().iter().map(|job| (job.state, &*job.status)).collect();
        let wanted = [
            (State::Succeeded, "✔ exit status: 0"),
            (State::Failed, "✖ exit status: 3"),
            (State::Failed, "✖ signal: 9 (SIGKILL)"),
        ];
        assert_eq!(shown, wanted);
        assert!(jobs.list().iter().all(|job| !job.time.is_empty()));
    }

    #[test]
    fn what_does_not_end_is_killed_when_it_is_due() {
        let (mut jobs, mut ours, theirs) = jobs();
        jobs.start("trap '' TERM; echo >&0; while :; do read line; done", stdin(&theirs));
        ours.read_exact(&mut [0]).unwrap();
        assert_eq!(jobs.kill_due(), None);
        jobs.stop(0);
        assert_eq!(jobs.list()[0].state, State::Stopping);
        let deadline = jobs.kill_due().unwrap();
        std::thread::sleep(deadline.saturating_duration_since(Instant::now()));
        assert!(jobs.set().try_wait().unwrap().is_none());
        assert_eq!(jobs.kill_due(), None);
        take(&mut jobs);
        assert_eq!(jobs.list()[0].status, "✖ signal: 9 (SIGKILL)");
        // Once more, as by a click that was on its way: nothing.
        jobs.stop(0);
        assert_eq!(jobs.list()[0].state, State::Failed);
    }

    #[test]
    fn the_end_is_that_of_groups() {
        let (mut jobs, mut ours, theirs) = jobs();
        for command in ["trap '' TERM; sleep 1000 & echo >&0; wait", "echo >&0; sleep 1000 | sleep 1000"] {
            jobs.start(command, stdin(&theirs));
            ours.read_exact(&mut [0]).unwrap();
        }
        drop(theirs);
        jobs.end().unwrap();
        // Nobody has the other end.
        assert_eq!(ours.read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn all_that_stop_come_out() {
        let (mut jobs, mut ours, theirs) = jobs();
        for _ in 0..3 {
            jobs.start("echo >&0; exec sleep 1000", stdin(&theirs));
            ours.read_exact(&mut [0]).unwrap();
        }
        jobs.stop_all();
        jobs.start("true", Stdio::null());
        assert_eq!(jobs.list()[3].state, State::Failed);
        for _ in 0..3 {
            take(&mut jobs);
        }
        assert!(jobs.list()[..3].iter().all(|job| job.status == "✖ signal: 15 (SIGTERM)"));
        assert!(jobs.set().is_empty());
    }
}
