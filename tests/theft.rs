//! A thread of this process that waits for any child (`wait(-1)`) takes statuses from under us.

#![allow(unsafe_code)]

mod common;

use std::io::{self, BufRead, BufReader, Write};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use childset::{Child, ChildSet, Exit, Pidfd, Signal, State};
use common::{assert_code, check_leaks, held, held_with, kernel, reexec, role};

/// How many children, in each test.
fn rounds() -> usize {
    common::times(300)
}

const TESTS: &[(&str, fn())] = &[
    ("pidfd_wait_after_the_theft", pidfd_wait_after_the_theft),
    ("pidfd_wait", pidfd_wait),
    ("pidfd_wait_that_blocks_already", pidfd_wait_that_blocks_already),
    ("pidfd_try_wait_in_the_middle_of_the_reaping", pidfd_try_wait_in_the_middle_of_the_reaping),
    ("child_wait", child_wait),
    ("child_wait_nonblocking", child_wait_nonblocking),
    ("set_wait", set_wait),
    ("set_reap", set_reap),
    ("dropped", dropped),
    #[cfg(feature = "async-io")]
    ("set_next", asynchronous::set_next),
    #[cfg(feature = "async-io")]
    ("set_next_by_two_tasks", asynchronous::set_next_by_two_tasks),
    #[cfg(feature = "async-io")]
    ("pidfd_wait_async", asynchronous::pidfd_wait_async),
];

fn main() {
    if role().is_some() {
        return parent();
    }
    common::main_warm(TESTS);
}

/// Runs the test beside a thief, and tells it how many statuses that has taken.
fn beside_a_thief(test: impl FnOnce(&AtomicUsize)) {
    check_leaks(|| {
        let (taken, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
        thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    // SAFETY: a null pointer means that the status is not wanted.
                    match unsafe { libc::waitpid(-1, std::ptr::null_mut(), 0) } {
                        // No child at the moment.
                        -1 => thread::yield_now(),
                        _ => drop(taken.fetch_add(1, Ordering::Relaxed)),
                    }
                }
            });
            struct Stop<'a>(&'a AtomicBool);
            impl Drop for Stop<'_> {
                fn drop(&mut self) {
                    self.0.store(true, Ordering::Relaxed);
                }
            }
            let _stop = Stop(&stop);
            test(&taken);
        });
    });
}

fn code(round: usize) -> u8 {
    (round % 251) as u8
}

/// Takes the exits of children one at a time. They end while, or right before, `take` runs.
fn one_by_one<C>(prepare: impl Fn(std::process::Child) -> C, take: impl Fn(&C) -> io::Result<Exit>) {
    beside_a_thief(|_| {
        for round in 0..rounds() {
            let (child, stdin) = held_with(code(round));
            let child = prepare(child);
            drop(stdin);
            assert_code(&take(&child), code(round));
        }
    });
}

/// Takes all exits of a set. The children end meanwhile.
fn all_of_a_set(take: impl Fn(&ChildSet<usize>) -> Option<childset::Exited<usize>>) {
    beside_a_thief(|_| {
        let set = ChildSet::new().unwrap();
        let mut stdins = Vec::new();
        for round in 0..rounds() {
            let (child, stdin) = held_with(code(round));
            set.insert(child, round).unwrap();
            stdins.push(stdin);
        }
        let mut seen = vec![0; rounds()];
        thread::scope(|scope| {
            scope.spawn(|| stdins.into_iter().for_each(drop));
            while let Some(exited) = take(&set) {
                seen[exited.tag] += 1;
                assert_code(&exited.exit, code(exited.tag));
            }
        });
        assert!(set.is_empty());
        assert_eq!(seen, vec![1; rounds()]);
    });
}

fn pidfd_wait_after_the_theft() {
    beside_a_thief(|taken| {
        for round in 0..20 {
            let (child, stdin) = held_with(code(round));
            let pidfd = Pidfd::from_child(&child).unwrap();
            drop(stdin);
            while taken.load(Ordering::Relaxed) <= round {
                thread::yield_now();
            }
            assert_eq!(pidfd.state().unwrap(), State::Reaped);
            let exit = pidfd.wait();
            assert_code(&exit, code(round));
            // What the thief took is gone.
            assert!(exit.map_or(true, |exit| exit.usage().is_none()));
        }
    });
}

fn pidfd_wait() {
    one_by_one(|child| Pidfd::from_child(&child).unwrap(), Pidfd::wait);
}

fn pidfd_wait_that_blocks_already() {
    beside_a_thief(|_| {
        for round in 0..rounds() {
            let (child, stdin) = held_with(code(round));
            let pidfd = Pidfd::from_child(&child).unwrap();
            let exit = thread::scope(|scope| {
                let waiter = scope.spawn(|| pidfd.wait());
                drop(stdin);
                waiter.join().unwrap()
            });
            assert_code(&exit, code(round));
        }
    });
}

/// Asks all the time while another process reaps: there is a moment when PIDFD_GET_INFO says neither that it
/// is a zombie nor how it ended, but ESRCH (seen on 6.18).
fn pidfd_try_wait_in_the_middle_of_the_reaping() {
    check_leaks(|| {
        let mut parent = reexec("parent").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdin = parent.stdin.take().unwrap();
        let mut lines = BufReader::new(parent.stdout.take().unwrap()).lines();
        for _ in 0..common::times(3000) {
            let pidfd = Pidfd::open(lines.next().unwrap().unwrap().parse().unwrap()).unwrap();
            stdin.write_all(b"k").unwrap();
            let exit = loop {
                if let Some(exit) = pidfd.try_wait().transpose() {
                    break exit;
                }
            };
            match exit {
                Ok(exit) => assert_eq!(exit.signal(), Some(Signal::KILL)),
                // Before 6.15 nobody but the parent gets it.
                Err(error) => assert!(kernel() < (6, 15), "{error}; {:?}", pidfd.try_wait()),
            }
        }
        drop(stdin);
        parent.wait().unwrap();
    });
}

/// Has children one after the other: names each, and kills and reaps it when it is told to.
fn parent() {
    loop {
        let mut child = held();
        println!("{}", child.id());
        let goes_on = common::read(io::stdin(), &mut [0]) > 0;
        child.kill().unwrap();
        child.wait().unwrap();
        if !goes_on {
            return;
        }
    }
}

fn child_wait() {
    one_by_one(
        |child| Child::try_from(child).unwrap(),
        |child| {
            let exit = child.wait();
            // The status is kept: asking again changes nothing.
            assert_eq!(exit.as_ref().ok(), child.wait().as_ref().ok());
            exit
        },
    );
}

fn child_wait_nonblocking() {
    let prepare = |child| {
        let child = Child::try_from(child).unwrap();
        child.pidfd().set_nonblocking(true).unwrap();
        child
    };
    one_by_one(prepare, Child::wait);
}

fn set_wait() {
    all_of_a_set(|set| set.wait(None).unwrap());
}

fn set_reap() {
    all_of_a_set(|set| {
        // Readable says that an exit can be taken, or that one was being taken by the thief just then.
        loop {
            if let Some(exited) = set.try_wait().unwrap() {
                return Some(exited);
            }
            if set.is_empty() {
                return None;
            }
            assert!(common::readable(set, Duration::from_secs(60)), "{set:?} is stuck");
        }
    });
}

fn dropped() {
    beside_a_thief(|_| {
        for round in 0..rounds() {
            let (child, stdin) = held_with(code(round));
            drop(Child::try_from(child).unwrap());
            drop(stdin);
        }
        common::reap_all_dropped();
    });
}

#[cfg(feature = "async-io")]
mod asynchronous {
    use super::*;

    use async_io::Async;
    use childset::AsyncPidfdExt;
    use futures_lite::future::{block_on, zip};

    pub(super) fn set_next() {
        all_of_a_set(|set| block_on(set.next()).transpose().unwrap());
    }

    pub(super) fn set_next_by_two_tasks() {
        beside_a_thief(|_| {
            let set = ChildSet::new().unwrap();
            for round in 0..rounds() {
                let (child, stdin) = held_with(code(round));
                set.insert(child, round).unwrap();
                drop(stdin);
            }
            let consumer = || async {
                let mut tags = Vec::new();
                while let Some(exited) = set.next().await {
                    let exited = exited.unwrap();
                    assert_code(&exited.exit, code(exited.tag));
                    tags.push(exited.tag);
                }
                tags
            };
            let (mut tags, others) = block_on(zip(consumer(), consumer()));
            tags.extend(others);
            tags.sort_unstable();
            assert_eq!(tags, (0..rounds()).collect::<Vec<_>>());
        });
    }

    pub(super) fn pidfd_wait_async() {
        one_by_one(
            |child| Async::new(Pidfd::from_child(&child).unwrap()).unwrap(),
            |pidfd| block_on(pidfd.exit()),
        );
    }
}
