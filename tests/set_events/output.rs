//! Lines, of few and many children, and their exits.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::time::Duration;

use childset::{ChildSet, Command, Pidfd, SetEvent, SpawnError, Stdio};

use crate::common::{self, check_leaks, piped_sh, Rest};
use crate::events::{all, each, tag_of, Came, Way, WAYS};

pub(crate) fn lines_tags_and_exits() {
    for &way in WAYS {
        check_leaks(|| {
            let set = ChildSet::new().unwrap();
            let keys = [1, 2, 3].map(|code| {
                let script = format!("echo one; printf 'two\\n{code}'; echo err >&2; exit {code}");
                set.spawn(&mut piped_sh(&script), code).unwrap()
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

pub(crate) fn much_of_many() {
    let children = common::times(64).max(4);
    let line_of = |tag: usize| format!("{tag:0100}\n");
    for &way in WAYS {
        check_leaks(|| {
            let set = ChildSet::new().unwrap();
            for tag in 0..children {
                let script = "yes $0 | head -c 1000000 & yes $0 | head -c 1000000 >&2; wait";
                let mut command = piped_sh(script);
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

pub(crate) fn one_closes_its_pipes_and_lives() {
    for &way in WAYS {
        let set = ChildSet::new().unwrap();
        let mut command = piped_sh("exec 2>&-; read line; echo $line");
        let lives = set.spawn(command.stdin(Stdio::piped()), 1).unwrap();
        let mut command = piped_sh("exec >&- 2>&-; read line; exit 4");
        let silent = set.spawn(command.stdin(Stdio::piped()), 2).unwrap();
        set.spawn(&mut piped_sh("echo quick"), 3).unwrap();
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

/// Whatever the grace, and whatever the limit: it was written before the exit.
pub(crate) fn a_late_reader_reads_all() {
    let set = ChildSet::new().unwrap();
    let count = 40;
    let mut rest = Vec::new();
    for tag in 0..count {
        let mut child = piped_sh("head -c 900000 /dev/zero; sleep 60 & exit").spawn().unwrap();
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

pub(crate) fn what_has_no_pipes() {
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

pub(crate) fn of_a_program_that_is_not_there() {
    if !common::launches() {
        return common::skipped("what is launched is spawned here, and its failure is the spawn's");
    }
    for &way in WAYS {
        let set = ChildSet::new().unwrap();
        set.launch(Command::new("/no/such/program").stdout(Stdio::piped()), 1).unwrap();
        set.spawn(&mut piped_sh("echo there"), 2).unwrap();
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

pub(crate) fn a_slot_is_used_again_while_the_pipe_is_read() {
    let set = ChildSet::new().unwrap();
    let mut events = set.events().unwrap();
    let mut rest = Vec::new();
    let mut came = BTreeMap::<usize, Came>::new();
    for tag in 0..10 {
        let mut child = piped_sh("sleep 60 & echo mine").spawn().unwrap();
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

pub(crate) fn standard_input_stays() {
    let set = ChildSet::new().unwrap();
    let key = set.spawn(Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()), 1).unwrap();
    let mut events = set.events().unwrap();
    assert!(events.try_wait().unwrap().is_none());
    assert!(set.take_stdout(key).is_none(), "it is read here");
    set.take_stdin(key).unwrap().blocking().write_all(b"hello\n").unwrap();
    set.close();
    assert_eq!(all(&mut events, Way::Block), BTreeMap::from([(1, Came::new("hello\n", "", 0, false))]));
}
