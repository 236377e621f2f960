//! A storm of signals: a timer whose signals a handler takes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

static RUNS: AtomicUsize = AtomicUsize::new(0);

extern "C" fn handler(_: i32) {
    RUNS.fetch_add(1, Ordering::Relaxed);
}

/// A timer of the kernel's, which ends when it is dropped.
struct Storm(libc::timer_t);

impl Storm {
    /// A signal for this thread each millisecond, also where other threads are not let run.
    fn start() -> Storm {
        let mut timer = std::ptr::null_mut();
        let millisecond = libc::timespec { tv_sec: 0, tv_nsec: 1_000_000 };
        let times = libc::itimerspec { it_interval: millisecond, it_value: millisecond };
        // SAFETY: the handler writes to an atomic alone. All-zero bytes are a valid action, without `SA_RESTART`, and a
        // valid event. What is passed lives as long as the calls.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = handler as extern "C" fn(i32) as libc::sighandler_t;
            assert_eq!(libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut()), 0);
            let mut event: libc::sigevent = std::mem::zeroed();
            event.sigev_notify = libc::SIGEV_THREAD_ID;
            event.sigev_signo = libc::SIGUSR1;
            event.sigev_notify_thread_id = libc::syscall(libc::SYS_gettid) as i32;
            assert_eq!(libc::timer_create(libc::CLOCK_MONOTONIC, &mut event, &mut timer), 0);
            assert_eq!(libc::timer_settime(timer, 0, &times, std::ptr::null_mut()), 0);
        }
        Storm(timer)
    }
}

impl Drop for Storm {
    fn drop(&mut self) {
        // SAFETY: `start` has made it.
        unsafe { libc::timer_delete(self.0) };
    }
}

/// Does it in the storm. At least one signal has come when it is done.
pub(crate) fn storm<R>(act: impl FnOnce() -> R) -> R {
    let before = RUNS.load(Ordering::Relaxed);
    let storm = Storm::start();
    let result = act();
    while RUNS.load(Ordering::Relaxed) == before {
        thread::yield_now();
    }
    drop(storm);
    result
}
