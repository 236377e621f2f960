//! A child's descriptors, between `clone3` or `fork` and `execve`: installing and closing them.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use super::plan::{Source, Stage};
use super::raw::call;

const CLOSE_RANGE_CLOEXEC: u32 = 1 << 2;

/// A copy, under a number from this one on, of what a child would inherit; nothing if there is none, or if `execve` would
/// close it.
pub(crate) fn copy_of_inherited(number: RawFd, from: RawFd) -> io::Result<Option<OwnedFd>> {
    // SAFETY: it only asks, and makes a descriptor that nobody knows.
    unsafe {
        let flags = libc::fcntl(number, libc::F_GETFD);
        if flags == -1 || flags & libc::FD_CLOEXEC != 0 {
            return Ok(None);
        }
        match libc::fcntl(number, libc::F_DUPFD_CLOEXEC, from) {
            -1 => match io::Error::last_os_error() {
                // Another thread has closed it.
                error if error.raw_os_error() == Some(libc::EBADF) => Ok(None),
                // The limit does not allow the number.
                error if error.raw_os_error() == Some(libc::EINVAL) => {
                    Err(io::Error::from_raw_os_error(libc::EMFILE))
                }
                error => Err(error),
            },
            copy => Ok(Some(OwnedFd::from_raw_fd(copy))),
        }
    }
}

/// Whether there is no descriptor under this number.
pub(crate) fn is_free(number: RawFd) -> bool {
    // SAFETY: it only asks.
    unsafe { libc::fcntl(number, libc::F_GETFD) == -1 }
}

/// `dup3` without flags: the new descriptor stays open over `execve`.
///
/// # Safety
/// In a new process with a descriptor table of its own, before `execve`.
pub(super) unsafe fn dup_to(source: usize, number: usize) -> Result<(), i32> {
    // SAFETY: it touches no memory, and the table is the caller's to change.
    unsafe { call(libc::SYS_dup3, [source, number, 0, 0, 0]) }.map(drop)
}

/// Makes one of 0, 1 and 2 what the plan says.
///
/// # Safety
/// As [`dup_to`].
pub(super) unsafe fn set_stdio(number: usize, source: &Source<'_>) -> Result<(), i32> {
    match source {
        Source::Inherit => Ok(()),
        // SAFETY: the caller's promise.
        Source::Fd(fd) => unsafe { dup_to(fd.number() as usize, number) },
        Source::Stdout => {
            // One that closes itself is not the child's: where the parent has none, its next descriptor gets the number.
            // SAFETY: asks for flags.
            match unsafe { call(libc::SYS_fcntl, [1, libc::F_GETFD as usize, 0, 0, 0]) }? {
                // SAFETY: the caller's promise.
                flags if flags & libc::FD_CLOEXEC as usize == 0 => unsafe { dup_to(1, number) },
                _ => Err(libc::EBADF),
            }
        }
        Source::Closed => {
            // It may be free already.
            // SAFETY: the table is the caller's to change.
            let _ = unsafe { call(libc::SYS_close, [number, 0, 0, 0, 0]) };
            Ok(())
        }
        Source::Null => {
            let access = if number == 0 { libc::O_RDONLY } else { libc::O_WRONLY };
            let (path, flags) = (c"/dev/null".as_ptr() as usize, (access | libc::O_CLOEXEC) as usize);
            // SAFETY: the path is a constant; and the caller's promise.
            unsafe {
                let fd = call(libc::SYS_openat, [libc::AT_FDCWD as usize, path, flags, 0, 0])?;
                if fd == number {
                    // There was none under this number: it must only be kept open.
                    return call(libc::SYS_fcntl, [fd, libc::F_SETFD as usize, 0, 0, 0]).map(drop);
                }
                dup_to(fd, number)?;
                call(libc::SYS_close, [fd, 0, 0, 0, 0]).map(drop)
            }
        }
    }
}

/// Keeps the descriptor open over `execve`.
///
/// # Safety
/// As [`dup_to`].
pub(super) unsafe fn keep_open(fd: usize) {
    // SAFETY: it touches no memory, and the table is the caller's to change. It fails on no descriptor that is open.
    let _ = unsafe { call(libc::SYS_fcntl, [fd, libc::F_SETFD as usize, 0, 0, 0]) };
}

/// Takes pairs of a number and its source.
///
/// # Safety
/// As [`dup_to`].
pub(super) unsafe fn install_fds(fds: impl IntoIterator<Item = (RawFd, RawFd)>) -> Result<(), (Stage, i32)> {
    for (number, source) in fds {
        // SAFETY: the caller's promise.
        let done = unsafe { dup_to(source as usize, number as usize) };
        done.map_err(|errno| (Stage::Fd(number), errno))?;
    }
    Ok(())
}

/// # Safety
/// As [`dup_to`].
pub(super) unsafe fn close_fds(ranges: &[(u32, u32)], singly: bool) -> Result<(), i32> {
    if singly {
        return each_open(ranges, |fd| {
            // SAFETY: it touches no memory, and the table is the caller's to change.
            let _ = unsafe { call(libc::SYS_close, [fd, 0, 0, 0, 0]) };
        });
    }
    for &(first, last) in ranges {
        // SAFETY: it touches no memory, and the table is the caller's to change.
        unsafe { call(libc::SYS_close_range, [first as usize, last as usize, 0, 0, 0]) }?;
    }
    Ok(())
}

/// Acts on each open descriptor in the ranges, by the child's own list: another thread of the parent may have
/// opened one until the very moment when the table was copied. Allocates nothing.
fn each_open(ranges: &[(u32, u32)], act: impl Fn(usize)) -> Result<(), i32> {
    /// `struct linux_dirent64`: where its length and its name are.
    const LENGTH: usize = 16;
    const NAME: usize = 19;
    if ranges.is_empty() {
        return Ok(());
    }
    let path = c"/proc/self/fd".as_ptr() as usize;
    let flags = (libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC) as usize;
    // SAFETY: the path is a constant.
    let directory = unsafe { call(libc::SYS_openat, [libc::AT_FDCWD as usize, path, flags, 0, 0]) }?;
    let mut entries = [0u8; 1024];
    loop {
        // The kernel goes on after the last number that it gave, whatever is closed meanwhile.
        let buffer = entries.as_mut_ptr() as usize;
        // SAFETY: the kernel writes into the buffer, which is that long and nobody else's.
        let filled = unsafe { call(libc::SYS_getdents64, [directory, buffer, entries.len(), 0, 0]) }?;
        if filled == 0 {
            // SAFETY: the descriptor was opened above, and is used no more.
            return unsafe { call(libc::SYS_close, [directory, 0, 0, 0, 0]) }.map(drop);
        }
        let mut entry = entries.get(..filled).unwrap_or(&[]);
        while let (Some(&[low, high]), Some(name)) = (entry.get(LENGTH..LENGTH + 2), entry.get(NAME..)) {
            if let Some(fd) = number(name) {
                let wanted = ranges.iter().any(|&(first, last)| (first..=last).contains(&(fd as u32)));
                if wanted && fd != directory {
                    act(fd);
                }
            }
            let length = usize::from(u16::from_ne_bytes([low, high]));
            entry = entry.get(length..).unwrap_or(&[]);
        }
    }
}

/// The number that begins a name and is followed by a null byte.
fn number(name: &[u8]) -> Option<usize> {
    let mut number = None;
    for &byte in name {
        match byte {
            b'0'..=b'9' => number = Some(number.unwrap_or(0) * 10 + usize::from(byte - b'0')),
            0 => return number,
            _ => return None,
        }
    }
    None
}

/// Closes now what `execve` would close, above the standard ones, except for one.
///
/// # Safety
/// As [`dup_to`].
pub(super) unsafe fn close_marked(except: Option<usize>) -> Result<(), i32> {
    each_open(&[(3, u32::MAX)], |fd| {
        if Some(fd) == except {
            return;
        }
        // SAFETY: they touch no memory, and the table is the caller's to change.
        unsafe {
            let flags = call(libc::SYS_fcntl, [fd, libc::F_GETFD as usize, 0, 0, 0]);
            if flags.is_ok_and(|flags| flags & libc::FD_CLOEXEC as usize != 0) {
                let _ = call(libc::SYS_close, [fd, 0, 0, 0, 0]);
            }
        }
    })
}

/// Lets `execve` close the descriptors in the ranges.
///
/// # Safety
/// As [`dup_to`].
pub(super) unsafe fn mark_fds(ranges: &[(u32, u32)]) -> Result<(), i32> {
    let range = |first: u32, last: u32| {
        let args = [first as usize, last as usize, CLOSE_RANGE_CLOEXEC as usize, 0, 0];
        // SAFETY: it touches no memory, and the table is the caller's to change.
        unsafe { call(libc::SYS_close_range, args) }
    };
    if ranges.iter().all(|&(first, last)| range(first, last).is_ok()) {
        return Ok(());
    }
    // Before Linux 5.11, or where a filter refuses it.
    each_open(ranges, |fd| {
        let flags = libc::FD_CLOEXEC as usize;
        // SAFETY: it touches no memory, and the table is the caller's to change.
        let _ = unsafe { call(libc::SYS_fcntl, [fd, libc::F_SETFD as usize, flags, 0, 0]) };
    })
}
