//! The loop: starts jobs, waits for whatever comes first, and acts on it.

mod stop;
mod wait;

use std::collections::VecDeque;
use std::io;
use std::process::Child;
use std::time::{Instant, SystemTime};

use anyhow::{Context, Error, Result};
use childset::{ChildSet, Exited, InsertError};
use rustix::process::{kill_process_group, Pid, Signal};

use crate::ending::Endings;
use crate::input::{Input, Next};
use crate::launch::{exit_code_of, is_shortage, Job, Launcher};
use crate::options::Options;
use crate::report::{Outcome, Report};
use crate::signals::Signals;
use crate::template::display;

pub(crate) struct Runner<'a> {
    options: &'a Options,
    slots: usize,
    launcher: Launcher,
    input: Input,
    pub(crate) report: Report,
    signals: Signals,
    set: ChildSet<Job>,
    endings: Endings,
    /// The number of the last job.
    number: u64,
    /// Failed jobs with tries left; they go first, so there are never more than slots.
    again: VecDeque<Job>,
    /// A job that runs although there was no descriptor left to watch it. Only while others run.
    unwatched: Option<(Child, Job)>,
    /// Out of processes, memory or descriptors: nothing is started until a job has ended.
    short: bool,
    /// Nothing is started any more.
    halted: bool,
    interrupts: usize,
    /// What `parallel` itself failed at.
    trouble: Option<Error>,
}

impl<'a> Runner<'a> {
    pub(crate) fn new(
        options: &'a Options,
        launcher: Launcher,
        input: Input,
        report: Report,
    ) -> Result<Runner<'a>> {
        Ok(Runner {
            options,
            slots: options.jobs(),
            launcher,
            input,
            report,
            signals: Signals::catch().context("cannot catch signals")?,
            set: ChildSet::new().context("cannot watch children")?,
            endings: Endings::new(options.timeout, options.grace),
            number: 0,
            again: VecDeque::new(),
            unwatched: None,
            short: false,
            halted: false,
            interrupts: 0,
            trouble: None,
        })
    }

    pub(crate) fn interrupted(&self) -> bool {
        self.interrupts > 0
    }

    /// Runs the jobs. Whatever fails, none is left running.
    pub(crate) fn run(&mut self) -> Result<()> {
        let result = self.run_all();
        if result.is_err() {
            let killed = self.endings.kill(&self.set);
            self.complain(killed);
        }
        result
    }

    fn run_all(&mut self) -> Result<()> {
        self.tell_total();
        loop {
            let more = self.start();
            if self.is_done() {
                return self.trouble.take().map_or(Ok(()), Err);
            }
            let ready = self.wait(more).context("cannot wait")?;
            if ready.signals {
                self.interrupt()?;
            }
            if ready.input {
                self.read();
            }
            if ready.exits {
                self.take_exits().context("cannot watch the jobs")?;
            }
            let acted = self.endings.act(&self.set);
            self.complain(acted);
        }
    }

    fn is_done(&self) -> bool {
        let idle = self.set.is_empty() && !self.endings.has_leftovers();
        idle && (self.halted || self.again.is_empty() && self.input.is_done())
    }

    /// Starts jobs while there are slots and arguments; true if it stopped only to have a look at the rest.
    fn start(&mut self) -> bool {
        for _ in 0..self.slots {
            if self.halted || self.short || self.set.len() >= self.slots {
                return false;
            }
            let Some(job) = self.next_job() else {
                return false;
            };
            match self.launcher.spawn(&job) {
                Ok(child) => self.watch(child, job),
                Err(error) if is_shortage(&error) && !self.set.is_empty() => {
                    self.short = true;
                    self.again.push_front(job);
                }
                Err(error) if is_shortage(&error) => {
                    let what = format!("cannot start job {}", job.number);
                    self.fail(Error::new(error).context(what));
                }
                Err(error) => {
                    let command = display(&self.launcher.command(&job));
                    self.report.say(format_args!("cannot run job {}: {command}: {error}", job.number));
                    self.ended(&job, Outcome { code: exit_code_of(&error), signal: 0, failed: true });
                }
            }
        }
        // Jobs that could not be started left their slots free.
        !self.halted && !self.short && self.set.len() < self.slots
    }

    fn next_job(&mut self) -> Option<Job> {
        if let Some(job) = self.again.pop_front() {
            return Some(Job { started: Instant::now(), started_at: SystemTime::now(), ..job });
        }
        let Next::Argument(argument) = self.input.next() else {
            return None;
        };
        self.number += 1;
        Some(Job {
            number: self.number,
            argument,
            tries_left: self.options.retries.get(),
            started: Instant::now(),
            started_at: SystemTime::now(),
        })
    }

    fn watch(&mut self, child: Child, job: Job) {
        match self.set.insert(child, job) {
            Ok(key) => self.endings.started(key, Instant::now()),
            Err(InsertError { error, child, tag, .. }) if is_shortage(&error) && !self.set.is_empty() => {
                self.short = true;
                self.unwatched = Some((child, tag));
            }
            Err(InsertError { error, mut child, tag, .. }) => {
                let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
                let _ = child.wait();
                let what = format!("cannot watch job {}", tag.number);
                self.fail(Error::new(error).context(what));
            }
        }
    }

    fn read(&mut self) {
        match self.input.read() {
            Ok(()) => self.tell_total(),
            Err(error) => self.fail(Error::new(error).context("cannot read the arguments")),
        }
    }

    fn tell_total(&self) {
        if let Some(left) = self.input.left() {
            self.report.set_total(self.number + left);
        }
    }

    /// Takes exits, and fills the slots at once: while one job is started, the next one may have ended.
    fn take_exits(&mut self) -> io::Result<()> {
        // Not until there is none, since jobs that end at once would keep signals and deadlines waiting.
        for _ in 0..self.slots {
            let Some(exited) = self.set.reap()? else {
                break;
            };
            self.short = false;
            self.exited(exited);
            if let Some((child, job)) = self.unwatched.take() {
                self.watch(child, job);
            }
            self.start();
        }
        Ok(())
    }

    fn exited(&mut self, exited: Exited<Job>) {
        let Exited { key, tag: mut job, exit, child, .. } = exited;
        let timed_out = self.endings.ended(key, child);
        if let Ok(exit) = &exit {
            self.report.used(exit);
        }
        if timed_out {
            let command = display(&self.launcher.command(&job));
            self.report.say(format_args!("job {} took too long: {command}", job.number));
        }
        if let Err(error) = &exit {
            self.report.say(format_args!("job {}: {error}", job.number));
        }
        let outcome = Outcome::new(exit.ok(), timed_out);
        if outcome.failed && job.tries_left > 1 && !self.halted {
            job.tries_left -= 1;
            self.again.push_back(job);
        } else {
            self.ended(&job, outcome);
        }
    }

    /// A job has ended for good.
    fn ended(&mut self, job: &Job, outcome: Outcome) {
        if let Err(error) = self.report.ended(job, &outcome, || self.launcher.command(job)) {
            self.fail(error);
        }
        self.halt_if_due();
    }
}
