//! The scenarios of `pidfd_test` that send signals.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU32, Ordering};

use childset::{Gone, Pidfd, Signal};

use crate::common::{check_leaks, held, until_ended};

static RECEIVED: AtomicU32 = AtomicU32::new(0);

extern "C" fn handler(_: i32) {
    RECEIVED.fetch_add(1, Ordering::Relaxed);
}

pub(crate) fn to_ourselves() {
    check_leaks(|| {
        // SAFETY: the handler writes an atomic alone.
        let before =
            unsafe { libc::signal(libc::SIGUSR1, handler as extern "C" fn(i32) as libc::sighandler_t) };
        let directory = OwnedFd::from(File::open("/proc/self").unwrap());
        for pidfd in [Pidfd::open(std::process::id()).unwrap(), Pidfd::from(directory)] {
            pidfd.send_signal(0).unwrap();
            // This thread is the only one, so it has run the handler when the call returns.
            let count = RECEIVED.load(Ordering::Relaxed);
            pidfd.send_signal(Signal::USR1).unwrap();
            if crate::common::threads() == 1 {
                assert_eq!(RECEIVED.load(Ordering::Relaxed), count + 1);
            }
            while RECEIVED.load(Ordering::Relaxed) == count {
                std::thread::yield_now();
            }
        }
        // SAFETY: as it was.
        unsafe { libc::signal(libc::SIGUSR1, before) };
    });
}

pub(crate) fn to_a_reaped_process() {
    check_leaks(|| {
        let mut child = held();
        let pidfd = Pidfd::from_child(&child).unwrap();
        let directory = File::open(format!("/proc/{}", child.id())).unwrap();
        let directory = Pidfd::from(OwnedFd::from(directory));
        drop(child.stdin.take());
        until_ended(&pidfd);
        // A zombie takes it.
        pidfd.send_signal(0).unwrap();
        assert!(child.wait().unwrap().success());
        for pidfd in [pidfd, directory] {
            for signal in [Signal::from(0), Signal::TERM] {
                let error = pidfd.send_signal(signal).unwrap_err();
                assert_eq!(Gone::from_io_error(&error), Some(Gone::Reaped));
            }
        }
    });
}
