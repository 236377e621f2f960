//! A contender that somebody looks at: what it does for it, and who asks for that.

use std::env;
use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use anyhow::{ensure, Result};

/// In the environment of every contender.
const VARIABLE: &str = "PEERS_TRACED";
const STRACE: &str = "strace";
const STEP: &str = "step";

static TRACED: AtomicBool = AtomicBool::new(false);
static STEPPED: AtomicBool = AtomicBool::new(false);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tracer {
    Strace,
    /// The stepper, which is its parent.
    Step,
}

impl Tracer {
    pub(crate) fn environment(tracer: Option<Tracer>) -> (&'static str, &'static str) {
        let value = match tracer {
            None => "no",
            Some(Tracer::Strace) => STRACE,
            Some(Tracer::Step) => STEP,
        };
        (VARIABLE, value)
    }
}

/// Nothing is timed then.
pub(crate) fn is_on() -> bool {
    TRACED.load(Relaxed)
}

/// Blocks SIGCHLD, which nobody handles here, but under ptrace each one interrupts a wait.
///
/// Otherwise only those do that come while the spawning thread blocks all signals, around its clone: they go to
/// a helper, which wakes for nothing. That is in the CPU time, and not in these counts.
pub(crate) fn prepare() -> Result<()> {
    let tracer = env::var_os(VARIABLE).unwrap_or_default();
    if tracer == STRACE || tracer == STEP {
        TRACED.store(true, Relaxed);
        STEPPED.store(tracer == STEP, Relaxed);
        let mut signals = MaybeUninit::uninit();
        // SAFETY: sigemptyset makes the set, before anything reads it; the old mask is not asked for.
        let result = unsafe {
            libc::sigemptyset(signals.as_mut_ptr());
            libc::sigaddset(signals.as_mut_ptr(), libc::SIGCHLD);
            libc::pthread_sigmask(libc::SIG_BLOCK, signals.as_ptr(), ptr::null_mut())
        };
        ensure!(result == 0, "pthread_sigmask: {}", io::Error::from_raw_os_error(result));
    }
    Ok(())
}

/// For the stepper: where it begins to count, and where it ends.
pub(crate) fn stop() {
    if STEPPED.load(Relaxed) {
        // SAFETY: no memory is involved. The second time, it is traced already, and the first call fails.
        unsafe {
            libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0);
            libc::raise(libc::SIGSTOP);
        }
    }
}

/// This process, and those that it starts, on one processor: a tracer and what it traces run in turn, and waking
/// another processor takes longer than a step.
pub(crate) struct OneProcessor(libc::cpu_set_t);

impl OneProcessor {
    pub(crate) fn new() -> Result<OneProcessor> {
        // SAFETY: all zeros is the empty set.
        let (mut before, mut one): (libc::cpu_set_t, libc::cpu_set_t) = unsafe { std::mem::zeroed() };
        let size = std::mem::size_of::<libc::cpu_set_t>();
        // SAFETY: both sets have the size that is told.
        let result = unsafe {
            let current = libc::sched_getcpu();
            libc::CPU_SET(usize::try_from(current).unwrap_or(0), &mut one);
            match libc::sched_getaffinity(0, size, &mut before) {
                0 => libc::sched_setaffinity(0, size, &one),
                error => error,
            }
        };
        ensure!(result == 0, "sched_setaffinity: {}", io::Error::last_os_error());
        Ok(OneProcessor(before))
    }
}

impl Drop for OneProcessor {
    fn drop(&mut self) {
        // SAFETY: it only reads the set. It was allowed before.
        unsafe { libc::sched_setaffinity(0, std::mem::size_of::<libc::cpu_set_t>(), &self.0) };
    }
}
