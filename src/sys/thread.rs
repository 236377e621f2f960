//! Whether a thread can be started.

use std::io;
use std::thread::{yield_now, Builder};
use std::time::{Duration, Instant};

/// Starts a thread and waits until nothing is left of it: another one can be started then, unless others are faster.
pub(crate) fn try_thread() -> io::Result<()> {
    // SAFETY: a system call without arguments.
    let thread = Builder::new().spawn(|| unsafe { libc::syscall(libc::SYS_gettid) })?;
    let Ok(thread) = thread.join() else {
        return Ok(());
    };
    // It has run to its end, but the kernel counts it until it is gone. Its number may be another thread's by then.
    let start = Instant::now();
    // SAFETY: signal 0 sends nothing. No other process is looked at.
    while unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, 0) } == 0
        && start.elapsed() < Duration::from_secs(1)
    {
        yield_now();
    }
    Ok(())
}
