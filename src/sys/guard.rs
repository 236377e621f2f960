//! Signals that dump core, in a child that runs on our memory before Linux 5.16: there, a dump ends all who share it.
//!
//! The child catches them, up to the moment when `execve` gives it memory of its own and the signals their defaults. One
//! that comes before ends the child without a dump: its report says which, and the next child, on a copy, gets it.

use super::child::{bit, end};
use super::plan::{Failure, Stage};
use super::raw::call;
use super::report::Report;
use super::sigset::SigSet;
use super::stack::{Stack, SIZE};

const DUMPING: [i32; 10] = [
    libc::SIGQUIT,
    libc::SIGILL,
    libc::SIGTRAP,
    libc::SIGABRT,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGSEGV,
    libc::SIGXCPU,
    libc::SIGXFSZ,
    libc::SIGSYS,
];

/// `struct sigaction` of the kernel, on the processors that have a stack for the child.
#[repr(C)]
struct Action {
    handler: usize,
    flags: usize,
    restorer: usize,
    mask: u64,
}

const SA_RESTORER: usize = 0x0400_0000;

/// Catches those that have their defaults.
///
/// # Safety
/// In a new process on a [`Stack`], which is its own, with all signals blocked. The report stays until this process has
/// left our memory.
pub(super) unsafe fn catch_dumping(report: &Report) -> Result<(), i32> {
    let slot = Stack::of_this_thread() as *mut *const Report;
    // SAFETY: the lowest word of this process's own stack, which it has not come near to.
    unsafe { slot.write(report) };
    for signal in DUMPING {
        let handler = caught as unsafe extern "C" fn(i32) -> ! as usize;
        let mut before = Action { handler: 0, flags: 0, restorer: 0, mask: 0 };
        // It never returns: no restorer is ever called, but the kernel wants one.
        let action = Action { handler, flags: SA_RESTORER, restorer: handler, mask: u64::MAX };
        let [action, before_at] = [&action as *const Action as usize, &mut before as *mut Action as usize];
        // SAFETY: structures as the kernel has them, and the dispositions are this process's own.
        unsafe {
            call(libc::SYS_rt_sigaction, [signal as usize, 0, before_at, SigSet::SIZE, 0])?;
            if before.handler == libc::SIG_DFL {
                call(libc::SYS_rt_sigaction, [signal as usize, action, 0, SigSet::SIZE, 0])?;
            }
        }
    }
    Ok(())
}

/// # Safety
/// As a handler that [`catch_dumping`] has set.
unsafe extern "C" fn caught(signal: i32) -> ! {
    // SAFETY: `catch_dumping` has put it there. It is read whole and alone, since this process has one thread.
    unsafe {
        let report = *(Stack::of_this_thread() as *const *const Report);
        (*report).write(Failure { stage: Stage::Signal, errno: bit(signal) as i32 });
        end()
    }
}

const _: () = assert!(SIZE.is_power_of_two());
