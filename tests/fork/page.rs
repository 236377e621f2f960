//! How a copy is known: the page that the kernel empties, and pids where it does not.

use std::io;

use crate::anew::copy_of_a_copy;
use crate::common::{self, held_child};
use crate::inherited::{calls_of_a_child, calls_of_a_set, dropped_children_before};
use crate::{be_the_copy, ends_well, refused, works};

/// The kernel empties the page whoever makes the copy, and without glibc's knowledge.
pub(crate) fn raw_clone() {
    let (child, stdin) = held_child();
    // SAFETY: as fork(2). The copy has one thread, as this process has.
    match unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) } {
        0 => be_the_copy(|| {
            refused(child.try_wait());
            works();
        }),
        pid => ends_well(pid as i32),
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

pub(crate) fn refuse_the_page() {
    const MADV_WIPEONFORK: u32 = 18;
    let only = common::seccomp::Only { argument: 2, mask: u32::MAX, value: MADV_WIPEONFORK, negate: false };
    common::seccomp::filter(libc::SYS_madvise, Some(libc::EINVAL), Some(only)).unwrap();
    // SAFETY: it fails before it does anything.
    assert_eq!(unsafe { libc::madvise(std::ptr::null_mut(), 4096, MADV_WIPEONFORK as i32) }, -1);
    assert_eq!(io::Error::last_os_error().raw_os_error(), Some(libc::EINVAL));
}

/// Without `MADV_WIPEONFORK`, as before Linux 4.14 and under some emulators, pids are compared.
pub(crate) fn without_the_page() {
    // Its flag, in the list of mappings.
    assert!(!std::fs::read_to_string("/proc/self/smaps").unwrap().contains(" wf "));
    calls_of_a_child();
    calls_of_a_set();
    dropped_children_before();
    copy_of_a_copy();
}
