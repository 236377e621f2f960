use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::event::Timespec;

/// Locks a mutex whose holders leave the data whole even when they panic.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A timeout for poll(2) or epoll_wait(2). What is too long even for that is shortened: the callers look at the
/// clock again.
pub(crate) fn timespec(timeout: Duration) -> Timespec {
    let timeout = timeout.min(LONGEST);
    Timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: timeout.subsec_nanos().into() }
}

/// Before Linux 5.11, epoll_wait(2) counts milliseconds in 32 bits.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
