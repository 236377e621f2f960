use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::Timespec;
use rustix::time::{
    timerfd_create, timerfd_settime, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags,
};

use crate::sys::low::above_stdio;
use crate::sys::poll::timespec;

/// A descriptor that becomes readable at a moment.
pub(super) struct Timer {
    fd: OwnedFd,
    /// `None` while it is not set.
    moment: Option<Instant>,
}

impl Timer {
    pub(super) fn new() -> io::Result<Timer> {
        let fd = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
        Ok(Timer { fd: above_stdio(fd)?, moment: None })
    }

    /// Sets it anew, or not at all any more. It may be early.
    pub(super) fn set(&mut self, moment: Option<Instant>) -> io::Result<()> {
        // That which is put off again and again is set once for all.
        let is_set = self.moment.is_some_and(|set| moment.is_some_and(|moment| set <= moment));
        if is_set || moment == self.moment {
            return Ok(());
        }
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        // 0 would be never.
        let left = moment.map(|moment| moment.saturating_duration_since(Instant::now()).max(SHORTEST));
        let value = Itimerspec { it_interval: zero, it_value: left.map_or(zero, timespec) };
        timerfd_settime(&self.fd, TimerfdTimerFlags::empty(), &value)?;
        self.moment = moment;
        Ok(())
    }

    /// Not readable any more.
    pub(super) fn silence(&mut self) {
        let _ = rustix::io::read(&self.fd, &mut [0; 8]);
        self.moment = None;
    }
}

const SHORTEST: Duration = Duration::from_nanos(1);

impl AsFd for Timer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
