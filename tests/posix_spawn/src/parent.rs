//! What the child has from the calling thread.

use std::mem::MaybeUninit;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// The signals that are blocked in the calling thread.
pub(crate) fn signal_mask() -> Vec<i32> {
    let mut set = MaybeUninit::<libc::sigset_t>::zeroed();
    // SAFETY: with no new mask it only writes the current one to `set`, which all zero is a value of too.
    let set = unsafe {
        libc::pthread_sigmask(libc::SIG_SETMASK, std::ptr::null(), set.as_mut_ptr());
        set.assume_init()
    };
    // SAFETY: reads the set alone.
    (1..=64).filter(|&signal| unsafe { libc::sigismember(&set, signal) } == 1).collect()
}

/// The scheduling policy that a child of the calling thread starts with.
pub(crate) fn policy_of_children() -> i32 {
    // SAFETY: touches no memory.
    let policy = unsafe { libc::sched_getscheduler(0) };
    let realtime = [libc::SCHED_FIFO, libc::SCHED_RR].contains(&(policy & !libc::SCHED_RESET_ON_FORK));
    match policy & libc::SCHED_RESET_ON_FORK != 0 {
        true if realtime => libc::SCHED_OTHER,
        _ => policy & !libc::SCHED_RESET_ON_FORK,
    }
}

/// The real ids, and where it takes privileges to keep them, the supplementary groups.
pub(crate) struct RealIds {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) groups: Option<Vec<u32>>,
}

pub(crate) fn real_ids() -> RealIds {
    // SAFETY: none touches memory.
    let (uid, gid, effective) = unsafe { (libc::getuid(), libc::getgid(), libc::geteuid()) };
    RealIds { uid, gid, groups: (effective == 0).then(groups) }
}

fn groups() -> Vec<u32> {
    // SAFETY: with length 0 nothing is written.
    let count = unsafe { libc::getgroups(0, std::ptr::null_mut()) };
    let mut groups = vec![0; count.max(0) as usize];
    // SAFETY: at most as many are written as the vector has.
    let count = unsafe { libc::getgroups(groups.len() as i32, groups.as_mut_ptr()) };
    groups.truncate(count.max(0) as usize);
    groups
}

/// While it lives, this thread accesses files as its real user and group.
pub(crate) struct AsRealIds(());

impl AsRealIds {
    pub(crate) fn new() -> AsRealIds {
        // SAFETY: none touches memory; the ids are the calling thread's alone.
        unsafe {
            libc::setfsgid(libc::getgid());
            libc::setfsuid(libc::getuid());
        }
        AsRealIds(())
    }
}

impl Drop for AsRealIds {
    fn drop(&mut self) {
        // SAFETY: as above.
        unsafe {
            libc::setfsuid(libc::geteuid());
            libc::setfsgid(libc::getegid());
        }
    }
}

/// A copy of one of this process's descriptors, at or above `floor`, or the errno.
pub(crate) fn copy_of(fd: RawFd, floor: RawFd) -> Result<OwnedFd, i32> {
    // SAFETY: touches no memory; where the number is not open, the kernel says so.
    let copy = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, floor) };
    if copy < 0 {
        return Err(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EBADF));
    }
    // SAFETY: the kernel made it for us.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

/// Whether this process has the descriptor.
pub(crate) fn has(fd: RawFd) -> bool {
    // SAFETY: touches no memory.
    unsafe { libc::fcntl(fd, libc::F_GETFD) >= 0 }
}
