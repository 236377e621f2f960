//! Why no more jobs are started: `--halt`, signals, and trouble of our own.

use std::io;
use std::time::Instant;

use anyhow::{Context, Error, Result};
use childset::Signal;

use super::Runner;
use crate::group::signal_child;
use crate::signals::stop;
use crate::values::{Amount, Halt, Why};

const MOST_FAILED: u64 = 101;

impl Runner<'_> {
    /// Looks whether `--halt` is to be done.
    pub(super) fn halt_if_due(&mut self) {
        let Halt::When { now, why, amount } = self.options.halt else {
            return;
        };
        let (failed, jobs) = (self.report.failed(), self.report.jobs());
        let (count, what) = match why {
            Why::Fail => (failed, "failed"),
            Why::Success => (jobs - failed, "succeeded"),
            Why::Done => (jobs, "ended"),
        };
        let is_due = match amount {
            Amount::Number(number) => count >= number,
            // Of all there will be, once that is known.
            Amount::Percent(percent) => {
                self.all_jobs().is_some_and(|all| count as f64 * 100.0 >= all as f64 * percent)
            }
        };
        if is_due && count > 0 && !self.halted {
            self.halted = true;
            self.failed_at_halt = match why {
                Why::Success => Some(0),
                // What is ended now has not failed of itself.
                Why::Fail => now.then_some(failed),
                Why::Done => Some(failed),
            };
            self.report.say(format_args!("{count} {what}: no more jobs are started"));
            if now {
                self.terminate_in_time();
            }
        }
    }

    fn all_jobs(&self) -> Option<u64> {
        Some(self.number + self.input.left()? - self.done.len() as u64)
    }

    /// The exit status, as GNU parallel has it: how many jobs failed, unless `--halt` is about the first failure or a
    /// percentage. At least 1 if a signal or a closed standard output ended it.
    pub(crate) fn status(&self) -> u8 {
        let failed = self.failed_at_halt.unwrap_or(self.report.failed());
        let status = match self.options.halt {
            _ if self.interrupts > 0 || self.stopped => self.report.failed().max(1),
            Halt::When { why: Why::Fail, amount: Amount::Number(1), .. } => {
                return self.first_failure.unwrap_or(0);
            }
            Halt::When { amount: Amount::Percent(_), .. } => {
                (failed * 100).div_ceil(self.all_jobs().unwrap_or(0).max(1))
            }
            _ => failed,
        };
        status.min(MOST_FAILED) as u8
    }

    /// As `--halt now`, if nobody reads standard output any more.
    pub(super) fn stop_if_closed(&mut self) {
        if self.output.is_closed() && !self.stopped {
            self.stopped = true;
            self.halted = true;
            self.report.say("standard output is closed: the running jobs are ended");
            self.terminate_in_time();
        }
    }

    fn terminate_in_time(&mut self) {
        self.signal_unwatched(Signal::TERM);
        let terminated = self.endings.terminate_in_time(&self.set);
        self.complain(terminated);
    }

    pub(super) fn interrupt(&mut self) -> Result<()> {
        let before = self.interrupts;
        self.interrupts += self.signals.take().context("cannot read signals")?;
        if before == 0 && self.interrupts > 0 {
            self.halted = true;
            self.report.say("interrupted: the running jobs are ended, the next signal kills them");
            self.signal_unwatched(Signal::TERM);
            let terminated = self.endings.terminate(&self.set);
            self.complain(terminated);
        }
        if self.interrupts > 1 {
            self.stopped = true;
            self.signal_unwatched(Signal::KILL);
            let killed = self.endings.kill(&self.set);
            self.complain(killed);
        }
        Ok(())
    }

    /// Stops the jobs and ourselves, and has the jobs go on when we do. Their time does not run meanwhile.
    pub(super) fn stop_if_asked(&mut self) -> Result<()> {
        if !self.signals.take_stop().context("cannot read signals")? {
            return Ok(());
        }
        self.signal_unwatched(Signal::STOP);
        let stopped = self.endings.signal(&self.set, Signal::STOP);
        self.complain(stopped);
        let since = Instant::now();
        stop().context("cannot stop")?;
        self.endings.postpone(since.elapsed());
        self.signal_unwatched(Signal::CONT);
        let continued = self.endings.signal(&self.set, Signal::CONT);
        self.complain(continued);
        Ok(())
    }

    fn signal_unwatched(&self, signal: Signal) {
        if let Some((child, _)) = &self.unwatched {
            // Not waited for, so it can be a zombie at worst.
            let _ = signal_child(child, signal);
        }
    }

    /// Lets the running jobs end, and starts no more.
    pub(super) fn fail(&mut self, error: Error) {
        self.halted = true;
        self.trouble.get_or_insert(error);
    }

    pub(super) fn complain(&self, signalled: io::Result<()>) {
        if let Err(error) = signalled {
            self.report.say(format_args!("cannot signal a job: {error}"));
        }
    }
}
