//! The parent's children and sets in the copy: their calls are refused, and dropping them harms nobody.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use childset::{reap_dropped, Child, ChildSet, ChildStdin, Command, Signal, State};

use crate::common::{self, check_leaks, held_child, reap_all_dropped, until_ended};
use crate::{in_copy, refused};

pub(crate) fn calls_of_a_child() {
    check_leaks(|| {
        let (mut child, stdin) = held_child();
        let (reader, writer) = common::pipe();
        child.stdout = Some(OwnedFd::from(reader).into());
        let (known, known_stdin) = held_child();
        drop(known_stdin);
        let exit = known.wait().unwrap();
        let pid = child.id();
        let mut child = Some(child);
        in_copy(|| {
            let child = child.take().unwrap();
            refused(child.wait());
            refused(child.wait_timeout(Duration::from_secs(60)));
            refused(child.try_wait());
            refused(child.try_status());
            refused(child.kill());
            refused(child.kill_tree());
            refused(child.send_signal(Signal::KILL));
            refused(child.send_signal_to_group(Signal::KILL));
            refused(child.wait_terminated(Duration::ZERO));
            let handle = child.handle();
            refused(handle.kill());
            refused(handle.send_signal(Signal::KILL));
            refused(handle.send_signal_to_group(Signal::KILL));
            assert_eq!((child.id(), handle.pid(), handle.known_exit()), (pid, Some(pid), None));
            assert!(format!("{child:?}").contains(&pid.to_string()));
            assert_eq!(known.handle().known_exit(), Some(exit));
            // A plain descriptor, of a process that is not this one's child.
            assert_eq!(child.pidfd().try_wait().unwrap(), None);
            let inserted = ChildSet::new().unwrap().insert(child, "tag");
            let error = inserted.map(drop).unwrap_err();
            refused::<()>(Err(error.error));
            assert_eq!((error.child.id(), error.tag), (pid, "tag"));
            refused(error.child.wait_with_output());
        });
        let child = child.unwrap();
        assert_eq!(child.try_wait().unwrap(), None);
        // Both have the same pipe, which blocks as before.
        let flags = rustix::fs::fcntl_getfl(child.stdout.as_ref().unwrap()).unwrap();
        assert!(!flags.contains(rustix::fs::OFlags::NONBLOCK));
        drop((stdin, writer));
        assert!(child.wait().unwrap().success());
        assert_eq!(known.wait().unwrap(), exit);
    });
}

pub(crate) fn calls_of_a_set() {
    check_leaks(|| {
        let set = ChildSet::new().unwrap();
        let (child, stdin) = held_child();
        let key = set.insert(child, "running").unwrap();
        let ended = set.spawn(Command::new("sh").args(["-c", "exit 3"]), "ended").unwrap();
        assert!(common::readable(&set, Duration::from_secs(60)));
        // What blocks on it makes its eventfd.
        assert_eq!(set.wait(Some(Duration::from_secs(60))).unwrap().unwrap().key, ended);
        assert!(set.wait(Some(Duration::from_millis(1))).unwrap().is_none());
        in_copy(|| {
            refused(set.try_wait());
            refused(set.wait(None));
            refused(set.wait_exits().next().unwrap());
            refused(set.send_signal(key, Signal::KILL));
            refused(set.send_signal_to_group(key, Signal::KILL));
            refused(set.send_signal_to_all(Signal::KILL));
            let mut shutdown = set.shutdown(Duration::ZERO);
            refused(shutdown.try_wait());
            refused(shutdown.wait());
            refused(set.insert(held_child().0, "tag").map_err(|error| error.error));
            // Nothing is started.
            let error = set.spawn(&mut Command::new("true"), "tag").unwrap_err();
            assert!(error.child.is_none() && error.tag == "tag");
            refused::<()>(Err(error.error));
            assert!(set.remove(key).is_none() && set.handle(key).is_none() && set.pid(key).is_none());
            assert!(!set.contains(key) && set.keys().is_empty() && set.is_empty());
            assert!(set.take_stdin(key).is_none());
            assert!(format!("{set:?}").contains("ChildSet"));
            set.close();
        });
        assert!(set.contains(key) && set.len() == 1);
        // It was not closed, and no wake-up is left for nobody.
        assert!(set.wait(Some(Duration::from_millis(1))).unwrap().is_none());
        set.spawn(&mut Command::new("true"), "new").unwrap();
        assert_eq!(set.wait(None).unwrap().unwrap().tag, "new");
        drop(stdin);
        assert!(set.wait(None).unwrap().unwrap().exit.unwrap().success());
    });
}

pub(crate) fn dropped_child_lives_on() {
    check_leaks(|| {
        let (mut child, _stdin) = held_child();
        child.set_kill_on_drop(true);
        let mut child = Some(child);
        let (other, other_stdin) = held_child();
        let handle = other.handle();
        let mut other = Some(other);
        in_copy(|| {
            let fds = common::fds();
            drop(child.take());
            // While a handle is left.
            drop(other.take());
            assert_eq!((reap_dropped(), common::fds()), (0, fds - 1));
        });
        let (child, other) = (child.unwrap(), other.unwrap());
        drop(other_stdin);
        assert!(other.wait().unwrap().success());
        assert!(handle.known_exit().is_some());
        assert_eq!(child.try_wait().unwrap(), None);
        assert_eq!(child.pidfd().state().unwrap(), State::Running);
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(Signal::KILL));
    });
}

pub(crate) fn dropped_set_lives_on() {
    check_leaks(|| {
        let mut set = Some(ChildSet::new().unwrap());
        let (mut child, stdin) = held_child();
        child.set_kill_on_drop(true);
        let (removed, removed_stdin) = held_child();
        let key = set.as_ref().unwrap().insert(child, "kept").unwrap();
        set.as_ref().unwrap().insert(removed, "other").unwrap();
        in_copy(|| {
            let set = set.take().unwrap();
            assert!(set.remove(key).is_none());
            drop(set);
        });
        let set = set.unwrap();
        drop(removed_stdin);
        assert_eq!(set.wait(None).unwrap().unwrap().tag, "other");
        drop(stdin);
        let exited = set.wait(None).unwrap().unwrap();
        assert_eq!((exited.tag, exited.exit.unwrap().code()), ("kept", Some(0)));
    });
}

/// The parent's dropped children stay the parent's.
pub(crate) fn dropped_children_before() {
    check_leaks(|| {
        let (first, first_stdin) = held_child();
        let (second, second_stdin) = held_child();
        let pidfds = [first.pidfd().try_clone().unwrap(), second.pidfd().try_clone().unwrap()];
        drop((first, second));
        let (mut child, stdin) = (Some(held_child()), None::<ChildStdin>);
        drop(first_stdin);
        until_ended(&pidfds[0]);
        in_copy(|| {
            assert_eq!(reap_dropped(), 0);
            drop(child.take());
            let (own, own_stdin) = held_child();
            drop(own);
            assert_eq!(reap_dropped(), 1);
            drop(own_stdin);
            reap_all_dropped();
        });
        assert_eq!(reap_dropped(), 1);
        assert_eq!(pidfds[0].state().unwrap(), State::Reaped);
        drop(second_stdin);
        until_ended(&pidfds[1]);
        assert_eq!(reap_dropped(), 0);
        drop((child, stdin));
        reap_all_dropped();
    });
}

/// Locks that other threads hold at the moment of the fork stay locked in the copy.
pub(crate) fn threads_hold_locks() {
    let set = ChildSet::new().unwrap();
    let (child, stdin) = held_child();
    let (watched, watched_stdin) = held_child();
    let key = set.insert(watched, ()).unwrap();
    drop(held_child().0);
    let over = AtomicBool::new(false);
    let (mut child, mut set) = (Some(child), Some(set));
    let act = |child: &Child, set: &ChildSet<()>| {
        while !over.load(Ordering::Relaxed) {
            assert!(child.try_wait().unwrap().is_none());
            assert!(set.try_wait().unwrap().is_none() && set.contains(key));
            reap_dropped();
        }
    };
    std::thread::scope(|scope| {
        let (of_thread, set_of_thread) = (child.as_ref().unwrap(), set.as_ref().unwrap());
        for _ in 0..2 {
            scope.spawn(|| act(of_thread, set_of_thread));
        }
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                ChildSet::new().unwrap().spawn(&mut Command::new("true"), ()).unwrap();
            }
        });
        for _ in 0..common::times(100) {
            in_copy(|| {
                let (child, set) = (of_thread, set_of_thread);
                refused(child.try_wait());
                refused(set.try_wait());
                assert!(child.handle().known_exit().is_none() && !set.contains(key) && set.is_empty());
                let (own, own_stdin) = held_child();
                drop(own);
                drop(own_stdin);
                reap_all_dropped();
            });
        }
        over.store(true, Ordering::Relaxed);
    });
    in_copy(|| drop((child.take(), set.take())));
    drop(stdin);
    assert!(child.unwrap().wait().unwrap().success());
    assert_eq!(set.unwrap().len(), 1);
    drop(watched_stdin);
    reap_all_dropped();
}
