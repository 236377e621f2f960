//! Why no more jobs are started: `--halt`, signals, and trouble of our own.

use std::io;

use anyhow::{Context, Error, Result};
use childset::Signal;

use super::Runner;
use crate::group::signal_child;
use crate::values::Halt;

impl Runner<'_> {
    /// Looks whether `--halt` is to be done.
    pub(super) fn halt_if_due(&mut self) {
        let failed = self.report.failed();
        let (limit, now) = match self.options.halt {
            Halt::Soon { failed } => (failed, false),
            Halt::Now { failed } => (failed, true),
            Halt::Never => return,
        };
        if failed >= limit && !self.halted {
            self.halted = true;
            self.report.say(format_args!("{failed} failed: no more jobs are started"));
            if now {
                self.terminate_in_time();
            }
        }
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
