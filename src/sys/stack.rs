//! Stacks for children that run on the memory of their parent: its own may be small.

use std::io;
use std::mem::forget;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering};

/// Enough for the child in a build without optimization, where it was measured to need 3 KiB.
/// A stack begins at a multiple of it.
pub(super) const SIZE: usize = 32 * 1024;

/// More than any page.
const GUARD: usize = 64 * 1024;

/// With what is left free for the sake of the beginning.
const MAPPED: usize = GUARD + SIZE + SIZE;

/// How many are kept for the next children.
const KEPT: usize = 16;

/// Those that are kept, and null. A copy of this process finds no lock here, and its copies of them are its own.
static FREE: [AtomicPtr<u8>; KEPT] = [const { AtomicPtr::new(null_mut()) }; KEPT];

/// A mapping in which what lies below the stack cannot be accessed: a child that needs more than there is ends, and
/// harms nobody.
#[derive(Debug)]
pub(super) struct Stack(*mut u8);

impl Stack {
    /// One that is kept, or a new one.
    pub(super) fn take() -> io::Result<Stack> {
        for slot in FREE.iter().filter(|slot| !slot.load(Ordering::Relaxed).is_null()) {
            let kept = slot.swap(null_mut(), Ordering::Acquire);
            if !kept.is_null() {
                return Ok(Stack(kept));
            }
        }
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK | libc::MAP_NORESERVE;
        // SAFETY: new memory, which nobody else knows of.
        let lowest = unsafe { libc::mmap(null_mut(), MAPPED, libc::PROT_NONE, flags, -1, 0) };
        if lowest == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let stack = Stack(lowest.cast());
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a part of that memory.
        match unsafe { libc::mprotect(stack.start().cast(), SIZE, access) } {
            0 => Ok(stack),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Keeps it for the next child. No child uses it any more.
    pub(super) fn give_back(self) {
        let is_kept = |slot: &AtomicPtr<u8>| {
            slot.compare_exchange(null_mut(), self.0, Ordering::Release, Ordering::Relaxed).is_ok()
        };
        if FREE.iter().any(is_kept) {
            forget(self);
        }
    }

    pub(super) fn start(&self) -> *mut u8 {
        let lowest = self.0.wrapping_add(GUARD);
        lowest.wrapping_add(lowest.align_offset(SIZE))
    }

    /// The beginning of the one on which this code runs.
    pub(super) fn of_this_thread() -> *mut u8 {
        let mut local = 0u8;
        let here = std::hint::black_box(&raw mut local);
        here.wrapping_sub(here as usize % SIZE)
    }

    pub(super) fn size(&self) -> usize {
        SIZE
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: mapped by `take` with this size, and nobody runs on it: its holder says so by dropping it.
        unsafe { libc::munmap(self.0.cast(), MAPPED) };
    }
}
