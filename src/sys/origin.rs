//! Which process this is: the one that made a thing, or a copy of it, made by a plain `fork`.
//!
//! Processes are counted along a line of copies: the first that asks is 1, a copy of it 2. The number lies in a page that
//! the kernel empties in each copy (`MADV_WIPEONFORK`, Linux 4.14), whoever makes it and by whatever call. So it costs a
//! load to know it. Without such a page, it costs a getpid(2).

use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, AtomicU16, AtomicU64, Ordering};

/// The process that made something.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Origin(u16);

impl Origin {
    /// This process.
    #[inline]
    pub(crate) fn here() -> Origin {
        Origin(number())
    }

    /// Whether that is this process, and not one that it is a copy of.
    #[inline]
    pub(crate) fn is_here(self) -> bool {
        self.0 == number()
    }

    /// How many copies lie between the first process that used this crate and this one.
    #[cfg(feature = "async-io")]
    pub(crate) fn copies(self) -> u16 {
        self.0.saturating_sub(1)
    }
}

/// The highest number so far on this line. A copy starts with that of the process that it was made from.
static HIGHEST: AtomicU16 = AtomicU16::new(0);

/// The number, in the page that is wiped; null before it was mapped, and `NO_PAGE` where it cannot be.
static PAGE: AtomicPtr<AtomicU16> = AtomicPtr::new(null_mut());

/// Always 0.
static NO_PAGE: AtomicU16 = AtomicU16::new(0);

#[inline]
fn number() -> u16 {
    let page = PAGE.load(Ordering::Acquire);
    // SAFETY: it is null, or leads to a page of zeros or what was stored there since, which is never unmapped, or to
    // `NO_PAGE`.
    match unsafe { page.as_ref() }.map(|number| number.load(Ordering::Acquire)) {
        Some(number @ 1..) => number,
        _ => find_number(),
    }
}

/// As `number`, where the process may have none yet.
#[cold]
fn find_number() -> u16 {
    let mut page = PAGE.load(Ordering::Acquire);
    if page.is_null() {
        page = map();
    }
    if std::ptr::eq(page, &NO_PAGE) {
        return number_by_pid();
    }
    // SAFETY: `PAGE` leads to a page of zeros, or to what was stored there since, and it is never unmapped.
    let number = unsafe { &*page };
    match number.load(Ordering::Acquire) {
        // One of several threads numbers the process; none of them sees another number.
        0 => {
            // Noted first: a copy that is made in between must not get the same.
            let next = HIGHEST.load(Ordering::Acquire).wrapping_add(1).max(1);
            HIGHEST.store(next, Ordering::Release);
            match number.compare_exchange(0, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => next,
                Err(number) => number,
            }
        }
        number => number,
    }
}

/// No lock is held meanwhile, which a copy would find locked for good.
#[cold]
fn map() -> *mut AtomicU16 {
    const LENGTH: usize = 4096;
    let access = libc::PROT_READ | libc::PROT_WRITE;
    let private = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a new page, wherever the kernel likes. What is unmapped is that one alone, before anybody knows it.
    let new = unsafe {
        let page = libc::mmap(null_mut(), LENGTH, access, private, -1, 0);
        if page == libc::MAP_FAILED {
            (&NO_PAGE as *const AtomicU16).cast_mut()
        } else if libc::madvise(page, LENGTH, libc::MADV_WIPEONFORK) != 0 {
            libc::munmap(page, LENGTH);
            (&NO_PAGE as *const AtomicU16).cast_mut()
        } else {
            page.cast()
        }
    };
    match PAGE.compare_exchange(null_mut(), new, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => new,
        Err(page) => {
            if !std::ptr::eq(new, &NO_PAGE) {
                // SAFETY: the page above, which nobody else knows.
                unsafe { libc::munmap(new.cast(), LENGTH) };
            }
            page
        }
    }
}

/// As `number`, by a comparison of pids.
fn number_by_pid() -> u16 {
    /// The pid, and in the lower 16 bits the number.
    static KNOWN: AtomicU64 = AtomicU64::new(0);
    let pid = u64::from(std::process::id());
    let known = KNOWN.load(Ordering::Acquire);
    if known >> 16 == pid {
        return known as u16;
    }
    let new = (pid << 16) | ((known + 1) & 0xffff);
    match KNOWN.compare_exchange(known, new, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => new as u16,
        Err(known) => known as u16,
    }
}

/// A static that each process has for itself: a copy makes it anew, and leaves what it finds as it is, locks included.
pub(crate) struct PerProcess<T: 'static> {
    /// Null before it is made. Never freed.
    made: AtomicPtr<(Origin, T)>,
    make: fn() -> T,
}

impl<T: Send + Sync> PerProcess<T> {
    pub(crate) const fn new(make: fn() -> T) -> PerProcess<T> {
        PerProcess { made: AtomicPtr::new(null_mut()), make }
    }

    #[inline]
    pub(crate) fn get(&'static self) -> &'static T {
        let found = self.made.load(Ordering::Acquire);
        // SAFETY: it is null, or was made from a `Box` below, which nobody frees.
        match unsafe { found.as_ref() } {
            Some((origin, value)) if origin.is_here() => value,
            _ => self.make(found),
        }
    }

    #[cold]
    fn make(&'static self, found: *mut (Origin, T)) -> &'static T {
        let new = Box::into_raw(Box::new((Origin::here(), (self.make)())));
        match self.made.compare_exchange(found, new, Ordering::AcqRel, Ordering::Acquire) {
            // SAFETY: from a `Box`, which nobody frees from now on.
            Ok(_) => unsafe { &(*new).1 },
            Err(made) => {
                // SAFETY: another thread was faster. The new one is known here alone; and the other is as above.
                unsafe {
                    drop(Box::from_raw(new));
                    &(*made).1
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_has_one_number() {
        let here = Origin::here();
        let threads: Vec<_> = (0..8).map(|_| std::thread::spawn(Origin::here)).collect();
        assert!(threads.into_iter().all(|thread| thread.join().unwrap() == here) && here.is_here());
        assert_eq!((number_by_pid(), number_by_pid()), (1, 1));
    }

    #[test]
    fn all_threads_find_the_same() {
        static VALUE: PerProcess<AtomicU16> = PerProcess::new(|| AtomicU16::new(7));
        let threads: Vec<_> =
            (0..8).map(|_| std::thread::spawn(|| VALUE.get() as *const AtomicU16 as usize)).collect();
        let here = VALUE.get() as *const AtomicU16 as usize;
        assert!(threads.into_iter().all(|thread| thread.join().unwrap() == here));
    }
}
