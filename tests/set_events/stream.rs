//! The stream itself: its descriptor, its end, newcomers, and what is dropped of it.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use childset::{ChildSet, Command, SetEvent, SetEvents, Stdio};

use crate::common::{self, piped_sh, Rest};
use crate::events::{all, each, tag_of, Came, LONG, WAYS};

pub(crate) fn newcomers() {
    for &way in WAYS {
        let set = ChildSet::new().unwrap();
        std::thread::scope(|scope| {
            let came = scope.spawn(|| all(&mut set.events().unwrap(), way));
            // Each has its pipe taken up, or it would not end.
            for tag in 0..20 {
                let script = format!("head -c 200000 /dev/zero; exit {tag}");
                match tag % 3 {
                    0 => set.spawn(&mut piped_sh(&script), tag).unwrap(),
                    1 => set.launch(&mut piped_sh(&script), tag).unwrap(),
                    _ => {
                        let mut std = std::process::Command::new("sh");
                        let std = std.args(["-c", &script]).stdout(std::process::Stdio::piped());
                        set.insert(std.spawn().unwrap(), tag).unwrap()
                    }
                };
                while tag % 2 == 0 && !set.is_empty() {
                    std::thread::yield_now();
                }
            }
            set.close();
            let came = came.join().unwrap();
            assert_eq!(came.len(), 20);
            for (tag, came) in came {
                assert_eq!((came.out.len(), came.end), (200_000, Some((Some(tag as i32), false))), "{way:?}");
            }
        });
    }
}

/// Once the other thread, which looks whether they are taken, has let go.
fn taken(set: &ChildSet<usize>) -> SetEvents<'_, usize> {
    loop {
        match set.events() {
            Err(error) if error.kind() == ErrorKind::ResourceBusy => std::thread::yield_now(),
            events => return events.unwrap(),
        }
    }
}

pub(crate) fn the_end_wakes() {
    for &way in WAYS {
        let set = ChildSet::<usize>::new().unwrap();
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| all(&mut taken(&set), way).len());
            while set.events().is_ok() {
                std::thread::yield_now();
            }
            set.close();
            assert_eq!(waits.join().unwrap(), 0);
        });
        // The last exit is somebody else's.
        let set = ChildSet::new().unwrap();
        let key = set.spawn(Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()), 1).unwrap();
        set.close();
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| all(&mut taken(&set), way).len());
            while set.events().is_ok() {
                std::thread::yield_now();
            }
            let (child, _) = set.remove(key).unwrap();
            assert_eq!(waits.join().unwrap(), 0);
            child.kill().unwrap();
        });
    }
}

pub(crate) fn the_descriptor_is_level_triggered() {
    let set = ChildSet::new().unwrap();
    let mut events = set.events().unwrap();
    let is_readable = |events: &SetEvents<'_, usize>| common::readable(events.as_fd(), Duration::ZERO);
    let idle = |events: &mut SetEvents<'_, usize>| {
        let start = Instant::now();
        loop {
            assert!(events.try_wait().unwrap().is_none());
            if !is_readable(events) {
                return;
            }
            assert!(start.elapsed() < LONG, "it is readable, and there is nothing");
        }
    };
    idle(&mut events);
    let mut command = piped_sh("while read -r line; do printf \"$line\"; done; sleep 60 &");
    let key = set.spawn(command.stdin(Stdio::piped()), 1).unwrap();
    let _rest = Rest(set.handle(key).unwrap());
    let stdin = set.take_stdin(key).unwrap();
    idle(&mut events);
    // A part of a line is no event.
    stdin.blocking().write_all(b"one\n").unwrap();
    assert!(common::readable(events.as_fd(), LONG));
    idle(&mut events);
    // Several lines at once are several events.
    stdin.blocking().write_all(b"\\ntwo\\nthree\\n\n").unwrap();
    for expected in ["one\n", "two\n", "three\n"] {
        assert!(common::readable(events.as_fd(), LONG));
        loop {
            match events.try_wait().unwrap() {
                Some(SetEvent::Stdout { line, .. }) => break assert_eq!(line, expected.as_bytes()),
                None => assert!(common::readable(events.as_fd(), LONG)),
                other => panic!("{other:?}"),
            }
        }
    }
    idle(&mut events);
    // From the exit on there is a deadline.
    drop(stdin);
    assert!(common::readable(events.as_fd(), LONG));
    while !set.is_empty() {
        assert!(events.try_wait().unwrap().is_none());
    }
    idle(&mut events);
    assert!(common::readable(events.as_fd(), LONG));
    let start = Instant::now();
    let end = loop {
        if let Some(event) = events.try_wait().unwrap() {
            break event;
        }
        assert!(start.elapsed() < LONG);
    };
    assert!(matches!(end, SetEvent::Exited { pipe_open: true, .. }));
    idle(&mut events);
    set.close();
    assert!(is_readable(&events));
    assert!(events.try_wait().unwrap().is_none());
    assert!(is_readable(&events), "the end stays");
}

pub(crate) fn dropping_it_loses_nothing() {
    for &way in WAYS {
        let set = ChildSet::new().unwrap();
        let script = "for i in 1 2 3 4 5; do printf \"a$i b\"; read line; echo; done";
        let keys = [1, 2].map(|tag| set.spawn(piped_sh(script).stdin(Stdio::piped()), tag).unwrap());
        let mut inputs = keys.map(|key| set.take_stdin(key).unwrap());
        set.close();
        let mut came = BTreeMap::<usize, Came>::new();
        // Of ten lines and two ends each round takes one or more; nothing comes after them.
        for round in 0..12 {
            if round < 5 {
                inputs.iter_mut().for_each(|stdin| stdin.blocking().write_all(b"\n").unwrap());
            }
            let mut events = set.events().unwrap();
            // One event, and a look that finds nothing or a part of a line.
            each(&mut events, way, |event| {
                came.entry(tag_of(&event)).or_default().add(event);
                false
            });
            if let Some(event) = events.try_wait().unwrap() {
                came.entry(tag_of(&event)).or_default().add(event);
            }
        }
        let rest = all(&mut set.events().unwrap(), way);
        assert!(rest.is_empty(), "{rest:?}");
        let expected = Came::new("a1 b\na2 b\na3 b\na4 b\na5 b\n", "", 0, false);
        assert_eq!(
            came.into_values().collect::<Vec<_>>(),
            [expected, Came::new("a1 b\na2 b\na3 b\na4 b\na5 b\n", "", 0, false)]
        );
    }
}

pub(crate) fn one_at_a_time() {
    let set = ChildSet::<usize>::new().unwrap();
    let events = set.events().unwrap();
    assert_eq!(set.events().unwrap_err().kind(), ErrorKind::ResourceBusy);
    drop(events);
    drop(set.events().unwrap());
}

#[cfg(feature = "async-io")]
pub(crate) fn a_dropped_next_loses_nothing() {
    use futures_lite::future::{block_on, poll_once};

    block_on(async {
        let set = ChildSet::new().unwrap();
        for tag in 0..4 {
            set.spawn(&mut piped_sh("for i in 1 2 3 4 5; do echo $i; sleep 0.02; done"), tag).unwrap();
        }
        set.close();
        let mut events = set.events().unwrap();
        let mut came = BTreeMap::<usize, Came>::new();
        loop {
            match poll_once(events.next()).await {
                None => drop(async_io::Timer::after(Duration::from_millis(1)).await),
                Some(None) => break,
                Some(Some(event)) => {
                    let event = event.unwrap();
                    came.entry(tag_of(&event)).or_default().add(event);
                }
            }
        }
        let expected = (0..4).map(|tag| (tag, Came::new("1\n2\n3\n4\n5\n", "", 0, false)));
        assert_eq!(came, expected.collect());
    });
}

#[cfg(feature = "async-io")]
pub(crate) fn others_get_their_turn() {
    use futures_lite::future::{block_on, or};

    let set = ChildSet::new().unwrap();
    let key = set.spawn(Command::new("yes").stdout(Stdio::piped()), 1).unwrap();
    let mut events = set.events().unwrap();
    // Two tasks of one executor: the second one's turn comes while the first one always has more.
    block_on(or(
        async {
            loop {
                events.next().await.unwrap().unwrap();
            }
        },
        async {
            for _ in 0..10 {
                futures_lite::future::yield_now().await;
            }
        },
    ));
    set.send_signal(key, childset::Signal::KILL).unwrap();
}
