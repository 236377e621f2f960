//! The command while it runs: waits for its end, for signals, and for the time to be over.

use std::collections::HashSet;
use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use childset::{ChildSet, Command, Exit, Key, Pidfd};
use nix::sys::signal::Signal;
use rustix::event::{poll, PollFd, PollFlags, Timespec};
use rustix::io::Errno;

use crate::options::Options;
use crate::report::complain;
use crate::signals::{defaults, name, Signals};

pub(crate) struct Run<'a> {
    options: &'a Options,
    set: ChildSet<()>,
    key: Key,
    signals: Signals,
    deadline: Option<Instant>,
    /// What to send at the deadline.
    due: i32,
    /// From the first signal on.
    kill_after: Option<Duration>,
    pub(crate) timed_out: bool,
    /// What was sent to our own process group: it comes back to us, and is not sent again.
    sent: HashSet<i32>,
}

impl<'a> Run<'a> {
    pub(crate) fn start(options: &'a Options) -> Result<Run<'a>> {
        if !options.foreground {
            // The command stays in our group, so that it keeps the terminal if the shell has given it to us. A leader of a
            // session leads its group already (EPERM).
            let _ = rustix::process::setpgid(None, None);
        }
        let signals = Signals::catch(options.signal)?;
        let set = ChildSet::new().context("cannot watch the command")?;
        let mut command = Command::new(&options.command[0]);
        command
            .args(&options.command[1..])
            .inherit_fds(true)
            .default_signals(&defaults())
            .signal_mask(&signals.mask())
            // It must not outlive us, nor an error of ours.
            .kill_with_parent(true)
            .kill_on_drop(true);
        let key = set.spawn(&mut command, ()).map_err(io::Error::from)?;
        Ok(Run {
            options,
            set,
            key,
            signals,
            deadline: options.duration.and_then(from_now),
            due: options.signal,
            kill_after: options.kill_after.flatten(),
            timed_out: false,
            sent: HashSet::new(),
        })
    }

    /// Returns when the command has ended.
    pub(crate) fn wait(&mut self) -> Result<Exit> {
        loop {
            self.block().context("cannot wait")?;
            if let Some(exited) = self.set.try_wait().context("cannot watch the command")? {
                return exited.exit.context("cannot learn how the command ended");
            }
            while let Some(signal) = self.signals.take().context("cannot read signals")? {
                match signal {
                    _ if self.sent.contains(&signal) => {}
                    libc::SIGALRM => self.time_out()?,
                    _ => self.send(signal)?,
                }
            }
            if self.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                self.time_out()?;
            }
        }
    }

    fn block(&self) -> io::Result<()> {
        let mut fds = [PollFd::new(&self.set, PollFlags::IN), PollFd::new(&self.signals, PollFlags::IN)];
        let left = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut fds, left.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn time_out(&mut self) -> Result<()> {
        self.timed_out = true;
        self.deadline = None;
        self.send(self.due)
    }

    /// Sends the signal to the command and, unless in the foreground, to our process group, which is that of the command
    /// and of what it has started.
    fn send(&mut self, signal: i32) -> Result<()> {
        if let Some(kill_after) = self.kill_after.take() {
            self.deadline = from_now(kill_after);
            self.due = libc::SIGKILL;
        }
        if self.options.verbose {
            let (name, command) =
                (name(signal).unwrap_or_default(), self.options.command[0].to_string_lossy());
            complain(format_args!("sending signal {name} to command '{command}'"));
        }
        self.signal(signal)?;
        // A stopped command could not act upon it.
        if !self.options.foreground && signal != libc::SIGKILL && signal != libc::SIGCONT {
            self.signal(libc::SIGCONT)?;
        }
        Ok(())
    }

    fn signal(&mut self, signal: i32) -> Result<()> {
        // By itself too: it may lead a group of its own. It has ended at worst, and is not reaped before `wait` says so.
        match self.set.send_signal(self.key, signal) {
            // It runs as another user now (set-user-ID), which is no reason to give up on the others.
            Err(error) if error.raw_os_error() == Some(libc::EPERM) => complain(format_args!("{error}")),
            result => result.context("cannot signal the command")?,
        }
        if !self.options.foreground {
            self.sent.insert(signal);
            signal_own_group(signal).context("cannot signal the process group")?;
        }
        Ok(())
    }
}

/// Also to ourselves: SIGKILL ends `timeout`, as it does coreutils's.
fn signal_own_group(signal: i32) -> io::Result<()> {
    let by_pidfd = Pidfd::open(std::process::id()).and_then(|leader| leader.send_signal_to_group(signal));
    match (by_pidfd, Signal::try_from(signal)) {
        // Before Linux 6.9.
        (Err(error), Ok(signal)) if error.kind() == ErrorKind::Unsupported => {
            Ok(nix::sys::signal::kill(nix::unistd::Pid::from_raw(0), signal)?)
        }
        (result, _) => result,
    }
}

/// `None` beyond the end of the clock.
fn from_now(duration: Duration) -> Option<Instant> {
    Instant::now().checked_add(duration)
}
