//! A zombie that is held back, waited for by its child or pidfd.

use std::io;
use std::process::Command;
use std::sync::mpsc::{channel, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use childset::{Child, ChildSet, Exit, Pidfd, Signal, State};

use crate::common::{self, check_leaks, kernel, readable, spawn_asleep, until_ended};
use crate::quiet::{idle, VAIN};
use crate::tracee::{start, zombie, Tracer};
use crate::{assert_exit, assert_quiet, CODE};

/// How many epoll instances a child of std's has from us.
fn seen_by_children() -> usize {
    let output = Command::new("ls").args(["-l", "/proc/self/fd"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().matches("eventpoll").count()
}

/// Waits in a thread: in vain as long as the tracer is there.
fn in_a_thread(tracer: Tracer, wait: impl FnOnce() -> io::Result<Exit> + Send) {
    let before = seen_by_children();
    thread::scope(|scope| {
        let (sender, receiver) = channel();
        scope.spawn(move || sender.send(wait()).unwrap());
        match idle(|| receiver.recv_timeout(VAIN)) {
            Err(RecvTimeoutError::Timeout) => {}
            early => panic!("{early:?}"),
        }
        assert_eq!(seen_by_children(), before, "epoll instances in a child of std's");
        drop(tracer);
        assert_exit(receiver.recv().unwrap());
    });
}

pub(crate) fn pidfd_wait() {
    check_leaks(|| {
        let (pidfd, tracer) = zombie(|child| Pidfd::from_child(&child).unwrap());
        in_a_thread(tracer, || pidfd.wait());
    });
}

pub(crate) fn pidfd_try_wait() {
    check_leaks(|| {
        let (pidfd, tracer) = zombie(|child| Pidfd::from_child(&child).unwrap());
        pidfd.set_nonblocking(true).unwrap();
        assert_eq!(pidfd.wait().unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert_eq!(pidfd.try_wait().unwrap(), None);
        drop(tracer);
        assert_exit(pidfd.try_wait().map(Option::unwrap));
    });
}

pub(crate) fn child_wait() {
    check_leaks(|| {
        let (child, tracer) = zombie(|child| Child::try_from(child).unwrap());
        in_a_thread(tracer, || child.wait());
    });
}

pub(crate) fn child_wait_nonblocking() {
    check_leaks(|| {
        let (child, tracer) = zombie(|child| Child::try_from(child).unwrap());
        child.pidfd().set_nonblocking(true).unwrap();
        in_a_thread(tracer, || child.wait());
    });
}

pub(crate) fn child_wait_timeout() {
    check_leaks(|| {
        let (child, tracer) = zombie(|child| Child::try_from(child).unwrap());
        assert_eq!(idle(|| child.wait_timeout(VAIN)).unwrap(), None);
        in_a_thread(tracer, || child.wait_timeout(Duration::MAX).map(Option::unwrap));
    });
}

pub(crate) fn child_output() {
    check_leaks(|| {
        let (child, tracer) = zombie(|child| Child::try_from(child).unwrap());
        in_a_thread(tracer, || child.capture().wait().map(|captured| captured.exit));
    });
}

/// A zombie that only its own parent can reap is waited for asleep.
pub(crate) fn zombie_of_another() {
    if kernel() < (6, 15) {
        // What nobody will be told is not waited for.
        return;
    }
    // It comes to us when its parent is gone.
    // SAFETY: a number.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) }, 0);
    let mut command = Command::new("sh");
    command.args(["-c", "sleep 60 & echo $!; exec cat >/dev/null"]);
    let (parent, line) = start(command);
    let (pid, name) = (line.parse().unwrap(), format!("/proc/{}/comm", parent.id()));
    // A shell would reap it.
    while std::fs::read_to_string(&name).unwrap() != "cat\n" {
        thread::yield_now();
    }
    let zombie = Pidfd::open(pid).unwrap();
    zombie.kill().unwrap();
    until_ended(&zombie);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| zombie.wait());
        idle(|| thread::sleep(VAIN));
        if waiting.is_finished() {
            panic!("it was told {:?}", waiting.join().unwrap());
        }
        drop(Tracer(parent));
        common::reap_by_pid(pid);
        assert_eq!(waiting.join().unwrap().unwrap().signal(), Some(Signal::KILL));
    });
}

/// Whoever waits for it in all three ways is woken, and nobody waits in vain.
pub(crate) fn stolen_when_the_tracer_lets_go() {
    let steal = |pid: u32, tracer: Tracer| {
        drop(tracer);
        // Who waits may be faster.
        // SAFETY: no status is written.
        unsafe { libc::waitpid(pid as i32, std::ptr::null_mut(), 0) };
    };
    check_leaks(|| {
        let set = ChildSet::new().unwrap();
        let (pid, tracer) = zombie(|child| {
            let pid = child.id();
            set.insert(child, ()).unwrap();
            pid
        });
        assert_quiet(&set);
        steal(pid, tracer);
        assert!(readable(&set, Duration::from_secs(60)));
        common::assert_code(&set.try_wait().unwrap().unwrap().exit, CODE);

        type Wait = fn(&Child) -> io::Result<Exit>;
        let waits: [Wait; 2] =
            [|child| child.wait(), |child| Ok(child.wait_timeout(Duration::MAX)?.unwrap())];
        for wait in waits {
            let (child, tracer) = zombie(|child| Child::try_from(child).unwrap());
            thread::scope(|scope| {
                let waiting = spawn_asleep(scope, || wait(&child));
                steal(child.id(), tracer);
                common::assert_code(&waiting.join().unwrap(), CODE);
            });
        }
        let (child, tracer) = zombie(|child| Child::try_from(child).unwrap());
        let pid = child.id();
        thread::scope(|scope| {
            let waiting = spawn_asleep(scope, || child.capture().wait().map(|captured| captured.exit));
            steal(pid, tracer);
            common::assert_code(&waiting.join().unwrap(), CODE);
        });
    });
}

pub(crate) fn dropped() {
    check_leaks(|| {
        let (probe, tracer) = zombie(|child| {
            let probe = Pidfd::from_child(&child).unwrap();
            drop(Child::try_from(child).unwrap());
            probe
        });
        idle(|| thread::sleep(VAIN));
        assert_eq!(childset::reap_dropped(), 1);
        drop(tracer);
        common::reap_all_dropped();
        assert_eq!(probe.state().unwrap(), State::Reaped);
    });
}
