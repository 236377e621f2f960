//! The one place where `parallel` waits.

use std::io;
use std::time::{Duration, Instant};

use rustix::event::{poll, PollFd, PollFlags, Timespec};
use rustix::io::Errno;

use super::Runner;
use crate::running::{End, Running};

#[derive(Default)]
pub(super) struct Ready {
    pub(super) exits: bool,
    pub(super) signals: bool,
    pub(super) input: bool,
    /// Of which of the running jobs which pipes.
    pub(super) pipes: Vec<(usize, End)>,
}

impl Runner<'_> {
    /// Waits for exits, signals, pipes, the nearest deadline and, as far as it is wanted, input.
    pub(super) fn wait(&self, more: bool) -> io::Result<Ready> {
        let stdin = io::stdin();
        let reads = !self.halted && self.input.wants(!more && self.takes_new());
        let mut fds = Vec::with_capacity(4 + 3 * self.running.len());
        fds.push(PollFd::new(&self.set, PollFlags::IN));
        fds.extend(self.signals.fds().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        fds.extend(reads.then(|| PollFd::from_borrowed_fd(self.input.fd(&stdin), PollFlags::IN)));
        let mut pipes = Vec::with_capacity(fds.capacity() - 4);
        for (index, running) in self.running.iter().enumerate() {
            for (fd, end) in running.pipes() {
                fds.push(PollFd::from_borrowed_fd(fd, end.interest()));
                pipes.push((index, end));
            }
        }
        let left = self.left(more).and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut fds, left.as_ref()) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(Ready::default()),
            Err(error) => return Err(error.into()),
        }
        let mut ready = fds.iter().map(|fd| !fd.revents().is_empty());
        let mut next = || ready.next().unwrap_or(false);
        let (exits, ends, stops) = (next(), next(), next());
        let (signals, input) = (ends || stops, reads && next());
        pipes.retain(|_| next());
        Ok(Ready { exits, signals, input, pipes })
    }

    /// Until the nearest deadline.
    fn left(&self, more: bool) -> Option<Duration> {
        if more {
            return Some(Duration::ZERO);
        }
        let drained = match self.draining {
            0 => None,
            _ => self.running.iter().filter_map(Running::deadline).min(),
        };
        let start = self.next_start.filter(|_| !self.halted);
        let next = self.endings.next().into_iter().chain(drained).chain(start).min();
        next.map(|next| next.saturating_duration_since(Instant::now()))
    }
}
