//! No descriptor left, at each step: an error with the reason, nothing lost, nothing leaked.

mod common;

use std::io::{self, Read};
use std::process::{Command, Stdio};
use std::time::Duration;

use childset::{Child, ChildSet, Event, Pidfd, SetEvent};
use common::{check_leaks, held, held_with, kernel, role, Limit};

const TESTS: &[(&str, fn())] = &[
    #[cfg(feature = "async-io")]
    ("first_await", asynchronous::first_await),
    ("new", new),
    ("open", open),
    ("insert_std_child", insert_std_child),
    ("insert_pidfd", insert_pidfd),
    ("insert_child", insert_child),
    ("adopt", adopt),
    ("wait", wait),
    ("nonblocking_child_wait", nonblocking_child_wait),
    ("set_events", set_events),
    ("child_events", child_events),
    #[cfg(feature = "command")]
    ("copies_of_our_streams", copies_of_our_streams),
    #[cfg(feature = "command")]
    ("spawned_and_not_watched", spawned_and_not_watched),
    #[cfg(feature = "async-io")]
    ("next", asynchronous::next),
    #[cfg(feature = "async-io")]
    ("pidfd_wait", asynchronous::pidfd_wait),
    #[cfg(feature = "async-io")]
    ("set_events_next", asynchronous::set_events_next),
    #[cfg(feature = "async-io")]
    ("child_events_next", asynchronous::child_events_next),
];

fn main() {
    #[cfg(feature = "async-io")]
    if let Some(role) = role() {
        return asynchronous::first_await_with(role.parse().unwrap());
    }
    assert!(role().is_none());
    common::main_warm(TESTS);
}

fn is_emfile(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EMFILE)
}

/// Runs the test with each number of spare descriptors from 0 up to one more than it should need.
fn each(needed: usize, test: impl Fn(usize)) {
    for spare in 0..=needed + 1 {
        check_leaks(|| test(spare));
    }
}

fn new() {
    each(1, |spare| {
        let limit = Limit::with_spare(spare);
        let set = ChildSet::<()>::new();
        drop(limit);
        match set {
            Ok(_) => assert!(spare >= 1),
            Err(error) => assert!(is_emfile(&error) && spare == 0, "{spare}: {error}"),
        }
    });
}

fn open() {
    each(1, |spare| {
        let child = held();
        let limit = Limit::with_spare(spare);
        let pidfd = Pidfd::from_child(&child);
        let clone = pidfd.as_ref().map(Pidfd::try_clone);
        drop(limit);
        match &clone {
            Ok(Ok(_)) => assert!(spare >= 2),
            Ok(Err(error)) => assert!(is_emfile(error) && spare == 1, "{spare}: {error}"),
            Err(error) => assert!(is_emfile(error) && spare == 0, "{spare}: {error}"),
        }
        end(child);
    });
}

/// Lets `std` end and reap a child, which must have its pipe for that.
fn end(mut child: std::process::Child) {
    drop(child.stdin.take().expect("its pipe is untouched"));
    assert!(child.wait().unwrap().success());
}

fn talkative() -> std::process::Child {
    let mut command = Command::new("sh");
    command.args(["-c", "read line; echo out; echo err >&2; exit 3"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// The pipes work, and the exit is what it should be.
fn talk(set: &ChildSet<String>) {
    let mut exited = set.wait(None).unwrap().unwrap();
    assert_eq!(exited.tag, "tag");
    assert_eq!(exited.exit.unwrap().code(), Some(3));
    let (mut out, mut err) = (String::new(), String::new());
    exited.child.stdout.take().unwrap().blocking().read_to_string(&mut out).unwrap();
    exited.child.stderr.take().unwrap().blocking().read_to_string(&mut err).unwrap();
    assert_eq!((out.as_str(), err.as_str()), ("out\n", "err\n"));
}

fn insert_std_child() {
    each(1, |spare| {
        let set = ChildSet::new().unwrap();
        let mut child = talkative();
        let (pid, stdin) = (child.id(), child.stdin.take());
        let limit = Limit::with_spare(spare);
        let inserted = set.insert(child, "tag".to_owned());
        drop(limit);
        if let Err(refused) = inserted {
            assert!(is_emfile(&refused.error) && spare == 0, "{spare}: {refused}");
            assert!(set.is_empty());
            assert_eq!((refused.child.id(), refused.tag.as_str()), (pid, "tag"));
            assert!(refused.child.stdout.is_some() && refused.child.stderr.is_some());
            set.insert(refused.child, refused.tag).unwrap();
        } else {
            assert!(spare >= 1);
        }
        drop(stdin);
        talk(&set);
    });
}

fn insert_pidfd() {
    each(1, |spare| {
        let set = ChildSet::new().unwrap();
        let (child, stdin) = held_with(4);
        let pidfd = Pidfd::from_child(&child).unwrap();
        let limit = Limit::with_spare(spare);
        let inserted = set.insert(pidfd, 4);
        drop(limit);
        if let Err(refused) = inserted {
            // Before 6.13 the pid is read from /proc, which takes a descriptor.
            assert!(is_emfile(&refused.error) && spare == 0 && kernel() < (6, 13), "{spare}: {refused}");
            assert_eq!(refused.child.try_wait().unwrap(), None);
            set.insert(refused.child, refused.tag).unwrap();
        }
        drop(stdin);
        let exited = set.wait(None).unwrap().unwrap();
        assert_eq!((exited.tag, exited.exit.unwrap().code()), (4, Some(4)));
    });
}

/// It has all that it needs.
fn insert_child() {
    check_leaks(|| {
        let set = ChildSet::new().unwrap();
        let mut std = talkative();
        let stdin = std.stdin.take();
        let child = Child::try_from(std).unwrap();
        let limit = Limit::with_spare(0);
        set.insert(child, "tag".to_owned()).unwrap();
        drop(stdin);
        // Nor does taking need anything.
        common::readable(&set, Duration::from_secs(60));
        talk(&set);
        drop(limit);
    });
}

fn adopt() {
    each(1, |spare| {
        let child = held();
        let limit = Limit::with_spare(spare);
        let adopted = Child::try_from(child);
        drop(limit);
        match adopted {
            Ok(mut child) => {
                assert!(spare >= 1);
                drop(child.stdin.take());
                assert!(child.wait().unwrap().success());
            }
            Err(refused) => {
                assert!(is_emfile(&refused.error) && spare == 0, "{spare}: {refused}");
                end(refused.child);
            }
        }
    });
}

/// Blocking on a set may take a descriptor, the first time; without, nothing is lost.
fn wait() {
    each(1, |spare| {
        let set = ChildSet::new().unwrap();
        let (child, stdin) = held_with(5);
        set.insert(child, "tag").unwrap();
        let limit = Limit::with_spare(spare);
        // Without a descriptor it does not get as far as to block.
        let timeout = if spare == 0 { Duration::from_secs(60) } else { Duration::from_millis(1) };
        let waited = set.wait(Some(timeout));
        drop(limit);
        match waited {
            Ok(exited) => assert!(exited.is_none() && spare >= 1),
            Err(error) => assert!(is_emfile(&error) && spare == 0, "{spare}: {error}"),
        }
        drop(stdin);
        assert_eq!(set.wait(None).unwrap().unwrap().exit.unwrap().code(), Some(5));
    });
}

fn nonblocking_child_wait() {
    each(1, |spare| {
        let (child, stdin) = held_with(6);
        let child = Child::try_from(child).unwrap();
        child.pidfd().set_nonblocking(true).unwrap();
        let limit = Limit::with_spare(spare);
        // It blocks on what the crate has kept since the first child was dropped.
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(20));
                drop(stdin);
            });
            assert_eq!(child.wait().unwrap().code(), Some(6), "with {spare} spare descriptors");
        });
        drop(limit);
    });
}

/// A set with the talkative child, which has been told to talk.
fn set_with_talk() -> ChildSet<&'static str> {
    let set = ChildSet::new().unwrap();
    let mut child = talkative();
    let stdin = child.stdin.take();
    set.insert(child, "tag").unwrap();
    drop(stdin);
    set.close();
    set
}

/// All that it says, each line once, and then its end.
fn check_events(mut next: impl FnMut() -> Option<io::Result<SetEvent<&'static str>>>) {
    let mut lines = Vec::new();
    loop {
        match next().unwrap().unwrap() {
            SetEvent::Stdout { tag: "tag", line, .. } | SetEvent::Stderr { tag: "tag", line, .. } => {
                lines.push(line);
            }
            SetEvent::Exited { exited, pipe_open: false, .. } => {
                assert_eq!(exited.exit.unwrap().code(), Some(3));
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    lines.sort();
    assert_eq!(lines, [b"err\n", b"out\n"]);
    assert!(next().is_none());
}

/// An epoll instance, a bell and a timer. With them, nothing more is needed; without, nothing is lost.
fn set_events() {
    each(3, |spare| {
        let set = set_with_talk();
        let limit = Limit::with_spare(spare);
        let made = set.events();
        match made {
            Ok(mut events) => {
                assert!(spare >= 3);
                check_events(|| events.wait().transpose());
                drop(limit);
            }
            Err(error) => {
                assert!(is_emfile(&error) && spare < 3, "{spare}: {error}");
                drop(limit);
                let mut events = set.events().unwrap();
                check_events(|| events.wait().transpose());
            }
        }
    });
    common::no_child_is_left();
}

fn check_child_events(mut next: impl FnMut() -> Option<io::Result<Event>>) {
    let mut lines = Vec::new();
    loop {
        match next().unwrap().unwrap() {
            Event::Stdout(line) | Event::Stderr(line) => lines.push(line),
            Event::Exited { exit, pipe_open } => {
                assert_eq!((exit.code(), pipe_open), (Some(3), false));
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    lines.sort();
    assert_eq!(lines, [b"err\n", b"out\n"]);
    assert!(next().is_none());
}

/// It has all that it needs.
fn child_events() {
    check_leaks(|| {
        let child = Child::try_from(talkative()).unwrap();
        let limit = Limit::with_spare(0);
        // Which closes its input, so that it talks.
        let mut events = child.events().unwrap();
        check_child_events(|| events.wait().transpose());
        drop(limit);
    });
    common::no_child_is_left();
}

/// A stream that cannot be copied is not replaced by another one.
#[cfg(feature = "command")]
fn copies_of_our_streams() {
    check_leaks(|| {
        let limit = Limit::with_spare(0);
        let (stdout, stderr) = (childset::Stdio::from(io::stdout()), childset::Stdio::from(io::stderr()));
        drop(limit);
        let mut command = childset::Command::new("true");
        command.stderr(stdout);
        for _ in 0..2 {
            let error = command.spawn().unwrap_err();
            assert!(is_emfile(&error), "{error}");
        }
        let error =
            command.stderr(childset::Stdio::null()).stdout(stderr).prepare().unwrap().spawn().unwrap_err();
        assert!(is_emfile(&error), "{error}");
    });
    common::no_child_is_left();
}

/// Where a child was started and cannot be watched, the error says that it runs, also after a `?`.
#[cfg(feature = "command")]
fn spawned_and_not_watched() {
    use common::seccomp::{filter, Only};

    let set = ChildSet::new().unwrap();
    let add = Only { argument: 1, mask: u32::MAX, value: libc::EPOLL_CTL_ADD as u32, negate: false };
    filter(libc::SYS_epoll_ctl, Some(libc::ENOSPC), Some(add)).unwrap();
    let mut command = childset::Command::new("cat");
    command.stdin(childset::Stdio::piped()).stdout(childset::Stdio::null());
    let refused = set.spawn(&mut command, "tag").unwrap_err();
    let mut child = refused.child.expect("it was started");
    assert_eq!((child.try_wait().unwrap(), refused.tag), (None, "tag"));
    let says = format!("cannot watch child {}, which was started and runs: ", child.id());
    let error = refused.error;
    assert!(error.to_string().starts_with(&says), "{error}");
    assert_eq!(childset::SpawnError::from_io_error(&error).unwrap().errno(), libc::ENOSPC);
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());

    let mut passed_on = || -> io::Result<()> {
        set.spawn(&mut command, "tag")?;
        Ok(())
    };
    let error = passed_on().unwrap_err();
    assert!(error.to_string().contains("which was started and runs"), "{error}");
    // It was dropped, with its input, and is reaped like any dropped child.
    common::reap_all_dropped();
    common::no_child_is_left();
}

#[cfg(feature = "async-io")]
mod asynchronous {
    use super::*;

    use std::pin::pin;

    use async_io::Async;
    use childset::AsyncPidfdExt;
    use futures_lite::future::{block_on, poll_once};

    /// The very first await of a process, which makes the reactor too.
    pub(super) fn first_await() {
        for spare in 0..=8 {
            let status = common::reexec(&spare.to_string()).status().unwrap();
            assert!(status.success(), "with {spare} spare descriptors: {status}");
        }
    }

    pub(super) fn first_await_with(spare: usize) {
        let set = ChildSet::new().unwrap();
        let (child, stdin) = held_with(8);
        set.insert(child, "tag").unwrap();
        let limit = Limit::with_spare(spare);
        let polled = block_on(poll_once(set.next()));
        drop(limit);
        match polled {
            None => assert!(spare > 0),
            Some(Some(Err(error))) => assert!(is_emfile(&error), "{error}"),
            Some(other) => panic!("{other:?}"),
        }
        drop(stdin);
        let exited = block_on(set.next()).unwrap().unwrap();
        assert_eq!((exited.tag, exited.exit.unwrap().code()), ("tag", Some(8)));
        assert_eq!(common::zombies(), 0);
    }

    /// The first await of a set, where the reactor runs already.
    pub(super) fn next() {
        each(1, |spare| {
            let set = ChildSet::new().unwrap();
            let (child, stdin) = held_with(8);
            set.insert(child, "tag").unwrap();
            let limit = Limit::with_spare(spare);
            let polled = block_on(poll_once(set.next()));
            drop(limit);
            match polled {
                None => {}
                Some(Some(Err(error))) => assert!(is_emfile(&error) && spare == 0, "{spare}: {error}"),
                Some(other) => panic!("{other:?}"),
            }
            drop(stdin);
            let exited = block_on(set.next()).unwrap().unwrap();
            assert_eq!((exited.tag, exited.exit.unwrap().code()), ("tag", Some(8)));
        });
    }

    /// The reactor runs from the first await that has to wait.
    fn start_reactor() {
        let (mut child, stdin) = held_with(0);
        let pidfd = Async::new(Pidfd::from_child(&child).unwrap()).unwrap();
        assert!(block_on(poll_once(pidfd.exit())).is_none());
        drop(stdin);
        assert!(child.wait().unwrap().success());
    }

    /// Where the reactor runs, awaiting needs nothing more.
    pub(super) fn set_events_next() {
        start_reactor();
        check_leaks(|| {
            let set = set_with_talk();
            let limit = Limit::with_spare(3);
            let mut events = set.events().unwrap();
            check_events(|| block_on(events.next()));
            drop(limit);
        });
        common::no_child_is_left();
    }

    pub(super) fn child_events_next() {
        start_reactor();
        check_leaks(|| {
            let child = Child::try_from(talkative()).unwrap();
            let limit = Limit::with_spare(0);
            let mut events = child.events().unwrap();
            check_child_events(|| block_on(events.next()));
            drop(limit);
        });
        common::no_child_is_left();
    }

    pub(super) fn pidfd_wait() {
        check_leaks(|| {
            let (child, stdin) = held_with(9);
            let pidfd = Async::new(Pidfd::from_child(&child).unwrap()).unwrap();
            // The reactor runs from the first await that has to wait.
            assert!(block_on(poll_once(pidfd.exit())).is_none());
            let limit = Limit::with_spare(0);
            let mut wait = pin!(pidfd.exit());
            assert!(block_on(poll_once(&mut wait)).is_none());
            drop(stdin);
            assert_eq!(block_on(wait).unwrap().code(), Some(9));
            drop(limit);
        });
    }
}
