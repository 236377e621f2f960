//! `ioctl(PIDFD_GET_INFO)`.

use std::io;
use std::os::fd::BorrowedFd;

use rustix::ioctl::{ioctl, opcode, Updater};

pub(crate) const PID: u64 = 1 << 0;
pub(crate) const CREDS: u64 = 1 << 1;
pub(crate) const CGROUP: u64 = 1 << 2;
pub(crate) const EXIT: u64 = 1 << 3;

/// `struct pidfd_info` in its first, 64-byte version, which every kernel that has the call accepts.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RawInfo {
    /// In: what is asked for. Out: what was filled in.
    pub(crate) mask: u64,
    pub(crate) cgroup: u64,
    pub(crate) pid: u32,
    pub(crate) tgid: u32,
    pub(crate) ppid: u32,
    pub(crate) ruid: u32,
    pub(crate) rgid: u32,
    pub(crate) euid: u32,
    pub(crate) egid: u32,
    pub(crate) suid: u32,
    pub(crate) sgid: u32,
    pub(crate) fsuid: u32,
    pub(crate) fsgid: u32,
    /// In wait-status format.
    pub(crate) exit_code: i32,
}

const GET_INFO: rustix::ioctl::Opcode = opcode::read_write::<RawInfo>(0xFF, 11);

/// Asks the kernel for the fields in `mask`.
pub(crate) fn get(pidfd: BorrowedFd<'_>, mask: u64) -> io::Result<RawInfo> {
    let mut info = RawInfo { mask, ..RawInfo::default() };
    // SAFETY: the opcode encodes the size of `RawInfo`, so the kernel writes at most that many bytes,
    // all of them integers. On a descriptor that is no pidfd the number may name another driver's
    // call, but its size field is the size of the buffer all the same.
    unsafe { ioctl(pidfd, Updater::<GET_INFO, RawInfo>::new(&mut info)) }?;
    Ok(info)
}
