//! Starting jobs.

use std::ffi::OsString;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Error, Result};
use childset::{Child, InsertError, Signal};

use super::Runner;
use crate::group::signal_child;
use crate::input::Next;
use crate::launch::{exit_code_of, is_shortage, reason, Job};
use crate::report::Outcome;
use crate::running::Running;
use crate::template::display;

/// With `--keep-order`, so many jobs may wait to be printed; it bounds what is kept about them.
const MOST_WAITING: usize = 100_000;

impl Runner<'_> {
    /// Starts jobs while there are slots and arguments; true if it stopped only to have a look at the rest.
    pub(super) fn start(&mut self) -> Result<bool> {
        for _ in 0..self.slots {
            if !self.has_slot() {
                return Ok(false);
            }
            let Some(job) = self.next_job() else {
                return Ok(false);
            };
            match self.launch(job)? {
                Ok(()) => {}
                Err((error, job)) if is_shortage(&error) && self.busy() > 0 => {
                    self.short = true;
                    self.again.push_front(job);
                }
                Err((error, job)) if is_shortage(&error) => {
                    let what = format!("cannot start job {}", job.number);
                    self.fail(Error::new(error).context(what));
                }
                Err((error, job)) => {
                    let outcome = self.not_run(&error, &job);
                    self.print(|output| output.end(output.hold(&job)))?;
                    self.ended(&job, outcome);
                }
            }
        }
        // Jobs that could not be started left their slots free.
        Ok(self.has_slot())
    }

    /// Says why, too.
    pub(super) fn not_run(&self, error: &io::Error, job: &Job) -> Outcome {
        let command = display(&self.launcher.words(job));
        self.report.say(format_args!("cannot run job {}: {command}: {}", job.number, reason(error)));
        Outcome { code: exit_code_of(error), signal: 0, failed: true, runtime: Duration::ZERO }
    }

    fn has_slot(&self) -> bool {
        !self.halted && !self.short && self.busy() < self.slots
    }

    /// Whether a job that is new, not tried again, would be started now.
    pub(super) fn takes_new(&self) -> bool {
        self.has_slot() && self.output.waiting() < MOST_WAITING
    }

    fn next_job(&mut self) -> Option<Job> {
        if let Some(job) = self.again.pop_front() {
            return Some(Job { started: Instant::now(), started_at: SystemTime::now(), ..job });
        }
        if !self.takes_new() {
            return None;
        }
        let (argument, block) = match self.input.next() {
            Next::Argument(argument) => (argument, None),
            Next::Block(block) => (OsString::new(), Some(Rc::new(block))),
            Next::Later | Next::End => return None,
        };
        self.number += 1;
        Some(Job {
            number: self.number,
            argument,
            block,
            tries_left: self.options.retries.get(),
            started: Instant::now(),
            started_at: SystemTime::now(),
        })
    }

    /// Gives the job back if there is no process.
    fn launch(&mut self, job: Job) -> Result<Result<(), (io::Error, Job)>> {
        if !self.launcher.has_pipes() {
            let mut command = self.launcher.command(&job);
            match self.set.launch(&mut command, job) {
                Ok(key) => self.endings.started(key, Instant::now()),
                Err(InsertError { error, child: None, tag, .. }) => return Ok(Err((error, tag))),
                Err(InsertError { error, child: Some(child), tag, .. }) => {
                    self.not_watched(error, child, tag)
                }
            }
            return Ok(Ok(()));
        }
        let mut child = match self.launcher.launch(&job) {
            Ok(child) => child,
            Err(error) => return Ok(Err((error, job))),
        };
        // The set would keep them until the exit.
        self.running.push(Running::new(&mut child, job.block.clone(), self.output.hold(&job)));
        self.watch(child, job);
        Ok(Ok(()))
    }

    /// Has the pipes of new jobs ready, as late as can be: it waits until a child has its own descriptors.
    pub(super) fn begin(&mut self) -> Result<()> {
        self.running.iter_mut().try_for_each(Running::begin).context("cannot use a job's pipes")
    }

    pub(super) fn watch(&mut self, child: Child, job: Job) {
        match self.set.insert(child, job) {
            Ok(key) => self.endings.started(key, Instant::now()),
            Err(InsertError { error, child, tag, .. }) => self.not_watched(error, child, tag),
        }
    }

    fn not_watched(&mut self, error: io::Error, child: Child, job: Job) {
        if is_shortage(&error) && !self.set.is_empty() {
            self.short = true;
            self.unwatched = Some((child, job));
            return;
        }
        let _ = signal_child(&child, Signal::KILL);
        let _ = child.wait();
        self.running.retain(|running| running.held.number != job.number);
        let what = format!("cannot watch job {}", job.number);
        self.fail(Error::new(error).context(what));
    }
}
