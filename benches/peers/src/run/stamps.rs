//! Memory in which children tell when they end.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

/// As build.rs has told the children.
const SIZE: usize = {
    let mut digits = env!("STAMPS_SIZE").as_bytes();
    let mut size = 0;
    while let [digit, rest @ ..] = digits {
        size = size * 10 + (*digit - b'0') as usize;
        digits = rest;
    }
    size
};

/// A copy of the standard output, for this process alone.
pub(super) fn keep_stdout() -> io::Result<File> {
    // SAFETY: no memory is involved.
    let copy = unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_DUPFD_CLOEXEC, 3) };
    if copy < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: fcntl has made it, and nobody else has it.
    Ok(unsafe { File::from_raw_fd(copy) })
}

/// The pid of a child, and the time of CLOCK_MONOTONIC at which it was about to end, in nanoseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamp {
    pub(super) pid: u32,
    pub(super) time: u64,
}

/// As `struct stamps` of c/child.c: a count, then pairs of pid and time, in the order in which the children end.
pub(super) struct Stamps(NonNull<AtomicU64>);

impl Stamps {
    /// As the standard output of the children that are spawned from now on.
    pub(super) fn new() -> io::Result<Stamps> {
        // SAFETY: the name ends with NUL.
        let made = unsafe { libc::memfd_create(c"stamps".as_ptr(), libc::MFD_CLOEXEC) };
        if made < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: memfd_create has made it, and nobody else has it.
        let file = unsafe { OwnedFd::from_raw_fd(made) };
        let fd = file.as_raw_fd();
        // SAFETY: no memory is involved.
        if unsafe { libc::ftruncate(fd, SIZE as libc::off_t) < 0 || libc::dup2(fd, libc::STDOUT_FILENO) < 0 }
        {
            return Err(io::Error::last_os_error());
        }
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping, which replaces none.
        let memory = unsafe { libc::mmap(std::ptr::null_mut(), SIZE, access, libc::MAP_SHARED, fd, 0) };
        match NonNull::new(memory) {
            Some(memory) if memory.as_ptr() != libc::MAP_FAILED => Ok(Stamps(memory.cast())),
            _ => Err(io::Error::last_os_error()),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.word(0) as usize
    }

    /// A child that has told its end is there.
    pub(super) fn get(&self, index: usize) -> Stamp {
        Stamp { pid: self.word(2 + 2 * index) as u32, time: self.word(3 + 2 * index) }
    }

    fn word(&self, index: usize) -> u64 {
        assert!(index < SIZE / 8, "more stamps than there is room for");
        // SAFETY: it lies within the mapping, which is aligned, begins as zeros, and stays for ever. Others write
        // to it, but whole words.
        unsafe { self.0.add(index).as_ref() }.load(Ordering::Acquire)
    }
}
