//! One system call that fails once, whichever it is: it may be reported once, and lasts no longer.

#![allow(clippy::type_complexity)]

mod common;

use std::io;
use std::time::Duration;

use childset::{reap_dropped, Child, ChildSet, ChildStdin, Command, State, Stdio};
use common::until_ended;

/// A role, the system call that fails in it, and up to which one it is tried.
const CASES: &[(&str, (fn(), &str, u32))] = &[
    ("set_epoll_ctl", (set, "epoll_ctl:error=ENOMEM", 6)),
    ("set_epoll_wait", (set, "epoll_wait,epoll_pwait,epoll_pwait2:error=ENOMEM", 4)),
    ("set_waitid", (set, "waitid:error=ENOMEM", 5)),
    ("traced_epoll_ctl", (traced, "epoll_ctl:error=ENOMEM", 4)),
    ("dropped_waitid", (dropped, "waitid:error=ENOMEM", 5)),
    ("dropped_epoll_ctl", (dropped, "epoll_ctl:error=ENOMEM", 5)),
    #[cfg(feature = "async-io")]
    ("next_epoll_ctl", (asynchronous::next, "epoll_ctl:error=ENOMEM", 10)),
    #[cfg(feature = "async-io")]
    ("exit_epoll_ctl", (asynchronous::exit, "epoll_ctl:error=ENOMEM", 8)),
    #[cfg(feature = "async-io")]
    ("pipe_epoll_ctl", (asynchronous::pipe, "epoll_ctl:error=ENOMEM", 8)),
    #[cfg(feature = "async-io")]
    ("attended_epoll_ctl", (asynchronous::attended, "epoll_ctl:error=ENOMEM", 9)),
    #[cfg(feature = "async-io")]
    ("first_await_epoll_create", (asynchronous::exit, "epoll_create1:error=EMFILE", 3)),
    #[cfg(feature = "async-io")]
    ("first_await_eventfd", (asynchronous::exit, "eventfd2:error=EMFILE", 3)),
    #[cfg(feature = "async-io")]
    ("first_await_clone", (asynchronous::exit_of_std, "clone3,clone:error=EAGAIN", 3)),
];

fn main() {
    if let Some(role) = common::role() {
        if let Ok(pid) = role.parse() {
            return common::tracer(pid);
        }
        let (_, (run, ..)) = CASES.iter().find(|(name, _)| *name == role).expect("a role");
        common::end_after(60);
        return run();
    }
    common::main_with(CASES, |name, (_, injected, last)| {
        if !common::strace::works() {
            return;
        }
        for number in 1..=last {
            let injected = format!("{injected}:when={number}");
            if let Err(why) = common::strace::inject(&[&injected], name) {
                panic!("{injected}: {why}");
            }
        }
    });
}

/// Tries again once.
fn twice<R>(mut act: impl FnMut() -> io::Result<R>) -> R {
    act().or_else(|_| act()).unwrap()
}

fn held() -> (Child, ChildStdin) {
    let mut child = twice(|| Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn());
    let stdin = child.stdin.take().unwrap();
    (child, stdin)
}

fn insert(set: &ChildSet<u32>, child: Child, tag: u32) {
    if let Err(error) = set.insert(child, tag) {
        set.insert(error.child, error.tag).unwrap();
    }
}

/// The handle keeps the pidfd open after the exit was taken, and the kernel would report it for ever.
fn set() {
    let set = twice(ChildSet::new);
    let (child, stdin) = held();
    let handle = child.handle();
    insert(&set, child, 1);
    let (other, other_stdin) = held();
    insert(&set, other, 2);
    drop(stdin);
    assert!(common::readable(&set, Duration::from_secs(60)));
    let exited = twice(|| set.try_wait()).or_else(|| twice(|| set.try_wait())).unwrap();
    assert_eq!(exited.tag, 1);
    // It comes out even where taking the status failed; then it is to be had from the child.
    assert!(exited.exit.or_else(|_| exited.child.wait()).unwrap().success());
    assert!(handle.known_exit().is_some());
    assert!(twice(|| set.try_wait()).is_none());
    assert!(!common::readable(&set, Duration::ZERO));
    drop(other_stdin);
    let exited = twice(|| set.wait(None)).unwrap();
    assert_eq!(exited.tag, 2);
    assert!(exited.exit.or_else(|_| exited.child.wait()).unwrap().success());
    assert_eq!(common::zombies(), 0);
}

/// One that a tracer holds back, and lets go: by another edge, which there is once.
fn traced() {
    let set = twice(ChildSet::new);
    let (child, _stdin) = held();
    let handle = child.handle();
    let mut tracer = common::reexec(&child.id().to_string());
    let mut tracer =
        tracer.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    let stdout = tracer.stdout.take().unwrap();
    io::BufRead::read_line(&mut io::BufReader::new(stdout), &mut said).unwrap();
    insert(&set, child, 1);
    handle.kill().unwrap();
    if said == "started\n" {
        assert!(common::readable(&set, Duration::from_secs(60)));
        assert!(twice(|| set.try_wait()).is_none());
        assert!(!common::readable(&set, Duration::ZERO));
    }
    drop(tracer.stdin.take());
    tracer.wait().unwrap();
    assert!(common::readable(&set, Duration::from_secs(60)));
    let exited = twice(|| set.try_wait()).or_else(|| twice(|| set.try_wait())).unwrap();
    assert_eq!(exited.exit.unwrap().signal(), Some(childset::Signal::KILL));
    assert!(twice(|| set.try_wait()).is_none());
}

fn dropped() {
    let (ended, stdin) = held();
    let (running, running_stdin) = held();
    let pidfds = [&ended, &running].map(|child| child.pidfd().try_clone().unwrap());
    drop(stdin);
    until_ended(&pidfds[0]);
    drop(ended);
    drop(running);
    drop(running_stdin);
    until_ended(&pidfds[1]);
    // Three calls: the one that fails must not be the last for any child.
    for _ in 0..3 {
        reap_dropped();
    }
    for pidfd in &pidfds {
        assert_eq!(pidfd.state().unwrap(), State::Reaped);
    }
    assert_eq!(reap_dropped(), 0);
}

#[cfg(feature = "async-io")]
mod asynchronous {
    use super::*;

    use futures_lite::future::{block_on, poll_once};
    use futures_lite::AsyncReadExt;

    pub(super) fn next() {
        let set = twice(ChildSet::new);
        let (child, stdin) = held();
        insert(&set, child, 1);
        let mut errors = 0;
        let mut next = set.next();
        while let Some(polled) = block_on(poll_once(&mut next)) {
            assert!(polled.unwrap().is_err());
            errors += 1;
            next = set.next();
        }
        drop(stdin);
        loop {
            match block_on(&mut next).unwrap() {
                Ok(exited) => {
                    assert!(exited.exit.unwrap().success());
                    break;
                }
                Err(_) => errors += 1,
            }
            next = set.next();
        }
        assert!(errors <= 1, "{errors}");
    }

    fn take(child: &Child, stdin: ChildStdin) {
        let mut errors = 0;
        let mut exit = Box::pin(child.exit());
        while let Some(polled) = block_on(poll_once(&mut exit)) {
            assert!(polled.is_err());
            errors += 1;
            exit = Box::pin(child.exit());
        }
        drop(stdin);
        let exit = block_on(exit).or_else(|_| {
            errors += 1;
            block_on(child.exit())
        });
        assert!(exit.unwrap().success() && errors <= 1, "{errors}");
    }

    pub(super) fn exit() {
        let (child, stdin) = held();
        take(&child, stdin);
    }

    /// Threads are made by the call that makes processes.
    pub(super) fn exit_of_std() {
        let mut child = twice(|| {
            std::process::Command::new("cat")
                .stdin(std::process::Stdio::piped())
                .stdout(std::process::Stdio::null())
                .spawn()
        });
        let stdin = child.stdin.take().unwrap().into();
        take(&Child::try_from(child).unwrap(), stdin);
    }

    pub(super) fn pipe() {
        // It answers after a while, so that it has to be waited for, and keeps the pipe open.
        let mut command = Command::new("sh");
        command.args(["-c", "read line; sleep 0.3; printf x; read line; exit 0"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut errors = 0;
        while let Some(polled) = block_on(poll_once(AsyncReadExt::read(&mut stdout, &mut [0]))) {
            assert!(polled.is_err());
            errors += 1;
        }
        io::Write::write_all(&mut stdin.blocking(), b"\n").unwrap();
        let mut byte = [0];
        let read = block_on(AsyncReadExt::read(&mut stdout, &mut byte));
        let read = read.or_else(|_| {
            errors += 1;
            block_on(AsyncReadExt::read(&mut stdout, &mut byte))
        });
        assert_eq!((read.unwrap(), byte), (1, *b"x"));
        assert!(errors <= 1, "{errors}");
        drop(stdin);
        assert!(child.wait().unwrap().success());
    }

    /// Nobody calls again: the reactor alone reaps.
    pub(super) fn attended() {
        let (child, stdin) = held();
        take(&child, stdin);
        let (dropped, dropped_stdin) = held();
        let pidfd = dropped.pidfd().try_clone().unwrap();
        drop(dropped);
        drop(dropped_stdin);
        common::until_ended(&pidfd);
        if pidfd.state().unwrap() != State::Reaped {
            // Where it could not be watched, the next call reaps it.
            std::thread::sleep(Duration::from_millis(50));
            common::reap_all_dropped();
        }
        assert_eq!(pidfd.state().unwrap(), State::Reaped);
    }
}
