//! A pid that is given to another process at once: whatever refers to the former one never hits the latter.
//!
//! Each test is pid 1 of a pid namespace of its own, in which nobody else makes processes.

#![allow(unsafe_code)]
// The lint does not know that a pidfd reaps.
#![allow(clippy::zombie_processes)]

mod common;

use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::process::{Child, Stdio};

use childset::{ChildSet, Gone, Pidfd, Signal, State, StatusUnknown};
use common::{assert_code, check_leaks, held, held_with, reap_by_pid, reexec, role, skipped, until_ended};

const LAST_PID: &str = "/proc/sys/kernel/ns_last_pid";

const TESTS: [(&str, fn()); 5] = [
    ("identity", identity),
    ("stale_pidfd", stale_pidfd),
    ("set", set),
    ("dropped", dropped),
    ("insert_of_one_whose_pid_a_stranger_has", insert_of_one_whose_pid_a_stranger_has),
];

fn main() {
    match role().as_deref() {
        None => common::main_with(&TESTS, |name, _| in_a_namespace(name)),
        Some("inner") => inner(),
        Some(pid) => parent_of(pid.parse().unwrap()),
    }
}

/// Makes the namespace, whose first process is the next child.
fn in_a_namespace(test: &str) {
    // SAFETY: this process has one thread, and the calls touch no memory of ours.
    let (uid, result) = unsafe {
        let uid = libc::getuid();
        (uid, libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWPID | libc::CLONE_NEWNS))
    };
    if result == -1 {
        return skip("unshare", &io::Error::last_os_error());
    }
    if let Err(error) = fs::write("/proc/self/uid_map", format!("0 {uid} 1")) {
        return skip("/proc/self/uid_map", &error);
    }
    assert!(reexec("inner").arg(test).status().unwrap().success());
}

fn skip(what: &str, error: &io::Error) {
    skipped(format_args!("{what}: {error}"));
}

fn inner() {
    assert_eq!(std::process::id(), 1);
    common::die_with_parent();
    // SAFETY: the strings end with a zero byte, and the null pointers are permitted. The propagation is cut
    // before the mount, which is the namespace's own. Where it is refused, the other /proc is of use too.
    unsafe {
        let flags = libc::MS_REC | libc::MS_PRIVATE;
        libc::mount(c(b"none\0"), c(b"/\0"), std::ptr::null(), flags, std::ptr::null());
        libc::mount(c(b"proc\0"), c(b"/proc\0"), c(b"proc\0"), 0, std::ptr::null());
    }
    if let Err(error) = fs::write(LAST_PID, "100") {
        return skip(LAST_PID, &error);
    }
    common::warm_up();
    let wanted = std::env::args().nth(1).expect("a name");
    let (_, test) = TESTS.iter().find(|(name, _)| *name == wanted).expect("a test");
    test();
}

fn c(text: &'static [u8]) -> *const libc::c_char {
    text.as_ptr().cast()
}

/// Makes a child that gets this pid, which must be free.
fn held_as(pid: u32) -> Child {
    loop {
        fs::write(LAST_PID, (pid - 1).to_string()).unwrap();
        let child = held();
        if child.id() == pid {
            return child;
        }
        // A thread of the reactor's, or of the crate's user, came first.
        end(child);
    }
}

fn end(mut child: Child) {
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

/// A child whose exit code is 7 and that was reaped by somebody else, and another one with its pid.
fn reuse<R>(keep: impl FnOnce(Child) -> R) -> (R, Child) {
    let (first, stdin) = held_with(7);
    let pid = first.id();
    let kept = keep(first);
    drop(stdin);
    assert_eq!(reap_by_pid(pid), 7 << 8);
    (kept, held_as(pid))
}

/// Whether the child still waits for its input: nothing has hit it.
fn lives(child: &Child) -> bool {
    Pidfd::from_child(child).unwrap().state().unwrap() == State::Running
}

fn stale_pidfd() {
    check_leaks(|| {
        let (stale, second) = reuse(|first| Pidfd::from_child(&first).unwrap());
        for signal in [Signal::from(0), Signal::TERM, Signal::KILL] {
            let error = stale.send_signal(signal).unwrap_err();
            assert_eq!(Gone::from_io_error(&error), Some(Gone::Reaped));
        }
        assert_eq!(stale.state().unwrap(), State::Reaped);
        assert_code(&stale.wait(), 7);
        assert_eq!(stale.wait_state().unwrap_err().raw_os_error(), Some(libc::ECHILD));
        assert_eq!(Gone::from_io_error(&stale.pid().unwrap_err()), Some(Gone::Reaped));
        assert!(lives(&second));

        let fresh = Pidfd::open(second.id()).unwrap();
        assert_eq!(fresh.pid().unwrap(), Some(second.id()));
        assert_eq!(fresh.try_wait().unwrap(), None);
        fresh.kill().unwrap();
        assert_eq!(fresh.wait().unwrap().signal(), Some(Signal::KILL));
    });
}

fn identity() {
    check_leaks(|| {
        let (stale, second) = reuse(|first| Pidfd::from_child(&first).unwrap().identity().unwrap());
        let fresh = Pidfd::from_child(&second).unwrap().identity().unwrap();
        // Before Linux 6.9 two that were started within a tick of the clock are the same.
        if stale == fresh {
            assert!(common::kernel() < (6, 9));
        } else {
            assert_eq!(Gone::from_io_error(&stale.open().unwrap_err()), Some(Gone::Reaped));
        }
        assert_eq!(fresh.open().unwrap().pid().unwrap(), Some(second.id()));
        end(second);
    });
}

fn set() {
    check_leaks(|| {
        let set = ChildSet::new().unwrap();
        let (key, second) = reuse(|first| set.insert(first, "first").unwrap());
        let second_pid = second.id();
        let second_key = set.insert(second, "second").unwrap();
        let error = set.send_signal(key, Signal::KILL).unwrap_err();
        assert_eq!(Gone::from_io_error(&error), Some(Gone::Reaped));
        // It has the pid of the second one, and the exit of the first.
        let exited = set.try_wait().unwrap().unwrap();
        assert_eq!((exited.key, exited.pid, exited.tag), (key, Some(second_pid), "first"));
        assert_code(&exited.exit, 7);
        // Neither killing it nor dropping it does anything to the second one.
        exited.child.kill().unwrap();
        let mut child = exited.into_child();
        child.set_kill_on_drop(true);
        drop(child);
        assert!(set.try_wait().unwrap().is_none());
        assert_eq!(Pidfd::open(second_pid).unwrap().state().unwrap(), State::Running);
        set.send_signal(second_key, Signal::TERM).unwrap();
        let exited = set.wait(None).unwrap().unwrap();
        assert_eq!((exited.tag, exited.exit.unwrap().signal()), ("second", Some(Signal::TERM)));
    });
}

fn dropped() {
    check_leaks(|| {
        let (mut child, second) = reuse(|first| childset::Child::try_from(first).unwrap());
        child.set_kill_on_drop(true);
        drop(child);
        assert_eq!(childset::reap_dropped(), 0);
        assert!(lives(&second));
        end(second);
    });
}

/// `std` does not know that its child is gone. That another child of ours has the pid cannot be seen, but
/// that the process is none of ours can.
fn insert_of_one_whose_pid_a_stranger_has() {
    check_leaks(|| {
        let first = held();
        let pid = first.id();
        let first_seen = Pidfd::from_child(&first).unwrap();
        first_seen.kill().unwrap();
        assert_eq!(reap_by_pid(pid), libc::SIGKILL);

        let mut parent =
            reexec(&pid.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(parent.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line.trim(), pid.to_string());

        let set = ChildSet::new().unwrap();
        let refused = set.insert(first, "tag").unwrap_err();
        assert_eq!(Gone::from_io_error(&refused.error), Some(Gone::Reaped));
        assert_eq!((refused.child.id(), refused.tag, set.len()), (pid, "tag", 0));
        assert!(refused.child.stdin.is_some());
        let refused = childset::Child::try_from(refused.child).unwrap_err();
        assert_eq!((Gone::from_io_error(&refused.error), refused.child.id()), (Some(Gone::Reaped), pid));

        // As a pidfd it is welcome. Killed, it is a zombie of its parent's.
        let stranger = Pidfd::open(pid).unwrap();
        set.insert(stranger.try_clone().unwrap(), "stranger").unwrap();
        stranger.kill().unwrap();
        until_ended(&stranger);
        let exited = set.wait(None).unwrap().unwrap();
        assert_eq!(exited.tag, "stranger");
        let unknown = StatusUnknown::from_io_error(&exited.exit.unwrap_err()).unwrap();
        // Where PIDFD_GET_INFO is not known (before 6.13), a zombie and a reaped process are the same.
        let not_kept = common::kernel() < (6, 13) && unknown == StatusUnknown::NotKept;
        assert!(unknown == StatusUnknown::Zombie || not_kept, "{unknown:?}");
        end(parent);
        // Its parent has reaped it: from 6.15 on everybody may know how it ended.
        match stranger.wait() {
            Ok(exit) => assert_eq!(exit.signal(), Some(Signal::KILL)),
            Err(error) => {
                assert!(common::kernel() < (6, 15), "{error}");
                assert_eq!(StatusUnknown::from_io_error(&error), Some(StatusUnknown::NotKept));
            }
        }
    });
}

/// Has a child with this pid, says so, and reaps it when its own standard input is closed.
fn parent_of(pid: u32) {
    let mut child = held_as(pid);
    println!("{pid}");
    io::stdin().read_to_end(&mut Vec::new()).unwrap();
    drop(child.stdin.take());
    child.wait().unwrap();
}
