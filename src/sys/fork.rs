//! What needs `unsafe` where `std` spawns for us: acting in its child, between `fork` and `execve`.

use std::fmt;
use std::io;
use std::os::fd::RawFd;
use std::os::unix::process::CommandExt;
use std::sync::{Arc, Mutex, PoisonError};

use super::clone::perform;
use super::descriptors::install;
use super::plan::Step;

/// What a caller wants to run in the child.
#[derive(Clone)]
pub(crate) struct PreExec(Arc<Mutex<dyn FnMut() -> io::Result<()> + Send + Sync>>);

impl fmt::Debug for PreExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PreExec(..)")
    }
}

impl PreExec {
    /// # Safety
    /// After a fork, `act` does only what signal-safety(7) allows.
    pub(crate) unsafe fn new(act: impl FnMut() -> io::Result<()> + Send + Sync + 'static) -> PreExec {
        PreExec(Arc::new(Mutex::new(act)))
    }
}

/// What a child of `std`'s failed at: `std` passes on the 32 bits of an errno, so it stands in the upper half.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Failed {
    /// `execve`, or what `std` itself does.
    Std,
    Descriptors,
    Act,
    /// The step with this index.
    Step(usize),
}

const DESCRIPTORS: i32 = 1;
const ACT: i32 = 2;
const FIRST_STEP: i32 = 3;

fn mark(errno: i32, failed: i32) -> io::Error {
    io::Error::from_raw_os_error((failed << 16) | (errno & 0xffff))
}

/// Takes apart what `std` reports.
pub(crate) fn unmark(number: i32) -> (Failed, i32) {
    let failed = match number >> 16 {
        DESCRIPTORS => Failed::Descriptors,
        ACT => Failed::Act,
        step if step >= FIRST_STEP => Failed::Step((step - FIRST_STEP) as usize),
        _ => Failed::Std,
    };
    (failed, number & 0xffff)
}

/// Whether this process ignores SIGPIPE, which `std` resets in each child.
fn ignores_sigpipe() -> bool {
    // SAFETY: all-zero bytes are a valid `sigaction`, which the call fills; it changes nothing.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(libc::SIGPIPE, std::ptr::null(), &mut action) == 0
            && action.sa_sigaction == libc::SIG_IGN
    }
}

/// Has the child of `command` take `steps`, install `fds` (number and source, of which none is the number of
/// another), close `close` (one by one, if `singly`), and run `acts`, before its `execve`.
pub(crate) fn before_exec(
    command: &mut std::process::Command,
    steps: Vec<Step>,
    fds: Vec<(RawFd, RawFd)>,
    close: Vec<(u32, u32)>,
    singly: bool,
    acts: Vec<PreExec>,
) {
    let ignores_sigpipe = ignores_sigpipe();
    let act = move || {
        if ignores_sigpipe {
            // SAFETY: a system call, in a child with one thread.
            unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
        }
        // SAFETY: a new process, made by `fork`.
        unsafe { install(&fds, &close, singly) }
            .map_err(|error| mark(error.raw_os_error().unwrap_or(libc::EINVAL), DESCRIPTORS))?;
        for (index, step) in steps.iter().enumerate() {
            // SAFETY: as above.
            unsafe { perform(step) }.map_err(|errno| mark(errno, FIRST_STEP + index as i32))?;
        }
        for PreExec(act) in &acts {
            // Only this child calls it; a parent's thread that held the lock is not in it.
            let mut act = match act.try_lock() {
                Ok(act) => act,
                Err(std::sync::TryLockError::Poisoned(poisoned)) => PoisonError::into_inner(poisoned),
                Err(std::sync::TryLockError::WouldBlock) => {
                    return Err(mark(libc::EDEADLK, ACT));
                }
            };
            act().map_err(|error| mark(error.raw_os_error().unwrap_or(libc::EINVAL), ACT))?;
        }
        Ok(())
    };
    // SAFETY: all but `acts` makes raw system calls on memory laid out before, and allocates nothing. The
    // callers of `PreExec::new` promise the same of `acts`.
    unsafe { command.pre_exec(act) };
}
