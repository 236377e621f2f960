//! The first await where a thread or its memory is not to be had, or where others take the descriptors: an error, and it
//! works once there is room.

mod common;

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use childset::{Child, ChildSet, ChildStdin, Command, Stdio, Unit};
use common::held_child;
use futures_lite::future::{block_on, poll_once};
use rustix::process::{getrlimit, setrlimit, Resource, Rlimit};

const TESTS: &[(&str, fn())] = &[
    ("no_process_left", no_process_left),
    ("one_process_left", one_process_left),
    ("no_memory_left", no_memory_left),
    ("thief", thief),
    ("many_dropped_at_once", many_dropped_at_once),
    ("only_the_rest_of_a_unit", only_the_rest_of_a_unit),
];

fn main() {
    match common::role() {
        Some(role) if role == "thief" => thief_here(),
        Some(_) => one_process_left_here(),
        None => common::main(TESTS),
    }
}

fn works((child, stdin): (Child, ChildStdin)) {
    let mut exit = Box::pin(child.exit());
    assert!(block_on(poll_once(&mut exit)).is_none());
    drop(stdin);
    assert!(block_on(exit).unwrap().success());
}

/// Each way to await says why it cannot.
fn all_fail(needs: &str) {
    let (child, stdin) = held_child();
    // One that has not ended before anybody awaits.
    let stubborn = Child::try_from(common::stubborn()).unwrap();
    let set = ChildSet::new().unwrap();
    set.insert(held_child().0, ()).unwrap();
    let errors = [
        block_on(child.exit()).unwrap_err(),
        block_on(stubborn.terminate(Duration::from_secs(60))).unwrap_err(),
        block_on(set.next()).unwrap().unwrap_err(),
        block_on(set.shutdown(Duration::from_secs(60)).next()).unwrap().unwrap_err(),
    ];
    for error in errors {
        assert!(error.to_string().contains(needs), "{error}");
    }
    // What does not await goes on.
    drop(stdin);
    child.wait().unwrap();
    assert!(set.wait(None).unwrap().is_some());
}

/// A limit for as long as `act` runs.
fn limited(resource: Resource, current: u64, act: impl FnOnce()) {
    let before = getrlimit(resource);
    setrlimit(resource, Rlimit { current: Some(current), maximum: before.maximum }).unwrap();
    act();
    setrlimit(resource, before).unwrap();
}

const USER: u32 = 54321;

fn no_process_left() {
    if !common::is_root() {
        return;
    }
    common::give_up_root(USER);
    let (child, stdin) = held_child();
    limited(Resource::Nproc, 1, || {
        for _ in 0..2 {
            let error = block_on(child.exit()).unwrap_err();
            assert!(error.to_string().contains("thread"), "{error}");
        }
    });
    works((child, stdin));
}

/// The thread that was started for trial must be gone when async-io's starts.
fn one_process_left() {
    if common::is_root() {
        for _ in 0..common::times(50) {
            assert!(common::reexec("one_process_left").status().unwrap().success());
        }
    }
}

fn one_process_left_here() {
    let set = ChildSet::new().unwrap();
    // Root's, and so not counted.
    let (child, stdin) = held_child();
    set.insert(child, ()).unwrap();
    common::give_up_root(USER);
    common::end_after(60);
    // This thread, and the reactor's; and one of the thread sanitizer's own.
    let most = if common::sanitizer().as_deref() == Some("thread") { 3 } else { 2 };
    limited(Resource::Nproc, most, || {
        assert!(block_on(poll_once(set.next())).is_none());
        drop(stdin);
        assert!(block_on(set.next()).unwrap().unwrap().exit.unwrap().success());
    });
}

fn no_memory_left() {
    if !common::memory_is_ours() {
        return;
    }
    let all = held_child();
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split(' ').next().unwrap().parse().unwrap();
    // Less than a thread's stack.
    let limit = pages * rustix::param::page_size() as u64 + (1 << 20);
    limited(Resource::As, limit, || all_fail("thread"));
    works(all);
}

/// Another thread takes each descriptor that is free for a moment, also those that were tried out.
fn thief() {
    for _ in 0..common::times(30) {
        let output = common::reexec("thief").output().unwrap();
        assert!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    }
}

fn thief_here() {
    common::end_after(60);
    let (child, stdin) = held_child();
    let limit = common::Limit::with_spare(3);
    let over = AtomicBool::new(false);
    let errors = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let stolen: Vec<io::Result<File>> = (0..3).map(|_| File::open("/dev/null")).collect();
                drop(stolen);
            }
        });
        let mut errors = 0;
        for _ in 0..100 {
            match block_on(poll_once(child.exit())) {
                Some(Err(_)) => errors += 1,
                None => break,
                Some(Ok(exit)) => panic!("{exit:?}"),
            }
        }
        over.store(true, Ordering::Relaxed);
        errors
    });
    drop(limit);
    assert!(errors <= 100);
    works((child, stdin));
}

/// The reactor reaps them in batches, and none is left over.
fn many_dropped_at_once() {
    works(held_child());
    let (theirs, ours) = common::pipe();
    let count = common::times(500);
    let mut command = Command::new("cat");
    command.stdin(theirs).stdout(Stdio::null());
    let pidfds: Vec<_> = (0..count)
        .map(|_| {
            let child = command.spawn().unwrap();
            child.pidfd().try_clone().unwrap()
        })
        .collect();
    drop(command);
    drop(ours);
    pidfds.iter().for_each(common::until_reaped);
}

/// The child has ended. Its end is not awaited, but that of the others in its group.
fn only_the_rest_of_a_unit() {
    if common::kernel() < (6, 9) {
        return common::skipped("before Linux 6.9 nothing names the group");
    }
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' TERM; sleep 60 & exit 0"]).unit(Unit::ProcessGroup);
    let child = command.spawn().unwrap();
    common::until_ended(child.pidfd());
    let limit = common::Limit::with_spare(0);
    let error = block_on(child.terminate(Duration::from_secs(60))).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
    drop(limit);
    assert!(block_on(child.terminate(Duration::from_millis(10))).unwrap().success());
}
