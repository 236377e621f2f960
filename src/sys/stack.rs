//! Stacks for children that run on the memory of their parent: its own may be small.

use std::io;
use std::sync::Mutex;

use crate::sync::lock;

/// Enough for the child in a build without optimization, where it was measured to need 3 KiB.
const SIZE: usize = 32 * 1024;

/// More than any page.
const GUARD: usize = 64 * 1024;

/// How many are kept for the next children.
const KEPT: usize = 16;

static FREE: Mutex<Vec<Stack>> = Mutex::new(Vec::new());

/// A mapping whose lowest part cannot be accessed: a child that needs more than there is ends, and harms nobody.
#[derive(Debug)]
pub(super) struct Stack(*mut u8);

// SAFETY: memory of its own, which only its holder uses.
unsafe impl Send for Stack {}

impl Stack {
    /// One that is kept, or a new one.
    pub(super) fn take() -> io::Result<Stack> {
        if let Some(stack) = lock(&FREE).pop() {
            return Ok(stack);
        }
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK | libc::MAP_NORESERVE;
        // SAFETY: new memory, which nobody else knows of.
        let lowest = unsafe { libc::mmap(std::ptr::null_mut(), GUARD + SIZE, libc::PROT_NONE, flags, -1, 0) };
        if lowest == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let stack = Stack(lowest.cast());
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: the upper part of that memory.
        match unsafe { libc::mprotect(stack.start().cast(), SIZE, access) } {
            0 => Ok(stack),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Keeps it for the next child. No child uses it any more.
    pub(super) fn give_back(self) {
        let mut free = lock(&FREE);
        if free.len() < KEPT {
            free.push(self);
        }
    }

    pub(super) fn start(&self) -> *mut u8 {
        self.0.wrapping_add(GUARD)
    }

    pub(super) fn size(&self) -> usize {
        SIZE
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: mapped by `take` with this size, and nobody runs on it: its holder says so by dropping it.
        unsafe { libc::munmap(self.0.cast(), GUARD + SIZE) };
    }
}
