//! The attributes, and what is inherited without them.

use std::os::fd::AsRawFd;

use posix_spawn::{
    RESETIDS, SETPGROUP, SETSCHEDPARAM, SETSCHEDULER, SETSID, SETSIGDEF, SETSIGMASK, USEVFORK,
};

use crate::{Call, Case};

/// Every signal that a set can have.
fn all() -> Vec<i32> {
    (1..=64).filter(|signal| ![32, 33].contains(signal)).collect()
}

fn block(signals: &[i32]) {
    // SAFETY: the set is initialized before a signal is added.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        signals.iter().for_each(|&signal| assert_eq!(libc::sigaddset(&mut set, signal), 0));
        libc::sigprocmask(libc::SIG_SETMASK, &set, std::ptr::null_mut());
    }
}

extern "C" fn nothing(_: i32) {}

fn dispose(signals: &[i32], handler: usize) {
    for &signal in signals {
        // SAFETY: the handler is `SIG_IGN` or one that does nothing.
        unsafe { libc::signal(signal, handler) };
    }
}

fn flags(call: &mut Call, flags: i32) {
    call.attributes.setflags(flags).unwrap();
}

/// The real user and group, for a process that is root; for another, nothing changes.
fn real_ids(uid: u32, gid: u32) {
    // SAFETY: this process has one thread, and no memory is touched but the group's number.
    unsafe {
        if libc::geteuid() == 0 {
            assert_eq!(libc::setgroups(2, [gid + 1, gid + 2].as_ptr()), 0);
            assert_eq!((libc::setregid(gid, 0), libc::setreuid(uid, 0)), (0, 0));
        }
    }
}

/// Makes 5 a terminal, and that the controlling one of the caller.
fn with_terminal(call: &mut Call) {
    let pty = childset::Pty::open().unwrap();
    // SAFETY: no memory is touched but that of the ends, which stay open.
    unsafe {
        libc::setsid();
        assert_eq!(libc::ioctl(pty.terminal.as_raw_fd(), libc::TIOCSCTTY, 0), 0);
        assert_eq!(libc::dup2(pty.terminal.as_raw_fd(), 5), 5);
    }
    std::mem::forget(pty);
    call.actions.addtcsetpgrp_np(5).unwrap();
}

pub(crate) const CASES: &[Case] = &[
    Case(
        "the foreground, of a new group",
        |call| {
            with_terminal(call);
            call.attributes.setflags(SETPGROUP).unwrap();
        },
        &["group own", "foreground of 5: own"],
    ),
    Case(
        "the foreground of what is no terminal",
        |call| call.actions.addtcsetpgrp_np(0).unwrap(),
        &["error 25"],
    ),
    Case(
        "the foreground of what is closed",
        |call| {
            call.actions.addclose(5).unwrap();
            call.actions.addtcsetpgrp_np(5).unwrap();
        },
        &["error 9"],
    ),
    Case(
        "signals are inherited",
        |_| {
            block(&[libc::SIGUSR1, libc::SIGTERM, 64]);
            dispose(&[libc::SIGPIPE, libc::SIGHUP], libc::SIG_IGN);
            dispose(&[libc::SIGUSR2], nothing as extern "C" fn(i32) as usize);
        },
        &["SigBlk: 8000000000004200", "SigIgn: 0000000180001001", "SigCgt: 0000000000000000"],
    ),
    Case(
        "no signal is blocked",
        |call| {
            block(&[libc::SIGUSR1]);
            flags(call, SETSIGMASK);
        },
        &["SigBlk: 0000000000000000"],
    ),
    Case(
        "some signals are blocked",
        |call| {
            block(&[libc::SIGUSR1]);
            flags(call, SETSIGMASK);
            call.attributes.setsigmask(&[libc::SIGHUP, libc::SIGUSR2]);
        },
        &["SigBlk: 0000000000000801"],
    ),
    Case(
        "all signals are blocked",
        |call| {
            flags(call, SETSIGMASK);
            call.attributes.setsigmask(&all());
        },
        &["SigBlk: fffffffe7ffbfeff"],
    ),
    Case(
        "the mask without its flag",
        |call| call.attributes.setsigmask(&all()),
        &["SigBlk: 0000000000000000"],
    ),
    Case(
        "some signals have their defaults",
        |call| {
            dispose(&[libc::SIGPIPE, libc::SIGHUP, libc::SIGUSR1], libc::SIG_IGN);
            flags(call, SETSIGDEF);
            call.attributes.setsigdefault(&[libc::SIGPIPE, libc::SIGUSR1]);
        },
        &["SigIgn: 0000000180000001"],
    ),
    Case(
        "all signals have their defaults",
        |call| {
            // Without SIGCHLD no status is kept.
            let ignored: Vec<_> = all().into_iter().filter(|&signal| signal != libc::SIGCHLD).collect();
            dispose(&ignored, libc::SIG_IGN);
            flags(call, SETSIGDEF);
            call.attributes.setsigdefault(&all());
        },
        &["SigIgn: 0000000180000000"],
    ),
    Case(
        "the defaults without their flag",
        |call| {
            dispose(&[libc::SIGPIPE], libc::SIG_IGN);
            call.attributes.setsigdefault(&all());
        },
        &["SigIgn: 0000000180001000"],
    ),
    Case(
        "defaults and mask",
        |call| {
            dispose(&[libc::SIGPIPE, libc::SIGUSR1], libc::SIG_IGN);
            flags(call, SETSIGDEF | SETSIGMASK);
            call.attributes.setsigdefault(&[libc::SIGUSR1]);
            call.attributes.setsigmask(&[libc::SIGUSR1]);
        },
        &["SigBlk: 0000000000000200"],
    ),
    Case("a group of its own", |call| flags(call, SETPGROUP), &["group own", "session the parent's"]),
    Case(
        "the parent's group, by number",
        |call| {
            flags(call, SETPGROUP);
            // SAFETY: touches no memory.
            call.attributes.setpgroup(unsafe { libc::getpgrp() });
        },
        &["group the parent's"],
    ),
    Case(
        "a group that does not exist",
        |call| {
            flags(call, SETPGROUP);
            call.attributes.setpgroup(i32::MAX);
        },
        &["error 1"],
    ),
    Case(
        "a negative group",
        |call| {
            flags(call, SETPGROUP);
            call.attributes.setpgroup(-1);
        },
        &["error 22"],
    ),
    Case("the group without its flag", |call| call.attributes.setpgroup(i32::MAX), &["group the parent's"]),
    Case("a session", |call| flags(call, SETSID), &["group own", "session own"]),
    Case("a session, and then its group", |call| flags(call, SETSID | SETPGROUP), &["error 1"]),
    Case(
        "a policy",
        |call| {
            flags(call, SETSCHEDULER);
            call.attributes.setschedpolicy(libc::SCHED_RR);
            call.attributes.setschedparam(3);
        },
        &["scheduler 2 3|error 1"],
    ),
    Case(
        "a policy with a wrong priority",
        |call| {
            flags(call, SETSCHEDULER);
            call.attributes.setschedpolicy(libc::SCHED_OTHER);
            call.attributes.setschedparam(5);
        },
        &["error 22"],
    ),
    Case(
        "a priority",
        |call| {
            let parameter = libc::sched_param { sched_priority: 0 };
            // SAFETY: the parameter lives during the call.
            assert_eq!(unsafe { libc::sched_setscheduler(0, libc::SCHED_BATCH, &parameter) }, 0);
            flags(call, SETSCHEDPARAM);
        },
        &["scheduler 3 0"],
    ),
    Case(
        "a wrong priority",
        |call| {
            flags(call, SETSCHEDPARAM);
            call.attributes.setschedparam(5);
        },
        &["error 22"],
    ),
    Case(
        "policy and priority",
        |call| {
            flags(call, SETSCHEDULER | SETSCHEDPARAM);
            call.attributes.setschedpolicy(libc::SCHED_FIFO);
            call.attributes.setschedparam(4);
        },
        &["scheduler 1 4|error 1"],
    ),
    Case("ids that are the same", |call| flags(call, RESETIDS), &["exit status: 7"]),
    Case("ids that differ are kept", |_| real_ids(65534, 65533), &["exit status: 7"]),
    Case(
        "ids are reset",
        |call| {
            real_ids(65534, 65533);
            call.program = "/bin/sh".to_owned();
            call.argv =
                ["sh", "-c", "grep -E '^(Uid|Gid|Groups)' /proc/self/status"].map(String::from).into();
            flags(call, RESETIDS);
        },
        &["exit status: 0", "file out 100644 \"Uid:\\t*"],
    ),
    Case(
        "files are opened with the ids that were reset",
        |call| {
            for directory in ["..", "."] {
                std::fs::set_permissions(directory, std::os::unix::fs::PermissionsExt::from_mode(0o777))
                    .unwrap();
            }
            real_ids(65534, 65533);
            call.program = "/bin/true".to_owned();
            call.actions.addopen(9, "new", libc::O_RDWR | libc::O_CREAT, 0o666).unwrap();
            flags(call, RESETIDS);
        },
        &["exit status: 0", "file new *"],
    ),
    Case(
        "a directory that the real user may not enter",
        |call| {
            real_ids(65534, 65533);
            call.actions.addchdir("locked").unwrap();
            flags(call, RESETIDS);
        },
        &["error 13"],
    ),
    Case(
        "all that goes together",
        |call| {
            flags(
                call,
                RESETIDS | SETPGROUP | SETSIGDEF | SETSIGMASK | SETSCHEDULER | SETSCHEDPARAM | USEVFORK,
            );
            call.attributes.setsigmask(&[libc::SIGHUP]);
            call.attributes.setschedpolicy(libc::SCHED_OTHER);
        },
        &["SigBlk: 0000000000000001", "group own", "scheduler 0 0"],
    ),
];
