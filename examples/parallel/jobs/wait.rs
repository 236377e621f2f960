//! The one place where `parallel` waits.

use std::io;
use std::time::{Duration, Instant};

use rustix::event::{poll, PollFd, PollFlags, Timespec};
use rustix::io::Errno;

use super::Runner;

#[derive(Default)]
pub(super) struct Ready {
    pub(super) exits: bool,
    pub(super) signals: bool,
    pub(super) input: bool,
}

impl Runner<'_> {
    /// Waits for exits, signals, the nearest deadline and, if there is a slot for it, input.
    pub(super) fn wait(&self, more: bool) -> io::Result<Ready> {
        let stdin = io::stdin();
        let wanted = !(more || self.halted || self.short) && self.set.len() < self.slots;
        let reads = wanted && self.input.is_open();
        let mut fds = [
            PollFd::new(&self.set, PollFlags::IN),
            PollFd::new(&self.signals, PollFlags::IN),
            PollFd::new(&stdin, PollFlags::IN),
        ];
        let fds = if reads { &mut fds[..] } else { &mut fds[..2] };
        let left = match more {
            true => Some(Duration::ZERO),
            false => self.endings.next().map(|next| next.saturating_duration_since(Instant::now())),
        };
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(fds, left.as_ref()) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(Ready::default()),
            Err(error) => return Err(error.into()),
        }
        let is_ready = |index: usize| fds.get(index).is_some_and(|fd| !fd.revents().is_empty());
        Ok(Ready { exits: is_ready(0), signals: is_ready(1), input: is_ready(2) })
    }
}
