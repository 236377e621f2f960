//! This process: its user, its capabilities, its signals, its memory.

use std::io;

use super::skipped;

/// Blocks all signals for this thread, and for those that it starts.
pub(crate) fn block_signals() {
    // SAFETY: all-zero bytes are a valid set; the first call fills it, and the second reads it.
    unsafe {
        let mut all = std::mem::zeroed();
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_BLOCK, &all, std::ptr::null_mut());
    }
}

/// Handles a signal, and does nothing then.
pub(crate) fn handle(signal: i32) {
    extern "C" fn handler(_: i32) {}
    // SAFETY: a handler that does nothing.
    unsafe { libc::signal(signal, handler as extern "C" fn(i32) as libc::sighandler_t) };
}

/// Makes this process one of an ordinary user for good, if it is root's.
pub(crate) fn give_up_root(id: u32) {
    if rustix::process::geteuid().is_root() {
        // SAFETY: the calls read no memory, since the list of groups is empty.
        unsafe {
            assert_eq!(libc::setgroups(0, std::ptr::null()), 0);
            assert_eq!(libc::setgid(id), 0);
            assert_eq!(libc::setuid(id), 0);
        }
    }
}

/// Whether a process runs on our memory. `None` where the kernel does not say.
pub(crate) fn has_our_memory(pid: i32) -> Option<bool> {
    const KCMP_VM: usize = 1;
    // SAFETY: numbers.
    match unsafe { libc::syscall(libc::SYS_kcmp, libc::getpid(), pid, KCMP_VM, 0usize, 0usize) } {
        -1 => {
            skipped(format_args!("kcmp: {}", io::Error::last_os_error()));
            None
        }
        order => Some(order == 0),
    }
}

pub(crate) const CAP_SETGID: u32 = 6;
pub(crate) const CAP_SETUID: u32 = 7;

/// Makes this process one of an ordinary user, with these capabilities alone. It is root's, with one thread.
pub(crate) fn keep_capabilities(user: u32, capabilities: &[u32]) {
    let bits = capabilities.iter().fold(0u32, |bits, capability| bits | 1 << capability);
    // `_LINUX_CAPABILITY_VERSION_3`, of this thread.
    let header = [0x2008_0522u32, 0];
    // Effective, permitted, inheritable; and the same for those from 32 on.
    let data = [bits, bits, 0, 0, 0, 0];
    // SAFETY: the kernel reads two and six numbers.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_KEEPCAPS, 1, 0, 0, 0), 0);
        assert_eq!(libc::setresuid(user, user, user), 0);
        assert_eq!(libc::syscall(libc::SYS_capset, &header, &data), 0, "{}", io::Error::last_os_error());
    }
}
