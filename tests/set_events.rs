//! What the children of a set write, and their ends, as one stream.

#![allow(unsafe_code)]

mod common;

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use childset::{ChildHandle, ChildSet, Command, Pidfd, SetEvent, SetEvents, SpawnError, Stdio, Unit};
use common::check_leaks;

const TESTS: &[(&str, fn())] = &[
    ("lines_tags_and_exits", lines_tags_and_exits),
    ("much_of_many", much_of_many),
    ("one_closes_its_pipes_and_lives", one_closes_its_pipes_and_lives),
    ("somebody_else_holds_a_pipe", somebody_else_holds_a_pipe),
    ("somebody_else_writes_all_the_time", somebody_else_writes_all_the_time),
    ("a_late_reader_reads_all", a_late_reader_reads_all),
    ("newcomers", newcomers),
    ("the_end_wakes", the_end_wakes),
    ("the_descriptor_is_level_triggered", the_descriptor_is_level_triggered),
    ("dropping_it_loses_nothing", dropping_it_loses_nothing),
    ("one_at_a_time", one_at_a_time),
    ("what_has_no_pipes", what_has_no_pipes),
    ("of_a_program_that_is_not_there", of_a_program_that_is_not_there),
    ("others_take_exits", others_take_exits),
    ("the_last_line_without_the_exit", the_last_line_without_the_exit),
    ("a_slot_is_used_again_while_the_pipe_is_read", a_slot_is_used_again_while_the_pipe_is_read),
    ("standard_input_stays", standard_input_stays),
    ("a_copy_of_this_process", a_copy_of_this_process),
    ("no_descriptors_left", no_descriptors_left),
    ("one_that_cannot_be_watched", one_that_cannot_be_watched),
    ("a_file_in_the_place_of_a_pipe", a_file_in_the_place_of_a_pipe),
    #[cfg(feature = "async-io")]
    ("a_dropped_next_loses_nothing", a_dropped_next_loses_nothing),
    #[cfg(feature = "async-io")]
    ("others_get_their_turn", others_get_their_turn),
];

fn main() {
    common::main_warm(TESTS);
}

const LONG: Duration = Duration::from_secs(30);

fn sh(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]).stdout(Stdio::piped()).stderr(Stdio::piped()).unit(Unit::ProcessGroup);
    command
}

/// How the events are taken.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Block,
    /// As a loop that waits for the descriptor, and takes one event each time.
    Loop,
    #[cfg(feature = "async-io")]
    Await,
}

const WAYS: &[Way] = &[
    Way::Block,
    Way::Loop,
    #[cfg(feature = "async-io")]
    Way::Await,
];

/// Until the end of the set, or of interest.
fn each(events: &mut SetEvents<'_, usize>, way: Way, mut act: impl FnMut(SetEvent<usize>) -> bool) {
    loop {
        let event = match way {
            Way::Block => events.wait().unwrap(),
            Way::Loop => {
                assert!(common::readable(events.as_fd(), LONG), "nothing comes");
                match events.try_wait().unwrap() {
                    // At the end it stays readable.
                    None if common::readable(events.as_fd(), Duration::ZERO) => events.wait().unwrap(),
                    None => continue,
                    event => event,
                }
            }
            #[cfg(feature = "async-io")]
            Way::Await => futures_lite::future::block_on(events.next()).transpose().unwrap(),
        };
        match event {
            None => return,
            Some(event) => {
                if !act(event) {
                    return;
                }
            }
        }
    }
}

/// What came of one child.
#[derive(Debug, Default, PartialEq)]
struct Came {
    out: Vec<u8>,
    err: Vec<u8>,
    /// The code, and whether a pipe was open.
    end: Option<(Option<i32>, bool)>,
}

impl Came {
    fn new(out: &str, err: &str, code: i32, pipe_open: bool) -> Came {
        Came { out: out.into(), err: err.into(), end: Some((Some(code), pipe_open)) }
    }

    fn add(&mut self, event: SetEvent<usize>) {
        assert!(self.end.is_none(), "nothing comes after the end");
        match event {
            SetEvent::Stdout { line, .. } => self.out.extend(line),
            SetEvent::Stderr { line, .. } => self.err.extend(line),
            SetEvent::Exited { exited, pipe_open, .. } => {
                let has_pipe = exited.child.stdout.is_some() || exited.child.stderr.is_some();
                assert_eq!(has_pipe, pipe_open);
                self.end = Some((exited.exit.unwrap().code(), pipe_open));
            }
            _ => unreachable!(),
        }
    }
}

fn tag_of(event: &SetEvent<usize>) -> usize {
    match event {
        SetEvent::Stdout { tag, .. } | SetEvent::Stderr { tag, .. } => *tag,
        SetEvent::Exited { exited, .. } => exited.tag,
        _ => unreachable!(),
    }
}

/// All until the end, by tag.
fn all(events: &mut SetEvents<'_, usize>, way: Way) -> BTreeMap<usize, Came> {
    let mut came = BTreeMap::<usize, Came>::new();
    each(events, way, |event| {
        came.entry(tag_of(&event)).or_default().add(event);
        true
    });
    came
}

/// Ends what is left of a group, from Linux 6.9 on.
struct Rest(ChildHandle);

impl Drop for Rest {
    fn drop(&mut self) {
        let _ = self.0.kill();
    }
}

fn lines_tags_and_exits() {
    for &way in WAYS {
        check_leaks(|| {
            let set = ChildSet::new().unwrap();
            let keys = [1, 2, 3].map(|code| {
                let script = format!("echo one; printf 'two\\n{code}'; echo err >&2; exit {code}");
                set.spawn(&mut sh(&script), code).unwrap()
            });
            set.close();
            let mut events = set.events().unwrap();
            let mut lines = [const { Vec::new() }; 3];
            let mut ended = 0;
            each(&mut events, way, |event| {
                match event {
                    SetEvent::Stdout { key, tag, line, .. } => {
                        assert_eq!(key, keys[tag - 1]);
                        lines[tag - 1].push(String::from_utf8(line).unwrap());
                    }
                    SetEvent::Stderr { key, tag, line, .. } => {
                        assert_eq!((key, &line[..]), (keys[tag - 1], &b"err\n"[..]));
                        ended += 10;
                    }
                    SetEvent::Exited { exited, pipe_open, .. } => {
                        assert_eq!(exited.key, keys[exited.tag - 1]);
                        assert_eq!(exited.exit.unwrap().code(), Some(exited.tag as i32));
                        assert!(!pipe_open);
                        let last = exited.tag.to_string();
                        assert_eq!(lines[exited.tag - 1], ["one\n", "two\n", &last], "all lines come before");
                        ended += 1;
                    }
                    _ => unreachable!(),
                }
                true
            });
            assert_eq!(ended, 33);
            assert!(events.wait().unwrap().is_none() && events.try_wait().unwrap().is_none());
        });
    }
}

fn much_of_many() {
    let children = common::times(64).max(4);
    let line_of = |tag: usize| format!("{tag:0100}\n");
    for &way in WAYS {
        check_leaks(|| {
            let set = ChildSet::new().unwrap();
            for tag in 0..children {
                let script = "yes $0 | head -c 1000000 & yes $0 | head -c 1000000 >&2; wait";
                let mut command = sh(script);
                command.arg(line_of(tag).trim_end());
                set.spawn(&mut command, tag).unwrap();
            }
            set.close();
            let mut came = BTreeMap::<usize, (usize, usize, bool)>::new();
            each(&mut set.events().unwrap(), way, |event| {
                let (out, err, ended) = came.entry(tag_of(&event)).or_default();
                assert!(!*ended);
                match event {
                    SetEvent::Stdout { tag, line, .. } => {
                        let whole = line_of(tag);
                        // The last one is cut.
                        assert!(whole.as_bytes().starts_with(&line), "{tag}: {}", line.escape_ascii());
                        assert!(line.len() == whole.len() || *out + line.len() == 1_000_000);
                        *out += line.len();
                    }
                    SetEvent::Stderr { line, .. } => *err += line.len(),
                    SetEvent::Exited { exited, pipe_open, .. } => {
                        assert!(exited.exit.unwrap().success() && !pipe_open);
                        *ended = true;
                    }
                    _ => unreachable!(),
                }
                true
            });
            assert_eq!(came.len(), children);
            assert!(came.values().all(|came| *came == (1_000_000, 1_000_000, true)), "{came:?}");
        });
    }
}

fn one_closes_its_pipes_and_lives() {
    for &way in WAYS {
        let set = ChildSet::new().unwrap();
        let mut command = sh("exec 2>&-; read line; echo $line");
        let lives = set.spawn(command.stdin(Stdio::piped()), 1).unwrap();
        let mut command = sh("exec >&- 2>&-; read line; exit 4");
        let silent = set.spawn(command.stdin(Stdio::piped()), 2).unwrap();
        set.spawn(&mut sh("echo quick"), 3).unwrap();
        let mut events = set.events().unwrap();
        // Neither is held up by them.
        let mut quick = Came::default();
        each(&mut events, way, |event| {
            assert_eq!(tag_of(&event), 3);
            quick.add(event);
            quick.end.is_none()
        });
        assert_eq!(quick, Came::new("quick\n", "", 0, false));
        set.take_stdin(lives).unwrap().blocking().write_all(b"late\n").unwrap();
        set.take_stdin(silent).unwrap().blocking().write_all(b"end\n").unwrap();
        set.close();
        let came = all(&mut events, way);
        let expected = [(1, Came::new("late\n", "", 0, false)), (2, Came::new("", "", 4, false))];
        assert_eq!(came, BTreeMap::from(expected), "{way:?}");
    }
}

fn somebody_else_holds_a_pipe() {
    for &way in WAYS {
        check_leaks(|| {
            let set = ChildSet::new().unwrap();
            let holds = set.spawn(&mut sh("sleep 60 & printf 'mine\\nrest'"), 1).unwrap();
            let _rest = Rest(set.handle(holds).unwrap());
            let mut slow = sh("sleep 60 & echo").spawn().unwrap();
            slow.set_drain_grace(LONG);
            slow.set_drain_limit(Duration::from_millis(300));
            let _slow_rest = Rest(slow.handle());
            set.insert(slow, 2).unwrap();
            set.spawn(&mut sh("echo other"), 3).unwrap();
            set.close();
            let start = Instant::now();
            let mut events = set.events().unwrap();
            let came = all(&mut events, way);
            assert!(start.elapsed() >= Duration::from_millis(300));
            let expected = [
                (1, Came::new("mine\nrest", "", 0, true)),
                (2, Came::new("\n", "", 0, true)),
                (3, Came::new("other\n", "", 0, false)),
            ];
            assert_eq!(came, BTreeMap::from(expected), "{way:?}");
        });
    }
    // The pipe is not lost.
    let set = ChildSet::new().unwrap();
    let script = "(read line; echo $line) 2>&- <&3 & echo mine";
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    set.spawn(sh(script).fd(3, reader), 1).unwrap();
    set.close();
    let mut child = None;
    each(&mut set.events().unwrap(), Way::Block, |event| {
        if let SetEvent::Exited { exited, pipe_open: true, .. } = event {
            child = Some(exited.child);
        }
        true
    });
    std::fs::File::from(writer).write_all(b"after the end\n").unwrap();
    let (mut child, mut text) = (child.unwrap(), String::new());
    assert!(child.stderr.is_none(), "that one was at its end");
    child.stdout.take().unwrap().blocking().read_to_string(&mut text).unwrap();
    assert_eq!(text, "after the end\n");
}

fn somebody_else_writes_all_the_time() {
    for &way in WAYS {
        let set = ChildSet::new().unwrap();
        // The child ends when there was more.
        let script =
            "(echo mine; echo more; echo go >&4; while sleep 0.01; do echo more; done) & read line <&3";
        let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
        let mut child = sh(script).fd(3, reader).fd(4, writer).spawn().unwrap();
        child.set_drain_limit(Duration::from_millis(300));
        let _rest = Rest(child.handle());
        set.insert(child, 1).unwrap();
        set.close();
        let start = Instant::now();
        let came = all(&mut set.events().unwrap(), way);
        let out = String::from_utf8_lossy(&came[&1].out);
        assert!(out.starts_with("mine\n") && out.contains("more\n"), "{out}");
        assert_eq!(came[&1].end, Some((Some(0), true)));
        assert!(start.elapsed() < LONG);
    }
}

/// Whatever the grace, and whatever the limit: it was written before the exit.
fn a_late_reader_reads_all() {
    let set = ChildSet::new().unwrap();
    let count = 40;
    let mut rest = Vec::new();
    for tag in 0..count {
        let mut child = sh("head -c 900000 /dev/zero; sleep 60 & exit").spawn().unwrap();
        rest.push(Rest(child.handle()));
        let pipe = child.stdout.as_ref().unwrap();
        if rustix::pipe::fcntl_setpipe_size(pipe, 1 << 20).is_err() {
            return common::skipped("the user's limit of memory for pipes");
        }
        common::until_ended(child.pidfd());
        child.set_drain_grace(Duration::ZERO);
        child.set_drain_limit(Duration::from_millis(1));
        set.insert(child, tag).unwrap();
    }
    set.close();
    let mut events = set.events().unwrap().chunks();
    // The first one is told of long before the last one is read.
    let came = all(&mut events, Way::Block);
    assert_eq!(came.len(), count);
    for came in came.values() {
        assert_eq!((came.out.len(), came.end), (900_000, Some((Some(0), true))));
    }
}

fn newcomers() {
    for &way in WAYS {
        let set = ChildSet::new().unwrap();
        std::thread::scope(|scope| {
            let came = scope.spawn(|| all(&mut set.events().unwrap(), way));
            // Each has its pipe taken up, or it would not end.
            for tag in 0..20 {
                let script = format!("head -c 200000 /dev/zero; exit {tag}");
                match tag % 3 {
                    0 => set.spawn(&mut sh(&script), tag).unwrap(),
                    1 => set.launch(&mut sh(&script), tag).unwrap(),
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

fn the_end_wakes() {
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

fn the_descriptor_is_level_triggered() {
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
    let mut command = sh("while read -r line; do printf \"$line\"; done; sleep 60 &");
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

fn dropping_it_loses_nothing() {
    for &way in WAYS {
        let set = ChildSet::new().unwrap();
        let script = "for i in 1 2 3 4 5; do printf \"a$i b\"; read line; echo; done";
        let keys = [1, 2].map(|tag| set.spawn(sh(script).stdin(Stdio::piped()), tag).unwrap());
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

fn one_at_a_time() {
    let set = ChildSet::<usize>::new().unwrap();
    let events = set.events().unwrap();
    assert_eq!(set.events().unwrap_err().kind(), ErrorKind::ResourceBusy);
    drop(events);
    drop(set.events().unwrap());
}

fn what_has_no_pipes() {
    for &way in WAYS {
        let set = ChildSet::new().unwrap();
        set.spawn(&mut Command::new("false"), 1).unwrap();
        set.insert(std::process::Command::new("true").spawn().unwrap(), 2).unwrap();
        let stranger = Command::new("true").spawn().unwrap();
        stranger.wait().unwrap();
        set.insert(stranger, 3).unwrap();
        let child = Command::new("true").spawn().unwrap();
        set.insert(Pidfd::open(child.id()).unwrap(), 4).unwrap();
        std::mem::forget(child);
        // Its pipe was taken.
        let taken = set.spawn(Command::new("echo").stdout(Stdio::piped()), 5).unwrap();
        let pipe = set.take_stdout(taken).unwrap();
        set.close();
        let came = all(&mut set.events().unwrap(), way);
        let codes: Vec<_> = came.values().map(|came| came.end.unwrap().0.unwrap()).collect();
        assert_eq!(codes, [1, 0, 0, 0, 0]);
        assert!(came.values().all(|came| came.out.is_empty()));
        assert_eq!(pipe.blocking().read(&mut [0; 9]).unwrap(), 1);
    }
}

fn of_a_program_that_is_not_there() {
    if !common::launches() {
        return common::skipped("what is launched is spawned here, and its failure is the spawn's");
    }
    for &way in WAYS {
        let set = ChildSet::new().unwrap();
        set.launch(Command::new("/no/such/program").stdout(Stdio::piped()), 1).unwrap();
        set.spawn(&mut sh("echo there"), 2).unwrap();
        set.close();
        let (mut lines, mut ends) = (0, 0);
        each(&mut set.events().unwrap(), way, |event| {
            match event {
                SetEvent::Stdout { tag: 2, .. } => lines += 1,
                SetEvent::Exited { exited, .. } if exited.tag == 1 => {
                    let error = exited.exit.unwrap_err();
                    assert_eq!(SpawnError::from_io_error(&error).unwrap().errno(), libc::ENOENT);
                    ends += 1;
                }
                SetEvent::Exited { exited, .. } => {
                    assert!(exited.exit.unwrap().success());
                    ends += 1;
                }
                other => panic!("{other:?}"),
            }
            true
        });
        assert_eq!((lines, ends), (1, 2), "{way:?}");
    }
}

/// The lines come, and the end of the set.
fn others_take_exits() {
    for &way in WAYS {
        check_leaks(|| {
            let set = ChildSet::new().unwrap();
            let mut command = sh("read line; sleep 60 & echo line; exit 3");
            let holds = set.spawn(command.stdin(Stdio::piped()), 1).unwrap();
            let _rest = Rest(set.handle(holds).unwrap());
            let stdin = set.take_stdin(holds).unwrap();
            set.close();
            let mut events = set.events().unwrap();
            // They have its pipes.
            assert!(events.try_wait().unwrap().is_none());
            stdin.blocking().write_all(b"end\n").unwrap();
            let exited = set.wait(Some(LONG)).unwrap().expect("it ends");
            assert_eq!(exited.exit.unwrap().code(), Some(3));
            assert!(exited.child.stdout.is_none());
            let mut lines = 0;
            each(&mut events, way, |event| {
                assert!(matches!(event, SetEvent::Stdout { .. }), "{event:?}");
                lines += 1;
                true
            });
            assert_eq!(lines, 1);
        });
    }
}

/// It comes at the end of its pipe, in a set that goes on.
fn the_last_line_without_the_exit() {
    for &way in WAYS {
        let set = ChildSet::new().unwrap();
        let mut events = set.events().unwrap();
        let ends = set.spawn(sh("read line; printf 'one\\ntwo'").stdin(Stdio::piped()), 1).unwrap();
        let stdin = set.take_stdin(ends).unwrap();
        // They have its pipes.
        assert!(events.try_wait().unwrap().is_none());
        drop(stdin);
        assert!(set.wait(Some(LONG)).unwrap().unwrap().exit.unwrap().success());
        let lives = set.spawn(sh("printf three; exec >&- 2>&-; read line").stdin(Stdio::piped()), 2).unwrap();
        let mut came = BTreeMap::<usize, Vec<u8>>::new();
        each(&mut events, way, |event| {
            match event {
                SetEvent::Stdout { tag, line, .. } => came.entry(tag).or_default().extend(line),
                other => panic!("{other:?}"),
            }
            came.values().map(Vec::len).sum::<usize>() < "one\ntwothree".len()
        });
        assert_eq!(came, BTreeMap::from([(1, b"one\ntwo".to_vec()), (2, b"three".to_vec())]));
        drop(set.take_stdin(lives).unwrap());
        match events.wait().unwrap().unwrap() {
            SetEvent::Exited { exited, pipe_open: false, .. } => assert_eq!(exited.tag, 2),
            other => panic!("{other:?}"),
        }
    }
}

fn a_slot_is_used_again_while_the_pipe_is_read() {
    let set = ChildSet::new().unwrap();
    let mut events = set.events().unwrap();
    let mut rest = Vec::new();
    let mut came = BTreeMap::<usize, Came>::new();
    for tag in 0..10 {
        let mut child = sh("sleep 60 & echo mine").spawn().unwrap();
        child.set_drain_grace(Duration::from_millis(500));
        rest.push(Rest(child.handle()));
        set.insert(child, tag).unwrap();
        while !set.is_empty() {
            if let Some(event) = events.try_wait().unwrap() {
                came.entry(tag_of(&event)).or_default().add(event);
            }
        }
    }
    set.close();
    each(&mut events, Way::Block, |event| {
        came.entry(tag_of(&event)).or_default().add(event);
        true
    });
    assert_eq!(came.len(), 10);
    for came in came.into_values() {
        assert_eq!(came, Came::new("mine\n", "", 0, true));
    }
}

fn standard_input_stays() {
    let set = ChildSet::new().unwrap();
    let key = set.spawn(Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()), 1).unwrap();
    let mut events = set.events().unwrap();
    assert!(events.try_wait().unwrap().is_none());
    assert!(set.take_stdout(key).is_none(), "it is read here");
    set.take_stdin(key).unwrap().blocking().write_all(b"hello\n").unwrap();
    set.close();
    assert_eq!(all(&mut events, Way::Block), BTreeMap::from([(1, Came::new("hello\n", "", 0, false))]));
}

fn a_copy_of_this_process() {
    let set = ChildSet::new().unwrap();
    let mut command = sh("read line; echo $line");
    let key = set.spawn(command.stdin(Stdio::piped()), 1).unwrap();
    let events = std::cell::RefCell::new(Some(set.events().unwrap()));
    assert!(events.borrow_mut().as_mut().unwrap().try_wait().unwrap().is_none());
    let code = common::in_copy(|| {
        common::end_after(60);
        let is_forked = |error: std::io::Error| childset::Forked::from_io_error(&error).is_some();
        let mut copy = events.borrow_mut().take().unwrap();
        let mut wrong = u8::from(!copy.wait().is_err_and(is_forked));
        wrong += u8::from(!copy.try_wait().is_err_and(is_forked));
        drop(copy);
        wrong += u8::from(!set.events().is_err_and(is_forked));
        // What it makes itself works.
        let own = ChildSet::new().unwrap();
        own.spawn(&mut sh("echo own"), 7).unwrap();
        own.close();
        let came = all(&mut own.events().unwrap(), Way::Block);
        wrong + u8::from(came != BTreeMap::from([(7, Came::new("own\n", "", 0, false))]))
    });
    assert_eq!(code, 0);
    set.take_stdin(key).unwrap().blocking().write_all(b"still here\n").unwrap();
    set.close();
    let mut events = events.into_inner().unwrap();
    assert_eq!(all(&mut events, Way::Block), BTreeMap::from([(1, Came::new("still here\n", "", 0, false))]));
}

fn no_descriptors_left() {
    common::block_once().unwrap();
    let set = ChildSet::new().unwrap();
    set.spawn(&mut sh("echo line"), 1).unwrap();
    set.close();
    // One is lacking.
    let limit = common::Limit::with_spare(2);
    assert_eq!(set.events().unwrap_err().raw_os_error(), Some(libc::EMFILE));
    drop(limit);
    let mut events = set.events().unwrap();
    let limit = common::Limit::with_spare(0);
    let came = all(&mut events, Way::Block);
    drop(limit);
    assert_eq!(came, BTreeMap::from([(1, Came::new("line\n", "", 0, false))]));
}

#[cfg(feature = "async-io")]
fn a_dropped_next_loses_nothing() {
    use futures_lite::future::{block_on, poll_once};

    block_on(async {
        let set = ChildSet::new().unwrap();
        for tag in 0..4 {
            set.spawn(&mut sh("for i in 1 2 3 4 5; do echo $i; sleep 0.02; done"), tag).unwrap();
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
fn others_get_their_turn() {
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

/// The lines of others come in spite of it.
fn one_that_cannot_be_watched() {
    let set = ChildSet::new().unwrap();
    let mut cat = Command::new("cat");
    let key = set.spawn(cat.stdin(Stdio::piped()).stdout(Stdio::piped()), 1).unwrap();
    let stdin = set.take_stdin(key).unwrap();
    let mut events = set.events().unwrap();
    stdin.blocking().write_all(b"watched\n").unwrap();
    assert_eq!(tag_of(&events.wait().unwrap().unwrap()), 1);

    set.spawn(&mut cat, 2).unwrap();
    if let Err(error) = common::seccomp::filter(libc::SYS_epoll_ctl, Some(libc::ENOSPC), None) {
        return common::skipped(error);
    }
    stdin.blocking().write_all(b"more\n").unwrap();
    drop(stdin);
    let start = Instant::now();
    let (mut came, mut has_failed, mut has_ended) = (Came::default(), false, false);
    while !(has_failed && has_ended) {
        assert!(start.elapsed() < LONG, "{came:?}");
        match events.wait() {
            Ok(event) => {
                let event = event.unwrap();
                assert_eq!(tag_of(&event), 1);
                has_ended = matches!(event, SetEvent::Exited { .. });
                came.add(event);
            }
            Err(error) => {
                assert_eq!(error.raw_os_error(), Some(libc::ENOSPC));
                has_failed = true;
            }
        }
    }
    assert_eq!(came, Came::new("more\n", "", 0, false));
}

/// Epoll takes none.
fn a_file_in_the_place_of_a_pipe() {
    let text = "a line\n".repeat(50_000);
    let path = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&path, &text).unwrap();
    for &way in WAYS {
        let set = ChildSet::new().unwrap();
        let mut child = sh("echo pipe >&2").spawn().unwrap();
        child.stdout = Some(OwnedFd::from(std::fs::File::open(&path).unwrap()).into());
        set.insert(child, 1).unwrap();
        set.spawn(&mut sh("echo line; exit 2"), 2).unwrap();
        set.close();
        let came = all(&mut set.events().unwrap(), way);
        let expected = [(1, Came::new(&text, "pipe\n", 0, false)), (2, Came::new("line\n", "", 2, false))];
        assert_eq!(came, BTreeMap::from(expected), "{way:?}");
    }
}
