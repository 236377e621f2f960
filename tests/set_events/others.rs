//! Others that hold a pipe, write, take exits, or are a copy of this process.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

use childset::{ChildSet, SetEvent, Stdio};

use crate::common::{self, check_leaks, piped_sh, Rest};
use crate::events::{all, each, Came, Way, LONG, WAYS};

pub(crate) fn somebody_else_holds_a_pipe() {
    for &way in WAYS {
        check_leaks(|| {
            let set = ChildSet::new().unwrap();
            let holds = set.spawn(&mut piped_sh("sleep 60 & printf 'mine\\nrest'"), 1).unwrap();
            let _rest = Rest(set.handle(holds).unwrap());
            let mut slow = piped_sh("sleep 60 & echo").spawn().unwrap();
            slow.set_drain_grace(LONG);
            slow.set_drain_limit(Duration::from_millis(300));
            let _slow_rest = Rest(slow.handle());
            set.insert(slow, 2).unwrap();
            set.spawn(&mut piped_sh("echo other"), 3).unwrap();
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
    let (reader, mut writer) = common::pipe();
    set.spawn(piped_sh(script).fd(3, reader), 1).unwrap();
    set.close();
    let mut child = None;
    each(&mut set.events().unwrap(), Way::Block, |event| {
        if let SetEvent::Exited { exited, pipe_open: true, .. } = event {
            child = Some(exited.child);
        }
        true
    });
    writer.write_all(b"after the end\n").unwrap();
    let (mut child, mut text) = (child.unwrap(), String::new());
    assert!(child.stderr.is_none(), "that one was at its end");
    child.stdout.take().unwrap().blocking().read_to_string(&mut text).unwrap();
    assert_eq!(text, "after the end\n");
}

pub(crate) fn somebody_else_writes_all_the_time() {
    for &way in WAYS {
        let set = ChildSet::new().unwrap();
        // The child ends when there was more.
        let script =
            "(echo mine; echo more; echo go >&4; while sleep 0.01; do echo more; done) & read line <&3";
        let (reader, writer) = common::pipe();
        let mut child = piped_sh(script).fd(3, reader).fd(4, writer).spawn().unwrap();
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

/// The lines come, and the end of the set.
pub(crate) fn others_take_exits() {
    for &way in WAYS {
        check_leaks(|| {
            let set = ChildSet::new().unwrap();
            let mut command = piped_sh("read line; sleep 60 & echo line; exit 3");
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
pub(crate) fn the_last_line_without_the_exit() {
    for &way in WAYS {
        let set = ChildSet::new().unwrap();
        let mut events = set.events().unwrap();
        let ends = set.spawn(piped_sh("read line; printf 'one\\ntwo'").stdin(Stdio::piped()), 1).unwrap();
        let stdin = set.take_stdin(ends).unwrap();
        // They have its pipes.
        assert!(events.try_wait().unwrap().is_none());
        drop(stdin);
        assert!(set.wait(Some(LONG)).unwrap().unwrap().exit.unwrap().success());
        let lives =
            set.spawn(piped_sh("printf three; exec >&- 2>&-; read line").stdin(Stdio::piped()), 2).unwrap();
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

pub(crate) fn a_copy_of_this_process() {
    let set = ChildSet::new().unwrap();
    let mut command = piped_sh("read line; echo $line");
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
        own.spawn(&mut piped_sh("echo own"), 7).unwrap();
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

pub(crate) fn no_descriptors_left() {
    common::block_once().unwrap();
    let set = ChildSet::new().unwrap();
    set.spawn(&mut piped_sh("echo line"), 1).unwrap();
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
