//! `name_to_handle_at` and `open_by_handle_at`, on pidfds.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use libc::{c_int, c_long, c_uint};

/// `struct file_handle` with room for what a pidfd has.
#[repr(C)]
struct FileHandle {
    /// In: how much room there is. Out: how much is used.
    bytes: c_uint,
    kind: c_int,
    /// In the byte order of this processor.
    id: [u8; 8],
}

/// `FILEID_KERNFS`, which pidfds share with the file system of cgroups.
const KIND: c_int = 0xfe;

/// The id of the process behind a pidfd; `EOPNOTSUPP` before Linux 6.16.
pub(crate) fn id(pidfd: BorrowedFd<'_>) -> io::Result<u64> {
    let mut handle = FileHandle { bytes: size_of::<u64>() as c_uint, kind: 0, id: [0; 8] };
    let mut mount: c_int = 0;
    // SAFETY: the path ends with a zero byte. The kernel writes at most the handle, whose room it was given, and an
    // integer.
    let result = unsafe {
        libc::syscall(
            libc::SYS_name_to_handle_at,
            pidfd.as_raw_fd() as c_long,
            c"".as_ptr(),
            &raw mut handle,
            &raw mut mount,
            libc::AT_EMPTY_PATH as c_long,
        )
    };
    super::check(result)?;
    match (handle.kind, handle.bytes) {
        (KIND, 8) => Ok(u64::from_ne_bytes(handle.id)),
        _ => Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP)),
    }
}

/// A new pidfd of the process with this id. `any` is a pidfd of any process.
pub(crate) fn open(any: BorrowedFd<'_>, id: u64) -> io::Result<OwnedFd> {
    let handle = FileHandle { bytes: size_of::<u64>() as c_uint, kind: KIND, id: id.to_ne_bytes() };
    // SAFETY: the kernel reads the handle, which is as large as it says.
    let result = unsafe {
        libc::syscall(
            libc::SYS_open_by_handle_at,
            any.as_raw_fd() as c_long,
            &raw const handle,
            libc::O_CLOEXEC as c_long,
        )
    };
    let fd = super::check(result)?;
    // SAFETY: a new descriptor, which nobody else knows.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}
