//! The loop: starts jobs, waits for whatever comes first, and acts on it.

mod end;
mod start;
mod stop;
mod wait;

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::time::Instant;

use anyhow::{Context, Error, Result};
use childset::{Child, ChildSet};

use crate::ending::Endings;
use crate::hosts::Hosts;
use crate::input::Input;
use crate::launch::{Job, Launcher};
use crate::options::Options;
use crate::output::Output;
use crate::report::Report;
use crate::running::Running;
use crate::signals::Signals;

/// What a pipe holds.
const CHUNK: usize = 1 << 16;

pub(crate) struct Runner<'a> {
    options: &'a Options,
    hosts: Hosts,
    launcher: Launcher,
    input: Input,
    pub(crate) report: Report,
    signals: Signals,
    set: ChildSet<Job>,
    endings: Endings,
    /// The jobs whose pipes we hold: those in the set, and those that have exited while their pipes go on.
    running: Vec<Running>,
    /// How many of `running` have exited.
    draining: usize,
    output: Output,
    /// For what is read from pipes.
    buffer: Box<[u8]>,
    /// The number of the last job.
    number: u64,
    /// Numbers of jobs that are left out.
    done: HashSet<u64>,
    /// The slots below `slots_used` that are free.
    free_slots: BTreeSet<usize>,
    slots_used: usize,
    /// With `--delay`: nothing is started before.
    next_start: Option<Instant>,
    /// Failed jobs with tries left; they go first, so there are never more than slots.
    again: VecDeque<Job>,
    /// A job that runs although there was no descriptor left to watch it. Only while others run.
    unwatched: Option<(Child, Job)>,
    /// Out of processes, memory or descriptors: nothing is started until a job has ended.
    short: bool,
    /// Nothing is started any more.
    halted: bool,
    /// `--halt` was done: how many had failed then, if no more count.
    failed_at_halt: Option<u64>,
    /// The exit status of the first job that failed.
    first_failure: Option<u8>,
    /// That the program cannot be run was said, and is the same for all.
    said_not_run: bool,
    /// Nor is what jobs left behind waited for, by the second signal or since standard output is closed.
    stopped: bool,
    interrupts: usize,
    /// What `parallel` itself failed at.
    trouble: Option<Error>,
}

impl<'a> Runner<'a> {
    pub(crate) fn new(
        options: &'a mut Options,
        hosts: Hosts,
        launcher: Launcher,
        input: Input,
        done: HashSet<u64>,
        report: Report,
    ) -> Result<Runner<'a>> {
        let output = Output::new(options);
        Ok(Runner {
            options,
            hosts,
            launcher,
            input,
            report,
            signals: Signals::catch().context("cannot catch signals")?,
            set: ChildSet::new().context("cannot watch children")?,
            endings: Endings::new(options.timeout, options.grace),
            running: Vec::new(),
            draining: 0,
            output,
            buffer: vec![0; CHUNK].into_boxed_slice(),
            number: 0,
            done,
            free_slots: BTreeSet::new(),
            slots_used: 0,
            next_start: None,
            again: VecDeque::new(),
            unwatched: None,
            short: false,
            halted: false,
            failed_at_halt: None,
            first_failure: None,
            said_not_run: false,
            stopped: false,
            interrupts: 0,
            trouble: None,
        })
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
            let more = self.start()?;
            self.stop_if_closed();
            if self.is_done() {
                break;
            }
            self.begin()?;
            let ready = self.wait(more).context("cannot wait")?;
            if ready.signals {
                self.stop_if_asked()?;
                self.interrupt()?;
            }
            if ready.input {
                self.read();
            }
            self.use_pipes(&ready.pipes)?;
            if ready.exits {
                self.take_exits()?;
            }
            self.settle_all()?;
            let acted = self.endings.act(&self.set);
            self.complain(acted);
        }
        self.print(Output::finish)?;
        self.stop_if_closed();
        self.trouble.take().map_or(Ok(()), Err)
    }

    /// How many slots are taken.
    fn busy(&self) -> usize {
        self.set.len() + self.draining
    }

    fn is_done(&self) -> bool {
        let idle = self.busy() == 0 && !self.endings.has_leftovers();
        idle && (self.halted || self.again.is_empty() && self.input.is_done())
    }

    fn read(&mut self) {
        match self.input.read() {
            Ok(()) => self.tell_total(),
            Err(error) => self.fail(Error::new(error).context("cannot read standard input")),
        }
    }

    fn tell_total(&self) {
        if let Some(left) = self.input.left() {
            self.report.set_total(self.number + left);
        }
    }
}
