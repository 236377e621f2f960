//! `waitid(P_PIDFD)` with its fifth argument, the resource use, which libc's wrapper lacks.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};

use libc::{c_int, c_long};

/// What `waitid` reports of a process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waited {
    /// `si_code`: one of the `CLD_*` constants.
    pub(crate) code: c_int,
    /// `si_status`: an exit code or a signal number, as `code` says.
    pub(crate) status: c_int,
    pub(crate) usage: Rusage,
}

/// The kernel's `struct rusage`.
///
/// libc's type has the time fields of the C library, which differ from the kernel's on some 32-bit systems.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rusage {
    pub(crate) user: Timeval,
    pub(crate) system: Timeval,
    pub(crate) max_rss: c_long,
    unused: [c_long; 3],
    pub(crate) minor_faults: c_long,
    pub(crate) major_faults: c_long,
    swaps: c_long,
    pub(crate) blocks_in: c_long,
    pub(crate) blocks_out: c_long,
    messages: [c_long; 3],
    pub(crate) voluntary_switches: c_long,
    pub(crate) involuntary_switches: c_long,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeval {
    pub(crate) seconds: c_long,
    pub(crate) micros: c_long,
}

/// Waits for a state change of the process behind `pidfd`; `None` where `WNOHANG` found nothing.
pub(crate) fn waitid(pidfd: BorrowedFd<'_>, options: c_int) -> io::Result<Option<Waited>> {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    let mut usage = MaybeUninit::<Rusage>::zeroed();
    // SAFETY: the kernel writes at most a `siginfo_t` and a `struct rusage`, and both buffers are that
    // large and live until the call returns.
    let result = unsafe {
        libc::syscall(
            libc::SYS_waitid,
            libc::P_PIDFD as c_long,
            pidfd.as_raw_fd() as c_long,
            info.as_mut_ptr(),
            options as c_long,
            usage.as_mut_ptr(),
        )
    };
    super::check(result)?;
    // SAFETY: all-zero bytes are valid for both types, and the kernel wrote only integers over them.
    let (info, usage) = unsafe { (info.assume_init(), usage.assume_init()) };
    // SAFETY: `waitid` fills the SIGCHLD variant of the union; where it found nothing it is all zero.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    Ok((pid != 0).then_some(Waited { code: info.si_code, status, usage }))
}
