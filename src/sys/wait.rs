//! `waitid(P_PIDFD)` with its fifth argument, the resource use, which libc's wrapper lacks; and our own resource use.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicIsize, Ordering::Relaxed};

use libc::{c_int, c_long};

/// What `waitid` reports of a process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waited {
    /// `si_code`: one of the `CLD_*` constants.
    pub(crate) code: c_int,
    /// `si_status`: an exit code or a signal number, as `code` says.
    pub(crate) status: c_int,
}

/// The kernel's `struct rusage`.
///
/// libc's type has the time fields of the C library, which differ from the kernel's on some 32-bit systems.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rusage {
    pub(crate) user: Timeval,
    pub(crate) system: Timeval,
    /// In KiB.
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
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Timeval {
    pub(crate) seconds: c_long,
    pub(crate) micros: c_long,
}

/// Waits for a state change of the process behind `pidfd`; `None` where `WNOHANG` found nothing.
pub(crate) fn waitid(
    pidfd: BorrowedFd<'_>,
    options: c_int,
    usage: Option<&mut Rusage>,
) -> io::Result<Option<Waited>> {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    // SAFETY: the kernel writes at most a `siginfo_t` and, unless that is null, a `struct rusage`, which is integers.
    // Both buffers are that large and live until the call returns.
    let result = unsafe {
        libc::syscall(
            libc::SYS_waitid,
            libc::P_PIDFD as c_long,
            pidfd.as_raw_fd() as c_long,
            info.as_mut_ptr(),
            options as c_long,
            usage.map_or(std::ptr::null_mut(), std::ptr::from_mut),
        )
    };
    super::check(result)?;
    // SAFETY: all-zero bytes are valid for the type, and the kernel wrote only integers over them.
    let info = unsafe { info.assume_init_ref() };
    // SAFETY: `waitid` fills the SIGCHLD variant of the union; where it found nothing it is all zero.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    Ok((pid != 0).then_some(Waited { code: info.si_code, status }))
}

/// Whether a peak of resident memory, in KiB, exceeds our own.
///
/// Ours only grows, so the kernel is asked only about a peak above what it said last. A copy made by `fork` begins
/// with less than its parent: there the answer may be "no" where it need not be.
pub(crate) fn exceeds_own_peak(peak: c_long) -> bool {
    static OWN: AtomicIsize = AtomicIsize::new(0);
    let peak = peak as isize;
    peak > OWN.load(Relaxed) && {
        let own = own_peak();
        OWN.fetch_max(own, Relaxed);
        peak > own
    }
}

/// The peak of our resident memory, in KiB. If a filter refuses the call, the largest number.
fn own_peak() -> isize {
    let mut usage = MaybeUninit::<Rusage>::zeroed();
    // SAFETY: the kernel writes at most a `struct rusage`, and the buffer is that large and lives until the call
    // returns.
    let result =
        unsafe { libc::syscall(libc::SYS_getrusage, libc::RUSAGE_SELF as c_long, usage.as_mut_ptr()) };
    match super::check(result) {
        // SAFETY: all-zero bytes are valid for the type, and the kernel wrote only integers over them.
        Ok(_) => unsafe { usage.assume_init() }.max_rss as isize,
        Err(_) => isize::MAX,
    }
}
