//! Each end of a child ends its unit.

use std::time::Duration;

use childset::{ChildSet, Command, Containment, Pidfd, Signal, Stdio, Unit};

use crate::tree::{assert_ended, command, containment, held, trees, Tree};
use crate::{cgroups, common, units, LONG};

pub(crate) fn each_end_ends_the_unit() {
    for unit in units() {
        type End = fn(Tree) -> [Pidfd; 3];
        let ends: [(&str, End); 9] = [
            ("kill", |tree| {
                tree.child.kill().unwrap();
                assert_eq!(tree.child.wait().unwrap().signal(), Some(Signal::KILL));
                tree.started
            }),
            ("handle", |tree| {
                tree.child.handle().kill().unwrap();
                assert_eq!(tree.child.wait().unwrap().signal(), Some(Signal::KILL));
                tree.started
            }),
            ("kill_on_drop", |mut tree| {
                tree.child.set_kill_on_drop(true);
                tree.started
            }),
            ("kill_on_drop, with a handle", |mut tree| {
                tree.child.set_kill_on_drop(true);
                let handle = tree.child.handle();
                drop(tree.child);
                drop(handle);
                tree.started
            }),
            ("wait_terminated", |tree| {
                assert_eq!(tree.child.wait_terminated(LONG).unwrap().signal(), Some(Signal::TERM));
                tree.started
            }),
            ("shutdown", |tree| {
                let set = ChildSet::new().unwrap();
                set.insert(tree.child, ()).unwrap();
                let mut shutdown = set.shutdown(LONG);
                let exited = shutdown.wait().unwrap().unwrap();
                assert_eq!(exited.exit.unwrap().signal(), Some(Signal::TERM));
                assert!(shutdown.wait().unwrap().is_none());
                assert!(shutdown.is_over());
                tree.started
            }),
            ("dropping a set", |mut tree| {
                tree.child.set_kill_on_drop(true);
                let set = ChildSet::new().unwrap();
                set.insert(tree.child, ()).unwrap();
                tree.started
            }),
            ("ChildSet::terminate", |tree| {
                let set = ChildSet::new().unwrap();
                let key = set.insert(tree.child, ()).unwrap();
                let reached = set.terminate(key).unwrap();
                let exited = set.wait(None).unwrap().unwrap();
                assert_eq!(exited.exit.unwrap().signal(), Some(Signal::TERM));
                assert_ne!(reached, Containment::Process);
                tree.started
            }),
            ("ChildSet::kill_tree", |tree| {
                let set = ChildSet::new().unwrap();
                let key = set.insert(tree.child, ()).unwrap();
                assert_ne!(set.kill_tree(key).unwrap(), Containment::Process);
                assert_eq!(set.wait(None).unwrap().unwrap().exit.unwrap().signal(), Some(Signal::KILL));
                tree.started
            }),
        ];
        for (name, end) in ends {
            let started = end(Tree::new(unit));
            assert_ended(&started, held(unit), &format!("{unit:?}, {name}"));
        }
        let tree = Tree::new(unit);
        assert_eq!(tree.child.kill_tree().unwrap(), containment(unit));
        assert_ended(&tree.started, held(unit), "kill_tree");
        tree.child.wait().unwrap();
    }
}

pub(crate) fn a_process_alone_is_the_default() {
    for group in [None, Some(0)] {
        let mut command = command(Unit::Process, &[], false);
        if let Some(group) = group {
            command.process_group(group);
        }
        let tree = Tree::of(command.spawn().unwrap());
        assert_eq!(tree.child.wait_terminated(LONG).unwrap().signal(), Some(Signal::TERM));
        assert_ended(&tree.started, 0, "alone");
    }
}

pub(crate) fn a_stopped_one_can_act_on_its_end() {
    let script = "trap 'echo term; exit 3' TERM; kill -STOP $$; while :; do sleep 0.05; done";
    let start = || {
        let child = Command::new("sh").args(["-c", script]).stdout(Stdio::piped()).spawn().unwrap();
        assert!(matches!(child.pidfd().wait_state().unwrap(), childset::StateChange::Stopped(_)));
        child
    };
    let child = start();
    assert_eq!(child.wait_terminated(LONG).unwrap().code(), Some(3));
    let set = ChildSet::new().unwrap();
    set.insert(start(), ()).unwrap();
    let exited = set.shutdown(LONG).wait().unwrap().unwrap();
    assert_eq!(exited.exit.unwrap().code(), Some(3));
}

/// Of three generations: a third ignores SIGTERM, a third has a daemon, a third is stopped.
pub(crate) fn many_trees() {
    let count = trees();
    common::end_after(120 + count as u32);
    for unit in units() {
        let set = ChildSet::new().unwrap();
        let (mut started, mut handles) = (Vec::new(), Vec::new());
        for index in 0..count {
            let ignored: &[Signal] = if index % 3 == 0 { &[Signal::TERM] } else { &[] };
            let tree = Tree::of(command(unit, ignored, false).spawn().unwrap());
            if index % 3 == 2 {
                tree.child.send_signal(Signal::STOP).unwrap();
                // A stopped group that is not in the unit would be ended by the kernel, once its parent has ended.
                let held = &tree.started[..held(unit)];
                held.iter().for_each(|pidfd| pidfd.send_signal(Signal::STOP).unwrap());
            }
            started.push(tree.started);
            let key = set.insert(tree.child, index).unwrap();
            // Some are shared with others.
            if index % 2 == 0 {
                handles.push((key, set.handle(key).unwrap()));
            }
        }
        // This one ignores it.
        assert_eq!(set.terminate(handles[0].0).unwrap(), containment(unit));
        drop(handles);
        let mut shutdown = set.shutdown(Duration::from_secs(1));
        let mut ended = 0;
        while let Some(exited) = shutdown.wait().unwrap() {
            let expected = if exited.tag % 3 == 0 { Signal::KILL } else { Signal::TERM };
            assert_eq!(exited.exit.unwrap().signal(), Some(expected), "{}", exited.tag);
            ended += 1;
        }
        assert_eq!(ended, count);
        if unit == Unit::Cgroup {
            assert_eq!(cgroups(), 0);
        }
        for tree in &started {
            assert_ended(tree, held(unit), &format!("{unit:?}"));
        }
    }
}

#[cfg(feature = "async-io")]
pub(crate) fn awaited() {
    use crate::SHORT;
    use futures_lite::future::block_on;

    for unit in units() {
        let terminated = Tree::new(unit);
        assert_eq!(block_on(terminated.child.terminate(LONG)).unwrap().signal(), Some(Signal::TERM));
        assert_ended(&terminated.started, held(unit), "terminate");

        let tree = Tree::of(command(unit, &[Signal::TERM], false).spawn().unwrap());
        let set = ChildSet::new().unwrap();
        set.insert(tree.child, ()).unwrap();
        let mut shutdown = set.shutdown(SHORT);
        let exited = block_on(shutdown.next()).unwrap().unwrap();
        assert_eq!(exited.exit.unwrap().signal(), Some(Signal::KILL));
        drop(exited.child);
        assert!(block_on(shutdown.next()).is_none());
        if unit == Unit::Cgroup {
            assert_eq!(cgroups(), 1, "only that of the one before");
        }
        assert_ended(&tree.started, held(unit), "shutdown");

        let tree = Tree::of(command(unit, &[Signal::TERM], true).spawn().unwrap());
        common::until_ended(tree.child.pidfd());
        let set = ChildSet::new().unwrap();
        set.insert(tree.child, ()).unwrap();
        let mut shutdown = set.shutdown(SHORT);
        assert!(block_on(shutdown.next()).unwrap().unwrap().exit.unwrap().success());
        assert!(block_on(shutdown.next()).is_none());
        assert_ended(&tree.started, held(unit), "the rest");
    }
}
