//! Zombies that are held back in a set.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use childset::{ChildSet, Pidfd, Signal};

use crate::common::{self, check_leaks, readable, until_ended};
use crate::quiet::{idle, VAIN};
use crate::tracee::zombie;
use crate::{assert_exit, assert_quiet};

pub(crate) fn set_wait() {
    check_leaks(|| {
        let set = ChildSet::new().unwrap();
        let (_, tracer) = zombie(|child| set.insert(child, "tag").unwrap());
        assert!(idle(|| set.wait(Some(VAIN))).unwrap().is_none());
        assert_quiet(&set);
        assert_eq!(set.len(), 1);
        drop(tracer);
        let exited = set.wait(None).unwrap().unwrap();
        assert_eq!(exited.tag, "tag");
        assert_exit(exited.exit);
    });
}

/// Polls the one descriptor for `VAIN`, as any event loop does; returns how often it was readable.
fn outer_loop<T>(set: &ChildSet<T>) -> u32 {
    let deadline = Instant::now() + VAIN;
    let mut wakes = 0;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if readable(set.as_fd(), left) {
            wakes += 1;
            assert!(set.try_wait().unwrap().is_none());
        }
        if left.is_zero() {
            return wakes;
        }
    }
}

pub(crate) fn set_in_an_outer_loop() {
    check_leaks(|| {
        let set = ChildSet::new().unwrap();
        let (_, tracer) = zombie(|child| set.insert(child, ()).unwrap());
        // The zombie was readable once.
        assert!(idle(|| outer_loop(&set)) <= 2);
        assert_quiet(&set);
        drop(tracer);
        assert!(readable(set.as_fd(), Duration::from_secs(60)), "no edge when the tracer let go");
        assert_exit(set.try_wait().unwrap().unwrap().exit);
    });
}

pub(crate) fn set_of_many() {
    check_leaks(|| {
        let set = ChildSet::new().unwrap();
        let mut tracers: Vec<_> =
            (0..3).map(|tag| (tag, zombie(|child| set.insert(child, tag).unwrap()).1)).collect();
        set.insert(common::held(), 3).unwrap();
        let (normal, stdin) = common::held_with(1);
        set.insert(normal, 4).unwrap();
        drop(stdin);
        // One that has ended comes out past those that are held back.
        let exited = set.wait(None).unwrap().unwrap();
        assert_eq!((exited.tag, exited.exit.unwrap().code()), (4, Some(1)));
        assert!(idle(|| set.wait(Some(VAIN))).unwrap().is_none());
        assert!(idle(|| outer_loop(&set)) <= 2);
        assert_quiet(&set);
        while let Some((tag, tracer)) = tracers.pop() {
            drop(tracer);
            let exited = set.wait(None).unwrap().unwrap();
            assert_eq!(exited.tag, tag);
            assert_exit(exited.exit);
            assert_quiet(&set);
        }
        set.send_signal_to_all(Signal::KILL).unwrap();
        assert_eq!(set.wait(None).unwrap().unwrap().tag, 3);
    });
}

/// An exit that was seen and not taken keeps the set readable, also where a tracer had held it back.
pub(crate) fn set_is_level_triggered_again() {
    check_leaks(|| {
        let set = ChildSet::new().unwrap();
        let (_, tracer) = zombie(|child| set.insert(child, "traced").unwrap());
        assert_quiet(&set);
        let (normal, stdin) = common::held_with(1);
        let normal_ends = Pidfd::from_child(&normal).unwrap();
        set.insert(normal, "normal").unwrap();
        // It is ready before the traced one, which is seen with it and left there.
        drop(stdin);
        until_ended(&normal_ends);
        drop(tracer);
        let first = set.try_wait().unwrap().unwrap().tag;
        for _ in 0..3 {
            assert!(readable(&set, Duration::ZERO), "one is left");
        }
        let second = set.try_wait().unwrap().unwrap();
        assert_eq!((first, second.tag), ("normal", "traced"));
        assert_exit(second.exit);
        assert_quiet(&set);
    });
}

/// One whose status somebody else took comes out past one that is held back, and leaves it to sleep.
pub(crate) fn set_with_a_stolen_one() {
    check_leaks(|| {
        let set = ChildSet::new().unwrap();
        let (_, tracer) = zombie(|child| set.insert(child, "traced").unwrap());
        assert_quiet(&set);
        let (stolen, stdin) = common::held_with(1);
        let pid = stolen.id();
        set.insert(stolen, "stolen").unwrap();
        drop(stdin);
        common::reap_by_pid(pid);
        let exited = set.wait(None).unwrap().unwrap();
        assert_eq!(exited.tag, "stolen");
        common::assert_code(&exited.exit, 1);
        assert!(idle(|| set.wait(Some(VAIN))).unwrap().is_none());
        assert!(idle(|| outer_loop(&set)) <= 2);
        drop(tracer);
        assert_exit(set.wait(None).unwrap().unwrap().exit);
    });
}
