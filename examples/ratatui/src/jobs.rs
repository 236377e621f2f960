//! The jobs: started, stopped, and what they write.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use childset::{ChildSet, Command, Exited, Key, Signal, Stdio, Unit};
use common::{Descriptors, Outputs, Rest};

/// How many exits to take, and outputs to read, before the next frame. Both descriptors are level-triggered.
const BATCH: usize = 32;
/// How long the jobs that are left have to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(2);
/// How many bytes of an output are kept: the last.
const KEPT: usize = 1 << 18;

pub(crate) struct Job {
    pub(crate) command: String,
    pub(crate) state: State,
    pub(crate) output: String,
}

pub(crate) enum State {
    Running { key: Key, start: Instant, is_stopping: bool },
    Ended { is_success: bool, how: String, time: Duration },
}

pub(crate) struct Jobs {
    set: ChildSet<usize>,
    outputs: Outputs,
    all: Vec<Job>,
    rest: Rest,
    descriptors: Descriptors,
}

impl Jobs {
    pub(crate) fn new(descriptors: Descriptors) -> io::Result<Jobs> {
        let (set, outputs) = (ChildSet::new()?, Outputs::new()?);
        Ok(Jobs { set, outputs, all: Vec::new(), rest: Rest::default(), descriptors })
    }

    pub(crate) fn all(&self) -> &[Job] {
        &self.all
    }

    /// Becomes readable by exits.
    pub(crate) fn exits(&self) -> BorrowedFd<'_> {
        self.set.as_fd()
    }

    /// Becomes readable by output.
    pub(crate) fn outputs(&self) -> BorrowedFd<'_> {
        self.outputs.as_fd()
    }

    /// Starts a new job.
    pub(crate) fn add(&mut self, command: String) {
        let state = self.start(self.all.len(), &command);
        self.all.push(Job { command, state, output: String::new() });
    }

    /// Runs a job again that has ended.
    pub(crate) fn restart(&mut self, number: usize) {
        if let Some(Job { state: State::Ended { .. }, command, .. }) = self.all.get(number) {
            let state = self.start(number, &command.clone());
            self.all[number].state = state;
            self.all[number].output.clear();
        }
    }

    fn start(&mut self, number: usize, command: &str) -> State {
        match self.spawn(number, command) {
            Ok(key) => State::Running { key, start: Instant::now(), is_stopping: false },
            Err(error) => {
                let how = self.descriptors.explain(&error);
                State::Ended { is_success: false, how, time: Duration::ZERO }
            }
        }
    }

    fn spawn(&mut self, number: usize, command: &str) -> io::Result<Key> {
        let (reader, writer) = io::pipe()?;
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).stdin(Stdio::null());
        shell.stdout(OwnedFd::from(writer.try_clone()?)).stderr(OwnedFd::from(writer));
        shell.unit(Unit::ProcessGroup).parent_death_signal(Signal::KILL);
        self.descriptors.give(&mut shell)?;
        self.outputs.add(number, reader)?;
        Ok(self.set.spawn(&mut shell, number)?)
    }

    /// Asks a job to end; the second time, kills it.
    pub(crate) fn stop(&mut self, number: usize) {
        if let Some(Job { state: State::Running { key, is_stopping, .. }, .. }) = self.all.get_mut(number) {
            // It may have ended.
            let _ = match std::mem::replace(is_stopping, true) {
                false => self.set.terminate(*key),
                true => self.set.kill_tree(*key),
            };
        }
    }

    pub(crate) fn take_exits(&mut self) -> io::Result<()> {
        for _ in 0..BATCH {
            let Some(Exited { tag: number, exit, child, .. }) = self.set.try_wait()? else { break };
            self.rest.keep(child);
            let job = &mut self.all[number];
            let time =
                if let State::Running { start, .. } = job.state { start.elapsed() } else { Duration::ZERO };
            let is_success = exit.as_ref().is_ok_and(|exit| exit.success());
            let how = exit.map_or_else(|error| error.to_string(), |exit| exit.status().to_string());
            job.state = State::Ended { is_success, how, time };
        }
        Ok(())
    }

    pub(crate) fn read(&mut self) -> io::Result<()> {
        let all = &mut self.all;
        self.outputs.try_read(BATCH, |number, text| {
            let kept = &mut all[number].output;
            // What is not text would move the cursor.
            kept.extend(text.chars().filter(|&character| character == '\n' || !character.is_control()));
            if kept.len() > KEPT {
                let surplus = kept.len() - KEPT;
                let whole = (surplus..).find(|&place| kept.is_char_boundary(place));
                kept.drain(..whole.unwrap_or(kept.len()));
            }
        })
    }

    /// Ends all, and what was left behind.
    pub(crate) fn end(&self) -> io::Result<()> {
        self.rest.terminate();
        let mut shutdown = self.set.shutdown(GRACE);
        while shutdown.wait()?.is_some() {}
        Ok(())
    }
}
