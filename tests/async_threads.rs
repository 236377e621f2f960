//! A program that awaits has two threads, its own and async-io's, and that one reaps what was dropped.

mod common;

#[cfg(not(feature = "async-io"))]
fn main() {
    common::main(&[]);
}

#[cfg(feature = "async-io")]
fn main() {
    common::main(&[
        ("dropped_before_the_first_await", awaits::dropped_before_the_first_await),
        ("set", awaits::set),
        ("pidfd", awaits::pidfd),
        ("dropped_children", awaits::dropped_children),
        ("dropped_sets", awaits::dropped_sets),
        ("many_dropped", awaits::many_dropped),
    ]);
}

#[cfg(feature = "async-io")]
mod awaits {
    use std::time::Duration;

    use async_io::Async;
    use childset::{AsyncPidfdExt, Child, ChildSet, ChildStdin, Pidfd};
    use futures_lite::future::{block_on, poll_once};
    use futures_lite::StreamExt;

    use super::common::{check_leaks, held, held_with, threads, until_reaped, warm_up, zombies};

    /// Besides the main thread there is async-io's alone.
    fn assert_two_threads() {
        let mut names: Vec<_> = std::fs::read_dir("/proc/self/task")
            .unwrap()
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.file_name().to_str() != Some(&std::process::id().to_string()))
            .map(|entry| std::fs::read_to_string(entry.path().join("comm")).unwrap())
            .collect();
        // A thread that was just started may not have its name yet: it still has ours.
        let ours = std::fs::read_to_string("/proc/self/comm").unwrap();
        // So has one of the thread sanitizer's own.
        if threads() == names.len() {
            names.remove(names.iter().position(|name| *name == ours).unwrap());
        }
        names.iter_mut().filter(|name| **name == ours).for_each(|name| *name = "async-io\n".to_owned());
        assert_eq!(names, ["async-io\n"]);
    }

    /// The reactor runs from the first await that has to wait.
    fn start_reactor() {
        let child = Child::try_from(held()).unwrap();
        assert!(block_on(poll_once(child.status())).is_none());
        assert_two_threads();
        drop(child);
        warm_up();
    }

    /// A running child that was dropped, seen from outside of the crate, and what keeps it alive.
    fn dropped() -> (Pidfd, Option<ChildStdin>) {
        let mut child = Child::try_from(held()).unwrap();
        let seen = (child.pidfd().try_clone().unwrap(), child.stdin.take());
        drop(child);
        seen
    }

    /// Ends the children and waits until they were reaped, calling nothing of the crate.
    fn are_reaped(children: Vec<(Pidfd, Option<ChildStdin>)>) {
        for (pidfd, stdin) in children {
            drop(stdin);
            until_reaped(pidfd);
        }
        assert_eq!(zombies(), 0);
        // The last descriptor is closed by the reactor's thread under the lock that this takes.
        assert_eq!(childset::reap_dropped(), 0);
    }

    pub(super) fn dropped_before_the_first_await() {
        assert_eq!(threads(), 1);
        let children = (0..3).map(|_| dropped()).collect();
        assert_eq!(threads(), 1);
        let set = ChildSet::new().unwrap();
        let (child, stdin) = held_with(1);
        set.insert(child, ()).unwrap();
        drop(stdin);
        assert_eq!(block_on(set.next()).unwrap().unwrap().exit.unwrap().code(), Some(1));
        assert_two_threads();
        are_reaped(children);
        warm_up();
    }

    pub(super) fn set() {
        start_reactor();
        check_leaks(|| {
            let mut set = ChildSet::new().unwrap();
            for code in 0..10 {
                let (child, stdin) = held_with(code);
                set.insert(child, code).unwrap();
                drop(stdin);
            }
            block_on(async {
                assert!(StreamExt::next(&mut set).await.unwrap().is_ok());
                for _ in 0..9 {
                    assert!(set.next().await.unwrap().is_ok());
                    assert_two_threads();
                }
                assert!(set.next().await.is_none());
            });
            // Also under a deadline, and by the executor that drives the reactor itself.
            set.insert(held(), 10).unwrap();
            let mut shutdown = set.shutdown(Duration::from_secs(60));
            assert!(async_io::block_on(shutdown.next()).unwrap().is_ok());
            assert_two_threads();
        });
    }

    pub(super) fn pidfd() {
        start_reactor();
        check_leaks(|| {
            let (child, stdin) = held_with(2);
            let pidfd = Async::new(Pidfd::from_child(&child).unwrap()).unwrap();
            block_on(async {
                assert!(poll_once(pidfd.exited()).await.is_none());
                drop(stdin);
                pidfd.exited().await.unwrap();
                assert_two_threads();
                assert_eq!(pidfd.exit().await.unwrap().code(), Some(2));
                pidfd.reaped().await.unwrap();
            });
            assert_two_threads();
        });
    }

    pub(super) fn dropped_children() {
        start_reactor();
        check_leaks(|| {
            let children = (0..3).map(|_| dropped()).collect();
            assert_two_threads();
            are_reaped(children);
            assert_two_threads();
        });
    }

    pub(super) fn dropped_sets() {
        start_reactor();
        check_leaks(|| {
            let set = ChildSet::new().unwrap();
            let children = (0..3)
                .map(|_| {
                    let mut child = held();
                    let seen = (Pidfd::from_child(&child).unwrap(), child.stdin.take().map(Into::into));
                    set.insert(child, ()).unwrap();
                    seen
                })
                .collect();
            let mut next = set.next();
            assert!(block_on(poll_once(&mut next)).is_none());
            drop(next);
            drop(set);
            assert_two_threads();
            are_reaped(children);
        });
    }

    pub(super) fn many_dropped() {
        start_reactor();
        check_leaks(|| {
            let children: Vec<_> = (0..crate::common::times(300)).map(|_| dropped()).collect();
            let (pidfds, stdins): (Vec<_>, Vec<_>) = children.into_iter().unzip();
            // All at once.
            drop(stdins);
            are_reaped(pidfds.into_iter().map(|pidfd| (pidfd, None)).collect());
            assert_two_threads();
        });
    }
}
