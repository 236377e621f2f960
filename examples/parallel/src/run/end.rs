//! What jobs write, and how they end.

use std::time::{Duration, Instant};

use anyhow::{anyhow, Context, Result};
use childset::{Exited, SpawnError};
use shared::exit_code_of;

use super::Runner;
use crate::hosts::is_here;
use crate::launch::{is_shortage, Job};
use crate::output::{Held, Output, Stream};
use crate::remote::UNREACHABLE;
use crate::report::Outcome;
use crate::running::{End, Ended, Got};

/// Reads of one pipe at a time, so that nobody who writes without end holds up the others: more than a pipe
/// can hold, so that what was written before the exit is all read.
const READS: usize = 17;

impl Runner<'_> {
    /// Takes exits, and fills the slots at once: while one job is started, the next one may have ended.
    pub(super) fn take_exits(&mut self) -> Result<()> {
        // Not until there is none, since jobs that end at once would keep signals and deadlines waiting.
        // Also of jobs whose host is no longer counted.
        for _ in 0..self.hosts.slots().max(1) {
            let Some(exited) = self.set.try_wait().context("cannot watch the jobs")? else {
                break;
            };
            self.short = false;
            self.exited(exited)?;
            if let Some((child, job)) = self.unwatched.take() {
                self.watch(child, job);
            }
            self.start()?;
        }
        Ok(())
    }

    fn exited(&mut self, exited: Exited<Job>) -> Result<()> {
        let Exited { key, tag: mut job, exit, child, .. } = exited;
        let timed_out = self.endings.ended(key, child);
        self.begin()?;
        if let Ok(exit) = &exit {
            self.report.used(exit);
        }
        if timed_out {
            let command = self.launcher.invocation(&job).display();
            self.report.say(format_args!("job {} took too long: {command}", job.number));
        }
        let outcome = match exit {
            // Its program was not run. Tried again, it may do only where it lacked something.
            Err(error) if SpawnError::from_io_error(&error).is_some() => {
                self.short = is_shortage(&error) && self.busy() > 0;
                match self.short {
                    true => {
                        job.tries_left += 1;
                        Outcome {
                            code: exit_code_of(&error).into(),
                            signal: 0,
                            failed: true,
                            runtime: Duration::ZERO,
                        }
                    }
                    false => {
                        job.tries_left = 1;
                        self.not_run(&error, &job)
                    }
                }
            }
            exit => {
                if let Err(error) = &exit {
                    self.report.say(format_args!("job {}: {error}", job.number));
                }
                Outcome::new(exit.ok(), timed_out, job.started.elapsed())
            }
        };
        let is_lost = outcome.code == UNREACHABLE && !timed_out && !is_here(self.hosts.name(job.host));
        if is_lost && !self.halted {
            self.lose_host(job.host);
            // That was no try of the job's.
            job.tries_left += 1;
        }
        let ended = Ended { job, outcome };
        let number = ended.job.number;
        match self.running.iter().position(|running| running.held.number == number) {
            Some(index) => {
                self.running[index].exit(ended);
                self.draining += 1;
                self.drain(index)?;
                self.settle(index)
            }
            None => self.finish(ended, None),
        }
    }

    fn lose_host(&mut self, host: usize) {
        let Some(name) = self.hosts.set_down(host) else {
            return;
        };
        match self.hosts.slots() {
            0 => self.fail(anyhow!("{name} does not answer, and there is no other host")),
            _ => self.report.say(format_args!("{name} does not answer: its jobs are done elsewhere")),
        }
    }

    /// The pipes of running jobs that are ready; none of these has come or gone since the wait.
    pub(super) fn use_pipes(&mut self, ready: &[(usize, End)]) -> Result<()> {
        for &(index, end) in ready {
            match end {
                End::Input => self.running[index].feed().context("cannot write to a job")?,
                End::Output(stream) => drop(self.read_job(index, stream)?),
            }
        }
        Ok(())
    }

    /// Ends jobs that have exited, if their pipes are done or their grace is over.
    pub(super) fn settle_all(&mut self) -> Result<()> {
        if self.draining == 0 {
            return Ok(());
        }
        // From the end, since what is removed is replaced by the last.
        for index in (0..self.running.len()).rev() {
            if self.running[index].deadline().is_some_and(|deadline| deadline <= Instant::now()) {
                self.drain(index)?;
            }
            self.settle(index)?;
        }
        Ok(())
    }

    fn settle(&mut self, index: usize) -> Result<()> {
        let running = &mut self.running[index];
        let is_over = running.deadline().is_some_and(|deadline| self.stopped || deadline <= Instant::now());
        if !running.is_read() && !is_over {
            return Ok(());
        }
        let Some(ended) = running.exited.take() else {
            return Ok(());
        };
        let running = self.running.swap_remove(index);
        self.draining -= 1;
        // Its pipes are descriptors that others may want.
        self.short = self.unwatched.is_some();
        self.finish(ended, Some(running.held))
    }

    /// Reads what there is.
    fn drain(&mut self, index: usize) -> Result<()> {
        for stream in [Stream::Out, Stream::Err] {
            for _ in 0..READS {
                if !matches!(self.read_job(index, stream)?, Got::Bytes(_)) {
                    break;
                }
            }
        }
        Ok(())
    }

    fn read_job(&mut self, index: usize, stream: Stream) -> Result<Got> {
        let running = &mut self.running[index];
        let got = running.read(stream, &mut self.buffer).context("cannot read what a job wrote")?;
        if let Got::Bytes(count) = got {
            let (output, bytes) = (&mut self.output, &self.buffer[..count]);
            self.report.hidden(|| output.take(&mut running.held, stream, bytes))?;
        }
        Ok(got)
    }

    /// A try has ended, and all that it wrote is there.
    fn finish(&mut self, ended: Ended, held: Option<Held>) -> Result<()> {
        let Ended { mut job, outcome } = ended;
        self.give_slot_back(&mut job);
        if !outcome.failed {
            self.endings.succeeded(outcome.runtime);
        }
        if outcome.failed && job.tries_left > 1 && !self.halted {
            job.tries_left -= 1;
            self.again.push_back(job);
            return held.map_or(Ok(()), |held| self.print(|output| output.retry(held)));
        }
        if let Some(held) = held {
            self.print(|output| output.end(held))?;
            self.release()?;
        }
        self.ended(&job, outcome);
        Ok(())
    }

    /// With `--keep-order --line-buffer`: who has the turn now may print what it wrote so far.
    fn release(&mut self) -> Result<()> {
        let Some(turn) = self.output.turn() else {
            return Ok(());
        };
        let Some(running) = self.running.iter_mut().find(|running| running.held.number == turn) else {
            return Ok(());
        };
        let output = &mut self.output;
        self.report.hidden(|| output.release(&mut running.held))
    }

    pub(super) fn print(&mut self, act: impl FnOnce(&mut Output) -> Result<()>) -> Result<()> {
        let output = &mut self.output;
        self.report.hidden(|| act(output))
    }

    /// A job has ended for good.
    pub(super) fn ended(&mut self, job: &Job, outcome: Outcome) {
        if let Err(error) =
            self.report.ended(job, self.hosts.name(job.host), &outcome, || self.launcher.invocation(job))
        {
            self.fail(error);
        }
        if outcome.failed {
            self.first_failure.get_or_insert(outcome.status());
        }
        self.halt_if_due();
    }
}
