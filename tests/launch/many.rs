//! Many launches: at once, one after the other, and from threads.

use std::fs;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use childset::{ChildSet, Command, Prepared, Stdio};

use crate::common::{self, check_leaks, sh, this_thread, until_asleep};
use crate::{held, is_spawned, output};

pub(crate) fn a_thousand() {
    if is_spawned() {
        return;
    }
    check_leaks(|| {
        let set = ChildSet::new().unwrap();
        let count = common::times(1000).max(100);
        for tag in 0..count {
            let mut command = sh(&format!("exit {}", tag % 256));
            match tag % 3 {
                0 => set.launch(&mut command, tag).unwrap(),
                1 => set.launch(&command.prepare().unwrap(), tag).unwrap(),
                _ => set.launch(&mut Command::new("/no/such/program"), tag).unwrap(),
            };
        }
        let mut seen = vec![false; count];
        while let Some(exited) = set.wait(None).unwrap() {
            match exited.tag % 3 {
                2 => assert_eq!(exited.exit.unwrap_err().kind(), io::ErrorKind::NotFound),
                _ => assert_eq!(exited.exit.unwrap().code(), Some((exited.tag % 256) as i32)),
            }
            assert!(!std::mem::replace(&mut seen[exited.tag], true));
        }
        assert!(seen.into_iter().all(|seen| seen));
    });
}

/// More do not start before one of them has got away.
pub(crate) fn sixty_four_on_their_way() {
    if is_spawned() {
        return;
    }
    held(libc::SYS_execve, |held| {
        let prepared = Command::new("true").prepare().unwrap();
        let mut children: Vec<_> = (0..64).map(|_| prepared.launch().unwrap()).collect();
        let mut calls: Vec<_> =
            children.iter().map(|_| held.next(30_000).expect("the child gets there")).collect();
        let oldest = calls.iter().position(|call| Some(call.pid as u32) == children[0].pid()).unwrap();
        let oldest = calls.swap_remove(oldest);
        let done = AtomicBool::new(false);
        let launcher = this_thread();
        std::thread::scope(|scope| {
            // The filter is this thread's: it launches, and another one lets go.
            let done = &done;
            scope.spawn(move || {
                until_asleep(launcher);
                assert!(!done.load(Ordering::SeqCst));
                held.go_on(oldest);
                calls.into_iter().for_each(|call| held.go_on(call));
                while let Some(call) = held.next(2_000) {
                    held.go_on(call);
                }
            });
            children.push(prepared.launch().unwrap());
            done.store(true, Ordering::SeqCst);
        });
        for child in children {
            assert!(child.wait().unwrap().success());
        }
    });
}

pub(crate) fn eight_threads() {
    check_leaks(|| {
        let set = ChildSet::new().unwrap();
        let prepared = sh("exit 9").prepare().unwrap();
        let each = common::times(50);
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let (set, prepared) = (&set, &prepared);
                scope.spawn(move || {
                    for tag in 0..each {
                        set.launch(prepared, thread * each + tag).unwrap();
                        let mut echo = Command::new("echo");
                        let child = echo.arg(tag.to_string()).stdout(Stdio::piped()).launch().unwrap();
                        assert_eq!(output(child), format!("{tag}\n"));
                    }
                });
            }
        });
        let mut tags = Vec::new();
        while let Some(exited) = set.wait(None).unwrap() {
            assert_eq!(exited.exit.unwrap().code(), Some(9));
            tags.push(exited.tag);
        }
        tags.sort();
        assert_eq!(tags, (0..8 * each).collect::<Vec<_>>());
    });
}

pub(crate) fn a_thread_that_ends_at_once() {
    check_leaks(|| {
        for _ in 0..common::times(200) {
            let launch = || sh("exit 4").stdout(Stdio::piped()).launch().unwrap();
            let child = std::thread::spawn(launch).join().unwrap();
            assert_eq!(child.wait().unwrap().code(), Some(4));
        }
    });
}

/// Neither stacks nor plans pile up.
pub(crate) fn memory_does_not_grow() {
    let mappings = || fs::read_to_string("/proc/self/maps").unwrap().lines().count();
    let run = |prepared: &Prepared| {
        let set = ChildSet::new().unwrap();
        for round in 0..common::times(300).max(100) {
            set.launch(prepared, ()).unwrap();
            if round % 10 == 9 {
                while set.wait(None).unwrap().is_some() {}
            }
        }
        while set.wait(None).unwrap().is_some() {}
    };
    let prepared = Command::new("true").prepare().unwrap();
    run(&prepared);
    let before = mappings();
    for _ in 0..3 {
        run(&prepared);
    }
    // Each stack has three mappings, and ten may be on their way.
    assert!(mappings() <= before + 3 * 10, "{} mappings, {before} before", mappings());
}

pub(crate) fn a_small_stack() {
    let threads = std::thread::Builder::new().stack_size(16 * 1024);
    let launched = threads.spawn(|| Command::new("true").launch().unwrap()).unwrap().join().unwrap();
    assert!(launched.wait().unwrap().success());
}
