//! One system call that fails once, whichever it is: it may be reported once, and lasts no longer.

#![allow(clippy::type_complexity)]

mod common;

use std::io;
use std::time::Duration;

use childset::{reap_dropped, Child, ChildSet, ChildStdin, Command, Event, SetEvent, State, Stdio, Unit};
use common::until_ended;

/// A role, the system call that fails in it, and up to which one it is tried.
const CASES: &[(&str, (fn(), &str, u32))] = &[
    ("set_epoll_ctl", (set, "epoll_ctl:error=ENOMEM", 6)),
    ("set_epoll_wait", (set, "epoll_wait,epoll_pwait,epoll_pwait2:error=ENOMEM", 4)),
    ("set_waitid", (set, "waitid:error=ENOMEM", 5)),
    ("traced_epoll_ctl", (traced, "epoll_ctl:error=ENOMEM", 4)),
    ("set_events_epoll_create", (set_events, "epoll_create1:error=EMFILE", 4)),
    ("set_events_eventfd", (set_events, "eventfd2:error=EMFILE", 3)),
    ("set_events_timerfd", (set_events, "timerfd_create:error=EMFILE", 3)),
    ("set_events_epoll_ctl", (set_events, "epoll_ctl:error=ENOMEM", 12)),
    ("set_events_epoll_wait", (set_events, "epoll_wait,epoll_pwait,epoll_pwait2:error=ENOMEM", 12)),
    ("set_events_ioctl", (set_events, "ioctl:error=ENOMEM", 5)),
    ("set_events_poll", (set_events, "poll,ppoll:error=ENOMEM", 4)),
    ("set_events_settime", (set_events, "timerfd_settime:error=ENOMEM", 3)),
    ("set_events_waitid", (set_events, "waitid:error=ENOMEM", 4)),
    ("set_events_in_a_loop_epoll_ctl", (set_events_in_a_loop, "epoll_ctl:error=ENOMEM", 12)),
    (
        "set_events_in_a_loop_epoll_wait",
        (set_events_in_a_loop, "epoll_wait,epoll_pwait,epoll_pwait2:error=ENOMEM", 12),
    ),
    ("set_events_in_a_loop_ioctl", (set_events_in_a_loop, "ioctl:error=ENOMEM", 5)),
    ("set_events_in_a_loop_settime", (set_events_in_a_loop, "timerfd_settime:error=ENOMEM", 3)),
    ("child_events_ioctl", (child_events, "ioctl:error=ENOMEM", 5)),
    ("child_events_poll", (child_events, "poll,ppoll:error=ENOMEM", 5)),
    ("child_events_waitid", (child_events, "waitid:error=ENOMEM", 5)),
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
    ("set_events_next_epoll_ctl", (asynchronous::set_events, "epoll_ctl:error=ENOMEM", 20)),
    #[cfg(feature = "async-io")]
    ("child_events_next_epoll_ctl", (asynchronous::child_events, "epoll_ctl:error=ENOMEM", 20)),
    #[cfg(feature = "async-io")]
    ("child_events_next_ioctl", (asynchronous::child_events, "ioctl:error=ENOMEM", 5)),
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

/// One with lines in both pipes, one whose pipe is held open by another one after its end, and one without pipes.
fn set_of_writers() -> ChildSet<u32> {
    let set = twice(ChildSet::new);
    for (tag, script) in [(1, "echo one; echo two >&2; exit 1"), (2, "echo three; sleep 60 & exit 2")] {
        let mut command = Command::new("sh");
        command.args(["-c", script]).unit(Unit::ProcessGroup).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = twice(|| command.spawn());
        child.set_drain_grace(Duration::from_millis(50));
        insert(&set, child, tag);
    }
    insert(&set, twice(|| Command::new("sh").args(["-c", "exit 3"]).spawn()), 3);
    set.close();
    set
}

/// Collects them, each of which comes once.
#[derive(Default)]
struct Seen {
    lines: Vec<(u32, Vec<u8>)>,
    exits: Vec<u32>,
    errors: usize,
}

impl Seen {
    fn add(&mut self, event: io::Result<SetEvent<u32>>) {
        match event {
            Ok(SetEvent::Stdout { tag, line, .. } | SetEvent::Stderr { tag, line, .. }) => {
                self.lines.push((tag, line));
            }
            Ok(SetEvent::Exited { exited, pipe_open, .. }) => {
                // As in a set, where taking the status failed, it is to be had from the child.
                let code = exited.exit.or_else(|_| exited.child.wait()).unwrap().code();
                assert_eq!((code, pipe_open), (Some(exited.tag as i32), exited.tag == 2));
                self.exits.push(exited.tag);
                exited.child.kill_tree().unwrap();
            }
            Ok(other) => panic!("{other:?}"),
            Err(_) => self.errors += 1,
        }
    }

    fn check(mut self) {
        self.lines.sort();
        self.exits.sort();
        let lines = [(1, b"one\n".to_vec()), (1, b"two\n".to_vec()), (2, b"three\n".to_vec())];
        assert_eq!((&self.lines[..], &self.exits[..]), (&lines[..], &[1, 2, 3][..]));
        assert!(self.errors <= 1, "{}", self.errors);
        assert_eq!(common::zombies(), 0);
    }
}

/// What is open under each number, except for what the crate keeps for good: an epoll instance for those that were dropped.
fn open() -> Vec<(String, String)> {
    let all = std::fs::read_dir("/proc/self/fd").unwrap().map(|entry| entry.unwrap().path());
    let named = all.filter_map(|path| Some((path.display().to_string(), std::fs::read_link(path).ok()?)));
    let mut named: Vec<_> = named.map(|(path, kind)| (path, kind.display().to_string())).collect();
    named.sort();
    let kept = named.iter().position(|(_, kind)| kind == "anon_inode:[eventpoll]");
    kept.map(|kept| named.remove(kept));
    // That of the directory itself was open at that moment.
    named.retain(|(_, kind)| !kind.starts_with("/proc/"));
    named
}

fn set_events() {
    let before = open();
    let set = set_of_writers();
    let mut events = twice(|| set.events());
    let mut seen = Seen::default();
    while let Some(event) = events.wait().transpose() {
        seen.add(event);
    }
    drop(events);
    drop(set);
    seen.check();
    assert_eq!(open(), before);
}

/// Waits on the descriptor alone, after an error, too.
fn set_events_in_a_loop() {
    let set = set_of_writers();
    let mut events = twice(|| set.events());
    let mut seen = Seen::default();
    while seen.exits.len() < 3 {
        assert!(common::readable(&events, Duration::from_secs(60)));
        while let Some(event) = events.try_wait().transpose() {
            let is_error = event.is_err();
            seen.add(event);
            if is_error {
                break;
            }
        }
    }
    seen.check();
}

fn writer() -> Child {
    let mut command = Command::new("sh");
    command.args(["-c", "echo one; echo two >&2; exit 3"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    twice(|| command.spawn())
}

/// Its events, which come once each, with one error at most.
fn check_writer(mut next: impl FnMut() -> Option<io::Result<Event>>) {
    let (mut lines, mut errors, mut code) = (Vec::new(), 0, None);
    while let Some(event) = next() {
        match event {
            Ok(Event::Stdout(line) | Event::Stderr(line)) => lines.push(line),
            Ok(Event::Exited { exit, pipe_open }) => {
                assert!(code.is_none() && !pipe_open);
                code = exit.code();
            }
            Ok(other) => panic!("{other:?}"),
            Err(_) => errors += 1,
        }
    }
    lines.sort();
    assert_eq!((lines, code), (vec![b"one\n".to_vec(), b"two\n".to_vec()], Some(3)));
    assert!(errors <= 1, "{errors}");
    assert_eq!(common::zombies(), 0);
}

fn child_events() {
    let before = open();
    let mut events = writer().events().unwrap();
    check_writer(|| events.wait().transpose());
    drop(events);
    assert_eq!(open(), before);
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

    pub(super) fn set_events() {
        let set = set_of_writers();
        let mut events = twice(|| set.events());
        let mut seen = Seen::default();
        while let Some(event) = block_on(events.next()) {
            seen.add(event);
        }
        seen.check();
    }

    pub(super) fn child_events() {
        let mut events = writer().events().unwrap();
        check_writer(|| block_on(events.next()));
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
