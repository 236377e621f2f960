//! Starting jobs.

use std::io::{self, Write};
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Error, Result};
use childset::{Child, InsertError, Signal};
use shared::exit_code_of;

use super::Runner;
use crate::group::signal_child;
use crate::input::Next;
use crate::launch::{is_for_shell, is_shortage, reason, Job};
use crate::output::Held;
use crate::report::Outcome;
use crate::running::Running;

/// With `--keep-order`, so many jobs may wait to be printed; it bounds what is kept about them.
const MOST_WAITING: usize = 100_000;

impl Runner<'_> {
    /// Starts jobs while there are slots and arguments; true if it stopped only to have a look at the rest.
    pub(super) fn start(&mut self) -> Result<bool> {
        self.next_start = self.next_start.filter(|&at| at > Instant::now());
        for _ in 0..self.hosts.slots() {
            if !self.has_slot() {
                return Ok(false);
            }
            let Some(job) = self.next_job()? else {
                return Ok(false);
            };
            match self.launch(job)? {
                Ok(()) => {
                    self.next_start = self.options.delay.and_then(|delay| Instant::now().checked_add(delay))
                }
                Err((error, job)) if is_shortage(&error) && self.busy() > 0 => {
                    self.short = true;
                    self.again.push_front(job);
                }
                Err((error, job)) if is_shortage(&error) => {
                    let what = format!("cannot start job {}", job.number);
                    self.fail(Error::new(error).context(what));
                }
                Err((error, mut job)) => {
                    self.give_slot_back(&mut job);
                    let outcome = self.not_run(&error, &job);
                    self.print(|output| output.end(output.hold(&job)?))?;
                    self.ended(&job, outcome);
                }
            }
        }
        // Jobs that could not be started left their slots free.
        Ok(self.has_slot())
    }

    /// Says why, too; once, where it is the same for all.
    pub(super) fn not_run(&mut self, error: &io::Error, job: &Job) -> Outcome {
        let is_same = self.launcher.has_one_program();
        if !(std::mem::replace(&mut self.said_not_run, is_same) && is_same) {
            let invocation = self.launcher.invocation(job);
            let (command, reason) = (invocation.display(), reason(error));
            self.report.say(format_args!("cannot run job {}: {command}: {reason}", job.number));
            if is_for_shell(&invocation) {
                self.report.say(
                    "no shell sees a command of several words; a line for a shell is one word: 'a {} | b'",
                );
            }
        }
        Outcome { code: exit_code_of(error).into(), signal: 0, failed: true, runtime: Duration::ZERO }
    }

    fn has_slot(&self) -> bool {
        !self.halted && !self.short && self.next_start.is_none() && self.busy() < self.hosts.slots()
    }

    /// Whether a job that is new, not tried again, would be started now.
    pub(super) fn takes_new(&self) -> bool {
        self.has_slot() && self.output.waiting() < MOST_WAITING
    }

    fn next_job(&mut self) -> Result<Option<Job>> {
        if let Some(mut job) = self.again.pop_front() {
            if job.slot == 0 {
                self.take_slot(&mut job);
            }
            return Ok(Some(Job { started: Instant::now(), started_at: SystemTime::now(), ..job }));
        }
        if !self.takes_new() {
            return Ok(None);
        }
        loop {
            let (arguments, block) = match self.input.next() {
                Next::Arguments(arguments) => (arguments, None),
                Next::Block(block) => (Vec::new(), Some(Rc::new(block))),
                Next::Later | Next::End => return Ok(None),
            };
            self.number += 1;
            let number = self.number;
            if self.done.contains(&number) {
                self.print(|output| output.end(Held::nothing(number)))?;
                continue;
            }
            let mut job = Job {
                number,
                arguments,
                slot: 0,
                host: 0,
                block,
                tries_left: self.options.retries.get(),
                started: Instant::now(),
                started_at: SystemTime::now(),
            };
            self.take_slot(&mut job);
            return Ok(Some(job));
        }
    }

    /// The lowest one.
    fn take_slot(&mut self, job: &mut Job) {
        job.host = self.hosts.take();
        job.slot = self.free_slots.pop_first().unwrap_or_else(|| {
            self.slots_used += 1;
            self.slots_used
        });
    }

    pub(super) fn give_slot_back(&mut self, job: &mut Job) {
        self.hosts.free(job.host);
        self.free_slots.insert(std::mem::take(&mut job.slot));
    }

    /// Gives the job back if there is no process.
    fn launch(&mut self, job: Job) -> Result<Result<(), (io::Error, Job)>> {
        let mut line = Vec::new();
        if self.options.verbose || self.options.trace {
            self.launcher.invocation(&job).quote(&mut line);
            line.push(b'\n');
        }
        if self.options.trace {
            // Nobody could be told that it failed.
            self.report.hidden(|| drop(io::stderr().write_all(&line)));
        }
        if !self.options.verbose {
            line.clear();
        }
        if !self.launcher.has_pipes() {
            let mut command = match self.launcher.command(&job, self.hosts.name(job.host)) {
                Ok(command) => command,
                Err(error) => return Ok(Err((error, job))),
            };
            self.print(|output| output.say(None, &line))?;
            match self.set.launch(&mut command, job) {
                Ok(key) => self.endings.started(key, Instant::now()),
                Err(InsertError { error, child: None, tag, .. }) => return Ok(Err((error, tag))),
                Err(InsertError { error, child: Some(child), tag, .. }) => {
                    self.not_watched(error, child, tag)
                }
            }
            return Ok(Ok(()));
        }
        let mut child = match self.launcher.launch(&job, self.hosts.name(job.host)) {
            Ok(child) => child,
            Err(error) => return Ok(Err((error, job))),
        };
        // The set would keep them until the exit.
        let mut held = self.output.hold(&job)?;
        self.print(|output| output.say(Some(&mut held), &line))?;
        self.running.push(Running::new(&mut child, job.block.clone(), held));
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
