//! What is left of a unit whose leader has ended.

use std::time::{Duration, Instant};

use childset::{ChildSet, Pidfd, Signal, Unit};

use crate::tree::{assert_ended, command, held, Tree};
use crate::{common, units, LONG, SHORT};

/// Of a group, what is left when its leader was reaped is known from Linux 6.9 on.
fn can_wait_for_rest(unit: Unit) -> bool {
    unit == Unit::Cgroup || (unit == Unit::ProcessGroup && common::kernel() >= (6, 9))
}

pub(crate) fn what_is_left_is_killed_at_the_deadline() {
    for unit in units() {
        let stubborn = || Tree::of(command(unit, &[Signal::TERM], true).spawn().unwrap());
        let check = |started: &[Pidfd; 3], start: Instant| {
            assert_ended(started, held(unit), &format!("{unit:?}"));
            if can_wait_for_rest(unit) {
                assert!(start.elapsed() >= SHORT, "{unit:?}: it got its grace");
            }
        };
        let tree = stubborn();
        common::until_ended(tree.child.pidfd());
        let start = Instant::now();
        assert!(tree.child.wait_terminated(SHORT).unwrap().success());
        match unit {
            Unit::Session | Unit::ProcessGroup if common::kernel() < (6, 9) => {
                assert_ended(&tree.started, 0, "neither has a number any more")
            }
            Unit::Session => assert_ended(&tree.started, 1, "the session has no number any more"),
            _ => check(&tree.started, start),
        }

        let tree = stubborn();
        common::until_ended(tree.child.pidfd());
        let set = ChildSet::new().unwrap();
        set.insert(tree.child, ()).unwrap();
        let start = Instant::now();
        let mut shutdown = set.shutdown(SHORT);
        assert!(shutdown.wait().unwrap().unwrap().exit.unwrap().success());
        assert!(shutdown.wait().unwrap().is_none());
        check(&tree.started, start);
    }
}

pub(crate) fn what_is_left_may_end_by_itself() {
    for unit in units().into_iter().filter(|&unit| can_wait_for_rest(unit)) {
        // It has all time.
        let tree = Tree::of(command(unit, &[Signal::TERM], true).spawn().unwrap());
        common::until_ended(tree.child.pidfd());
        let set = ChildSet::new().unwrap();
        set.insert(tree.child, ()).unwrap();
        let mut shutdown = set.shutdown(Duration::MAX);
        assert!(shutdown.wait().unwrap().unwrap().exit.unwrap().success());
        assert!(!shutdown.is_over(), "{unit:?}");
        assert_ended(&tree.started, 0, "its time is not over");
        assert!(shutdown.wait().unwrap().is_none());

        let tree = Tree::of(command(unit, &[], true).spawn().unwrap());
        tree.child.wait().unwrap();
        assert!(!tree.child.wait_unit_gone(Duration::ZERO).unwrap());
        let start = Instant::now();
        assert!(tree.child.wait_terminated(LONG).unwrap().success());
        assert!(start.elapsed() < LONG);
        assert!(tree.child.wait_unit_gone(LONG).unwrap());
        assert_ended(&tree.started, held(unit), "TERM");
    }
}

/// By `kill_on_drop`, after the leader has ended and was reaped.
pub(crate) fn what_is_left_is_killed_when_dropped() {
    for unit in units().into_iter().filter(|&unit| can_wait_for_rest(unit)) {
        for in_set in [false, true] {
            let mut tree = Tree::of(command(unit, &[Signal::TERM], true).spawn().unwrap());
            tree.child.set_kill_on_drop(true);
            if in_set {
                let set = ChildSet::new().unwrap();
                set.insert(tree.child, ()).unwrap();
                assert!(set.wait(None).unwrap().unwrap().exit.unwrap().success());
            } else {
                assert!(tree.child.wait().unwrap().success());
                drop(tree.child);
            }
            assert_ended(&tree.started, held(unit), &format!("{unit:?}"));
        }
    }
}
