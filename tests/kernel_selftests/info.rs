//! The scenarios of `pidfd_info_test`: what a pidfd says of its process, and how that ended.

use std::io::{self, ErrorKind};
use std::os::fd::{FromRawFd, OwnedFd};
use std::process::Child;

use childset::{Gone, Info, Pidfd, Signal, State};

use crate::common::{check_leaks, held, held_with, kernel, until_ended, until_reaped, until_state};
use crate::roles::Talking;

/// The `si_code` of a signal that a process sent to its own thread.
const SI_TKILL: i32 = -6;

/// `None` where the kernel is too old to tell anything.
pub(crate) fn of(pidfd: &Pidfd) -> Option<Info> {
    match pidfd.info() {
        Ok(info) => Some(info),
        Err(error) => {
            assert!(error.kind() == ErrorKind::Unsupported && kernel() < (6, 13), "{error}");
            None
        }
    }
}

/// Each way to end: killed, and by itself.
fn dying(mut test: impl FnMut(Child, Pidfd, i32)) {
    let child = held();
    let pidfd = Pidfd::from_child(&child).unwrap();
    pidfd.kill().unwrap();
    test(child, pidfd, libc::SIGKILL);
    let (child, stdin) = held_with(0);
    let pidfd = Pidfd::from_child(&child).unwrap();
    drop(stdin);
    test(child, pidfd, 0);
}

pub(crate) fn of_a_zombie() {
    check_leaks(|| {
        dying(|mut child, pidfd, _| {
            until_ended(&pidfd);
            if let Some(info) = of(&pidfd) {
                assert_eq!(info.pid(), Some(child.id()));
                assert!(info.real_uid().is_some() && info.exit_status().is_none());
            }
            child.wait().unwrap();
        });
    });
}

pub(crate) fn of_a_reaped_process() {
    use std::os::unix::process::ExitStatusExt;
    check_leaks(|| {
        dying(|mut child, pidfd, status| {
            assert_eq!(child.wait().unwrap().into_raw(), status);
            until_reaped(&pidfd);
            assert_eq!(pidfd.state().unwrap(), State::Reaped);
            match pidfd.info() {
                Ok(info) => {
                    assert!(kernel() >= (6, 15));
                    assert_eq!(info.exit_status().map(ExitStatusExt::into_raw), Some(status));
                    assert_eq!((info.pid(), info.real_uid()), (None, None));
                }
                Err(error) if kernel() < (6, 13) => assert_eq!(error.kind(), ErrorKind::Unsupported),
                Err(error) => {
                    assert!(
                        Gone::from_io_error(&error) == Some(Gone::Reaped) && kernel() < (6, 15),
                        "{error}"
                    );
                }
            }
        });
    });
}

/// A pidfd of one thread; `None` before Linux 6.9.
fn open_thread(tid: u32) -> Option<Pidfd> {
    // SAFETY: the call makes a new descriptor, which is ours.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, tid, libc::O_EXCL) };
    if fd == -1 {
        let error = io::Error::last_os_error();
        assert!(error.raw_os_error() == Some(libc::EINVAL) && kernel() < (6, 9), "{error}");
        return None;
    }
    // SAFETY: as above.
    Some(Pidfd::from(unsafe { OwnedFd::from_raw_fd(fd as i32) }))
}

/// A process of two threads, and a pidfd of itself, of its first thread, and of its second.
struct Threads {
    process: Talking,
    pidfd: Pidfd,
    leader: Pidfd,
    second: Pidfd,
    tid: u32,
}

impl Threads {
    fn new(role: &str) -> Option<Threads> {
        let mut process = Talking::role(role);
        let tid = process.said().parse().unwrap();
        let pidfd = process.pidfd();
        let error = Pidfd::open(tid).unwrap_err().raw_os_error();
        // EINVAL up to 6.15, later ENOENT.
        assert!(error == Some(libc::ENOENT) || error == Some(libc::EINVAL), "{error:?}");
        let (Some(leader), Some(second)) = (open_thread(process.child.id()), open_thread(tid)) else {
            pidfd.kill().unwrap();
            pidfd.wait().unwrap();
            return None;
        };
        Some(Threads { process, pidfd, leader, second, tid })
    }

    /// What is told of the threads while the process runs.
    fn both_are_told(&self) {
        for (pidfd, tid) in [
            (&self.pidfd, self.process.child.id()),
            (&self.leader, self.process.child.id()),
            (&self.second, self.tid),
        ] {
            if let Some(info) = of(pidfd) {
                assert_eq!((info.thread(), info.pid()), (Some(tid), Some(self.process.child.id())));
                assert!(info.real_uid().is_some() && info.exit_status().is_none());
            }
        }
    }

    /// Kills the process, which is one end for each descriptor of its first thread.
    fn kill(self, others: &[&Pidfd]) {
        self.pidfd.kill().unwrap();
        until_ended(&self.leader);
        assert_eq!(self.leader.state().unwrap(), State::Zombie);
        assert_eq!(self.pidfd.wait().unwrap().signal(), Some(Signal::KILL));
        for pidfd in [&self.pidfd, &self.leader].iter().chain(others) {
            assert_eq!(pidfd.state().unwrap(), State::Reaped);
            if kernel() >= (6, 15) {
                assert_eq!(killed(pidfd), Some(libc::SIGKILL));
            }
        }
    }
}

/// The signal that the kernel tells after the reaping.
fn killed(pidfd: &Pidfd) -> Option<i32> {
    use std::os::unix::process::ExitStatusExt;
    pidfd.info().unwrap().exit_status().unwrap().signal()
}

fn until_leader_ended(threads: &Threads) {
    until_state(threads.process.child.id(), "Z");
}

pub(crate) fn thread_group() {
    check_leaks(|| {
        let Some(threads) = Threads::new("leader_ends_first") else {
            return;
        };
        until_leader_ended(&threads);
        assert_eq!(threads.pidfd.state().unwrap(), State::Running);
        assert_eq!(threads.second.state().unwrap(), State::Running);
        match threads.leader.state().unwrap() {
            State::Running => {}
            // The end of the first thread alone.
            state => assert!(state == State::Zombie && kernel() < (6, 15), "{state:?}"),
        }
        threads.both_are_told();
        let second = threads.second.try_clone().unwrap();
        threads.kill(&[&second]);
    });
}

/// The second thread calls `execve`, and thereby becomes the first.
fn exec(mut threads: Threads) {
    threads.both_are_told();
    threads.process.until_exec();
    // The tid is nobody's any more.
    until_reaped(&threads.second);
    assert_eq!(threads.second.state().unwrap(), State::Reaped);
    if kernel() >= (6, 15) {
        let status = threads.second.info().unwrap().exit_status().unwrap();
        assert_eq!(status.code(), Some(0));
    }
    assert_eq!(threads.pidfd.state().unwrap(), State::Running);
    assert_eq!(threads.leader.state().unwrap(), State::Running);
    if let Some(info) = of(&threads.pidfd) {
        assert_eq!(info.pid(), Some(threads.process.child.id()));
        assert!(info.exit_status().is_none());
    }
    threads.kill(&[]);
}

pub(crate) fn exec_after_the_leader() {
    check_leaks(|| {
        let Some(threads) = Threads::new("exec_after_the_leader") else {
            return;
        };
        until_leader_ended(&threads);
        exec(threads);
    });
}

pub(crate) fn exec_beside_the_leader() {
    check_leaks(|| {
        if let Some(threads) = Threads::new("exec_beside_the_leader") {
            exec(threads);
        }
    });
}

/// Bits 0 to 3 are those of 6.15; each later one came with the version that filled it in.
pub(crate) fn supported_mask() {
    check_leaks(|| {
        let mask = of(&Pidfd::open(std::process::id()).unwrap()).and_then(|info| info.supported_mask());
        match kernel() {
            version if version >= (7, 1) => assert_eq!(mask.unwrap() & 0xff, 0xff),
            version if version >= (6, 19) => assert_eq!(mask.unwrap() & 0xff, 0x7f),
            _ => assert_eq!(mask, None),
        }
    });
}

pub(crate) fn core_dump() {
    check_leaks(|| {
        let told = |pidfd: &Pidfd| of(pidfd).and_then(|info| info.core_dump());
        let mut process = Talking::role("not_dumpable");
        process.said();
        let pidfd = process.pidfd();
        match told(&pidfd) {
            Some(dump) => {
                assert!(dump.as_user() && !dump.as_root() && !dump.skipped() && !dump.dumped());
                assert_eq!((dump.signal(), dump.code()), (None, None));
            }
            None => assert!(kernel() < (6, 16)),
        }
        process.tell("x");
        process.said();
        assert_eq!(told(&pidfd).map(|dump| dump.skipped()), (kernel() >= (6, 16)).then_some(true));
        drop(process);
        pidfd.wait().unwrap();
        if kernel() >= (6, 15) {
            assert_eq!(told(&pidfd), None);
        }

        let mut process = Talking::role("aborts");
        process.said();
        let pidfd = process.pidfd();
        drop(process);
        assert_eq!(pidfd.wait().unwrap().signal(), Some(Signal::ABRT));
        if kernel() >= (6, 15) {
            // It depends on `core_pattern` whether there is a dump of which the kernel tells.
            if let Some(dump) = told(&pidfd) {
                assert!(dump.dumped() && dump.as_user() && kernel() >= (6, 16));
                assert_eq!(dump.signal(), (kernel() >= (6, 19)).then_some(Signal::ABRT));
                assert_eq!(dump.code(), (kernel() >= (7, 1)).then_some(SI_TKILL));
            }
        }
    });
}
