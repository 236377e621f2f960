//! Threads that wait on a set: when they return, and who is woken.

use std::time::{Duration, Instant};

use childset::ChildSet;

use crate::common::{self, exiting, held_by_pipe, spawn_asleep};
use crate::NOW;

#[test]
fn wait_gives_up_at_the_timeout() {
    let set = ChildSet::new().unwrap();
    let (child, hold) = held_by_pipe();
    set.insert(child, ()).unwrap();
    let start = Instant::now();
    assert!(set.wait(Some(Duration::from_millis(50))).unwrap().is_none());
    assert!(start.elapsed() >= Duration::from_millis(50));
    assert!(set.wait(Some(NOW)).unwrap().is_none());
    drop(hold);
    // A timeout beyond the clock's end is none.
    assert!(set.wait(Some(Duration::MAX)).unwrap().is_some());
}

/// Those who block return when somebody else takes the last child.
#[test]
fn blocked_threads_return_when_the_set_becomes_empty() {
    let set = ChildSet::new().unwrap();
    for _ in 0..20 {
        let (child, hold) = held_by_pipe();
        let key = set.insert(child, ()).unwrap();
        let got = std::thread::scope(|scope| {
            let waiters = [0; 3].map(|_| scope.spawn(|| set.wait(None).unwrap().is_some()));
            // Whether they block already or not: they must come back.
            std::thread::yield_now();
            let removed = set.remove(key).unwrap();
            drop(hold);
            removed.0.wait().unwrap();
            waiters.map(|waiter| waiter.join().unwrap())
        });
        assert_eq!(got, [false; 3]);
    }
}

/// Also where the thread that the exit wakes waits for more.
#[test]
fn who_waits_for_the_last_child_returns_when_another_takes_it() {
    for _ in 0..20 {
        let set = ChildSet::new().unwrap();
        let (child, hold) = held_by_pipe();
        set.insert(child, ()).unwrap();
        let (ended, end) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let until_closed = spawn_asleep(scope, || set.wait_exits().count());
            let until_empty = spawn_asleep(scope, || {
                let taken = set.wait(None).unwrap().is_some();
                ended.send(()).unwrap();
                taken
            });
            drop(hold);
            let mut taken = 0;
            while !set.is_empty() {
                // Most often faster than a thread that has to be woken.
                taken += usize::from(set.try_wait().unwrap().is_some());
            }
            let ended = end.recv_timeout(Duration::from_secs(30));
            set.close();
            taken += until_closed.join().unwrap();
            taken += usize::from(until_empty.join().unwrap());
            assert_eq!((taken, ended), (1, Ok(())));
        });
    }
}

#[test]
fn a_blocked_thread_sees_a_child_that_is_inserted_meanwhile() {
    let set = ChildSet::new().unwrap();
    let (first, hold) = held_by_pipe();
    let first = set.insert(first, "first").unwrap();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| set.wait(None).unwrap().unwrap().tag);
        set.insert(exiting(0), "second").unwrap();
        assert_eq!(waiter.join().unwrap(), "second");
    });
    drop(hold);
    assert!(set.remove(first).unwrap().0.wait().unwrap().success());
}

#[test]
fn the_blocking_iterator_waits_for_inserts_until_the_set_is_closed() {
    let set = ChildSet::new().unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let sender = sender.clone();
            scope
                .spawn(|| set.wait_exits().for_each(move |exited| sender.send(exited.unwrap().tag).unwrap()));
        }
        for round in 0..common::times(20) {
            set.insert(common::held(), round).map(|key| drop(set.take_stdin(key))).unwrap();
            // The set is empty at times, and the iterators go on.
            assert_eq!(receiver.recv().unwrap(), round);
        }
        set.insert(common::held(), 1000).map(|key| drop(set.take_stdin(key))).unwrap();
        set.close();
        assert_eq!(receiver.recv().unwrap(), 1000);
    });
    assert!(set.wait_exits().next().is_none());
}

#[test]
fn threads_that_wait_sleep_after_a_close() {
    let set = ChildSet::new().unwrap();
    let key = set.insert(common::held(), ()).unwrap();
    let taken = std::thread::scope(|scope| {
        let wait = || {
            // What wakes it is the set.
            common::block_signals();
            set.wait(None).unwrap().is_some()
        };
        let threads: Vec<_> = (0..16).map(|_| spawn_asleep(scope, wait)).collect();
        set.close();
        std::thread::sleep(Duration::from_millis(100));
        let ticks = || common::ticks(std::process::id());
        let before = ticks();
        std::thread::sleep(Duration::from_millis(500));
        // Half a second of two processors would be 100.
        let spent = ticks() - before;
        drop(set.take_stdin(key));
        let taken = threads.into_iter().map(|thread| usize::from(thread.join().unwrap())).sum::<usize>();
        assert!(spent < 10, "{spent} ticks");
        taken
    });
    assert_eq!(taken, 1);
}

/// How often a thread of this process was put to sleep.
fn switches(thread: u32) -> u64 {
    let path = format!("/proc/self/task/{thread}/status");
    let status = std::fs::read_to_string(path).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    line.unwrap().trim().parse().unwrap()
}

/// One exit wakes the thread that takes it, and another one that waits in its place.
#[test]
fn an_exit_wakes_few_threads() {
    const THREADS: usize = 64;
    const EXITS: usize = 20;
    let set = ChildSet::new().unwrap();
    let keys: Vec<_> = (0..EXITS).map(|tag| set.insert(common::held(), tag).unwrap()).collect();
    let (started, ids) = std::sync::mpsc::channel();
    let (taken, exits) = std::sync::mpsc::channel();
    let all_asleep = |ids: &[u32]| {
        let is_asleep = |id: &u32| common::stat(*id, 3).unwrap() == "S";
        while !ids.iter().all(is_asleep) {
            std::thread::yield_now();
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            let (started, taken) = (started.clone(), taken.clone());
            let set = &set;
            scope.spawn(move || {
                // What wakes it is the set.
                common::block_signals();
                started.send(common::this_thread()).unwrap();
                while let Some(exited) = set.wait(None).unwrap() {
                    taken.send(exited.tag).unwrap();
                }
            });
        }
        let ids: Vec<_> = ids.iter().take(THREADS).collect();
        all_asleep(&ids);
        let before: u64 = ids.iter().map(|id| switches(*id)).sum();
        for (tag, key) in keys.iter().enumerate().take(EXITS - 1) {
            drop(set.take_stdin(*key));
            assert_eq!(exits.recv().unwrap(), tag);
            all_asleep(&ids);
        }
        let spent = ids.iter().map(|id| switches(*id)).sum::<u64>() - before;
        drop(set.take_stdin(keys[EXITS - 1]));
        // Some are put to sleep once more, by a lock.
        assert!(spent < 8 * EXITS as u64, "{spent} for {EXITS} exits");
    });
}
