//! Lines and exits as one stream, while a system call fails.

use std::io;
use std::time::Duration;

use childset::{Child, ChildSet, Command, Event, SetEvent, Stdio, Unit};

use crate::waits::insert;
use crate::{common, twice};

/// One with lines in both pipes, one whose pipe is held open by another one after its end, and one without pipes.
pub(crate) fn set_of_writers() -> ChildSet<u32> {
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
pub(crate) struct Seen {
    lines: Vec<(u32, Vec<u8>)>,
    exits: Vec<u32>,
    pub(crate) errors: usize,
}

impl Seen {
    pub(crate) fn add(&mut self, event: io::Result<SetEvent<u32>>) {
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

    pub(crate) fn check(mut self) {
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

pub(crate) fn set_events() {
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
pub(crate) fn set_events_in_a_loop() {
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

pub(crate) fn writer() -> Child {
    let mut command = Command::new("sh");
    command.args(["-c", "echo one; echo two >&2; exit 3"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    twice(|| command.spawn())
}

/// Its events, which come once each, with one error at most.
pub(crate) fn check_writer(mut next: impl FnMut() -> Option<io::Result<Event>>) {
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

pub(crate) fn child_events() {
    let before = open();
    let mut events = writer().events().unwrap();
    check_writer(|| events.wait().transpose());
    drop(events);
    assert_eq!(open(), before);
}
