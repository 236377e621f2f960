//! How long is waited in vain, and that it costs no processor time.

use std::time::{Duration, Instant};

use crate::common;

/// How long a zombie is waited for in vain, and the processor time which that may cost.
pub(crate) const VAIN: Duration = Duration::from_secs(1);
const BUDGET: Duration = Duration::from_millis(20);

fn cpu_time() -> Duration {
    // SAFETY: all-zero bytes are a valid `rusage`, and the call writes no more than that.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        assert_eq!(libc::getrusage(libc::RUSAGE_SELF, &mut usage), 0);
        usage
    };
    let time = |t: libc::timeval| Duration::new(t.tv_sec as u64, t.tv_usec as u32 * 1000);
    time(usage.ru_utime) + time(usage.ru_stime)
}

/// Runs what waits for `VAIN`, and checks that it slept.
pub(crate) fn idle<R>(wait: impl FnOnce() -> R) -> R {
    let (start, before) = (Instant::now(), cpu_time());
    let result = wait();
    let used = cpu_time() - before;
    assert!(start.elapsed() >= VAIN, "waited for {:?} only", start.elapsed());
    // An emulated processor takes many times as long for the little that there is to do, and signals that come all
    // the time have all look up.
    let is_slow = common::times(100) < 100 || common::under_signals();
    let budget = if is_slow { VAIN / 2 } else { BUDGET };
    assert!(used < budget, "{used:?} of processor time");
    result
}
