//! The scenarios of `pidfd_getfd_test`: another process's descriptors.

use std::fs::{self, File};
use std::io::Write;

use childset::{Gone, Pidfd};
use rustix::io::{fcntl_getfd, FdFlags};

use crate::common::{check_leaks, held};
use crate::roles::Talking;

pub(crate) fn fetch() {
    check_leaks(|| {
        let mut child = Talking::role("not_dumpable");
        let number = child.said().parse().unwrap();
        let pidfd = child.pidfd();
        let fetched = pidfd.getfd(number).unwrap();
        assert!(fcntl_getfd(&fetched).unwrap().contains(FdFlags::CLOEXEC));
        // The same open file: it shares the offset.
        File::from(fetched).write_all(b"four").unwrap();
        let its = fs::read_to_string(format!("/proc/{}/fdinfo/{number}", child.child.id())).unwrap();
        assert!(its.starts_with("pos:\t4\n"), "{its}");
        assert_eq!(pidfd.getfd(111).unwrap_err().raw_os_error(), Some(libc::EBADF));
        drop(child.stdin);
        assert!(pidfd.wait().unwrap().success());
    });
}

pub(crate) fn not_traceable() {
    if !crate::common::may_be_ordinary() {
        return;
    }
    check_leaks(|| {
        let mut child = Talking::role("not_dumpable");
        let number = child.said().parse().unwrap();
        let pidfd = child.pidfd();
        child.tell("x");
        assert_eq!(child.said(), "not dumpable");
        let user = rustix::process::geteuid();
        // Without the capability to trace anything.
        // SAFETY: this process has one thread that makes calls, and becomes what it was.
        let is_root = user.is_root() && unsafe { libc::seteuid(65534) } == 0;
        let result = pidfd.getfd(number);
        if is_root {
            // SAFETY: as above.
            assert_eq!(unsafe { libc::seteuid(0) }, 0);
        }
        assert_eq!(result.unwrap_err().raw_os_error(), Some(libc::EPERM));
        drop(child);
        assert!(pidfd.wait().unwrap().success());
    });
}

pub(crate) fn reaped() {
    check_leaks(|| {
        let child = held();
        let pidfd = Pidfd::from_child(&child).unwrap();
        pidfd.kill().unwrap();
        pidfd.wait().unwrap();
        // Not EBADF, as if the descriptor were to blame.
        for number in [0, 111] {
            let error = pidfd.getfd(number).unwrap_err();
            assert_eq!(Gone::from_io_error(&error), Some(Gone::Reaped));
        }
    });
}
