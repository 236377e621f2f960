//! `ioctl(PIDFD_GET_INFO)`.

use std::io;
use std::os::fd::BorrowedFd;

use rustix::io::Errno;
use rustix::ioctl::{ioctl, opcode, Opcode, Updater};

pub(crate) const PID: u64 = 1 << 0;
pub(crate) const CREDS: u64 = 1 << 1;
pub(crate) const CGROUP: u64 = 1 << 2;
pub(crate) const EXIT: u64 = 1 << 3;
pub(crate) const COREDUMP: u64 = 1 << 4;
pub(crate) const SUPPORTED: u64 = 1 << 5;
pub(crate) const COREDUMP_SIGNAL: u64 = 1 << 6;
pub(crate) const COREDUMP_CODE: u64 = 1 << 7;

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

/// What later versions of the structure added.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LaterInfo {
    pub(crate) coredump_mask: u32,
    pub(crate) coredump_signal: u32,
    pub(crate) coredump_code: u32,
    padding: u32,
    supported: u64,
}

impl LaterInfo {
    /// The bits that the kernel knows. `filled` are those of the fields that it filled in.
    ///
    /// The 80-byte version (6.19, 7.0) had them where the 88-byte one (7.1) has `coredump_code`.
    pub(crate) fn supported(&self, filled: u64) -> u64 {
        match self.supported {
            0 if filled & COREDUMP_CODE == 0 => self.coredump_code.into(),
            supported => supported,
        }
    }
}

/// Asks the kernel for the fields in `mask`.
pub(crate) fn get(pidfd: BorrowedFd<'_>, mask: u64) -> io::Result<RawInfo> {
    const GET_INFO: Opcode = opcode::read_write::<RawInfo>(0xFF, 11);
    let mut info = RawInfo { mask, ..RawInfo::default() };
    // SAFETY: the opcode encodes the size of `RawInfo`, so the kernel writes at most that many bytes,
    // all of them integers. On a descriptor that is no pidfd the number may name another driver's
    // call, but its size field is still the size of the buffer.
    unsafe { ioctl(pidfd, Updater::<GET_INFO, RawInfo>::new(&mut info)) }?;
    Ok(info)
}

/// Asks the kernel for everything that it knows.
pub(crate) fn get_all(pidfd: BorrowedFd<'_>) -> io::Result<(RawInfo, LaterInfo)> {
    #[repr(C)]
    struct AllInfo(RawInfo, LaterInfo);
    const GET_INFO: Opcode = opcode::read_write::<AllInfo>(0xFF, 11);
    let mask = PID | CREDS | CGROUP | EXIT | COREDUMP | SUPPORTED;
    let mut info = AllInfo(RawInfo { mask, ..RawInfo::default() }, LaterInfo::default());
    // SAFETY: as in `get`, with `AllInfo`.
    match unsafe { ioctl(pidfd, Updater::<GET_INFO, AllInfo>::new(&mut info)) } {
        Ok(()) => Ok((info.0, info.1)),
        // Should a kernel take nothing longer than its own structure.
        Err(Errno::INVAL | Errno::TOOBIG) => Ok((get(pidfd, mask)?, LaterInfo::default())),
        Err(error) => Err(error.into()),
    }
}
