//! Children and sets that are dropped, in each state: none blocks, and none leaves a zombie.

#![allow(unsafe_code)]

mod common;

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::Duration;

use childset::{reap_dropped, Child, ChildSet, Pidfd, State};
use common::{
    check_leaks, child, held_with, reap_all_dropped, reap_by_pid, reexec, role, until_ended, zombies, Seen,
};

const TESTS: &[(&str, fn())] = &[
    ("running_child", running_child),
    ("ended_child", ended_child),
    ("taken_child", taken_child),
    ("kill_on_drop", kill_on_drop),
    ("kill_on_drop_before_end_of_input", kill_on_drop_before_end_of_input),
    ("no_reap_on_drop", no_reap_on_drop),
    ("pipes_close", pipes_close),
    ("set_empty", set_empty),
    ("set_running", set_running),
    ("set_untaken", set_untaken),
    ("set_kept", set_kept),
    ("set_shutting_down", set_shutting_down),
    ("set_removed", set_removed),
    ("set_strangers", set_strangers),
    ("set_own_settings", set_own_settings),
    ("thousands", thousands),
    ("no_descriptors", no_descriptors),
    #[cfg(feature = "async-io")]
    ("dropped_next", asynchronous::dropped_next),
];

fn main() {
    if role().is_some() {
        return no_descriptors_here();
    }
    common::main_warm(TESTS);
}

fn set_of(count: usize) -> (ChildSet<usize>, Vec<Seen>) {
    let set = ChildSet::new().unwrap();
    let insert = |tag| {
        let (child, seen) = child();
        set.insert(child, tag).unwrap();
        seen
    };
    let seen = (0..count).map(insert).collect();
    (set, seen)
}

fn state((pidfd, _): &Seen) -> State {
    pidfd.state().unwrap()
}

/// The children live on, are reaped once they end, and are counted until then.
fn are_reaped(seen: Vec<Seen>) {
    let mut left = seen.len();
    assert_eq!(reap_dropped(), left);
    for (pidfd, stdin) in seen {
        assert_eq!(pidfd.state().unwrap(), State::Running);
        drop(stdin);
        until_ended(&pidfd);
        left -= 1;
        while reap_dropped() > left {
            std::thread::yield_now();
        }
        assert_eq!(pidfd.state().unwrap(), State::Reaped);
    }
    assert_eq!(reap_dropped(), 0);
}

fn running_child() {
    check_leaks(|| {
        let (child, seen) = child();
        drop(child);
        are_reaped(vec![seen]);
    });
}

fn ended_child() {
    check_leaks(|| {
        let (child, (pidfd, stdin)) = child();
        drop(stdin);
        until_ended(&pidfd);
        drop(child);
        assert_eq!(pidfd.state().unwrap(), State::Reaped);
        assert_eq!(reap_dropped(), 0);
    });
}

fn taken_child() {
    check_leaks(|| {
        let (mut child, (pidfd, stdin)) = child();
        child.set_kill_on_drop(true);
        drop(stdin);
        assert!(child.wait().unwrap().success());
        drop(child);
        assert_eq!((pidfd.state().unwrap(), reap_dropped()), (State::Reaped, 0));
    });
}

fn kill_on_drop() {
    check_leaks(|| {
        let (mut child, seen) = child();
        child.set_kill_on_drop(true);
        drop(child);
        // Nothing but the signal ends it.
        until_ended(&seen.0);
        reap_all_dropped();
        assert_eq!(state(&seen), State::Reaped);
    });
}

/// It does nothing more: it must not take the end of its input for a word.
fn kill_on_drop_before_end_of_input() {
    check_leaks(|| {
        for _ in 0..common::times(100) {
            let child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
            let mut child = Child::try_from(child).unwrap();
            child.set_kill_on_drop(true);
            let handle = child.handle();
            drop(child);
            reap_all_dropped();
            assert_eq!(handle.known_exit().unwrap().signal(), Some(childset::Signal::KILL));
        }
    });
}

fn no_reap_on_drop() {
    check_leaks(|| {
        for kill in [false, true] {
            let (mut child, (pidfd, stdin)) = child();
            let pid = child.id();
            child.set_reap_on_drop(false);
            child.set_kill_on_drop(kill);
            drop(child);
            // Only one of the two makes it end.
            let stdin = stdin.filter(|_| kill);
            until_ended(&pidfd);
            assert_eq!(reap_dropped(), 0);
            assert_eq!((pidfd.state().unwrap(), zombies()), (State::Zombie, 1));
            assert_eq!(reap_by_pid(pid), if kill { libc::SIGKILL } else { 0 });
            drop(stdin);
        }
    });
}

/// A dropped child sees the end of its input.
fn pipes_close() {
    check_leaks(|| {
        let mut command = Command::new("cat");
        let mut child =
            Child::try_from(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()).unwrap();
        let stdout = child.stdout.take().unwrap();
        drop(child);
        assert_eq!(common::read(stdout.blocking(), &mut [0]), 0);
        reap_all_dropped();
    });
}

fn set_empty() {
    check_leaks(|| {
        drop(ChildSet::<()>::new().unwrap());
        assert_eq!(reap_dropped(), 0);
    });
}

fn set_running() {
    check_leaks(|| {
        let (set, seen) = set_of(5);
        drop(set);
        are_reaped(seen);
    });
}

fn set_untaken() {
    check_leaks(|| {
        let (set, mut seen) = set_of(5);
        let running = seen.split_off(3);
        for (pidfd, stdin) in &mut seen {
            drop(stdin.take());
            until_ended(pidfd);
        }
        assert!(set.try_wait().unwrap().is_some());
        drop(set);
        assert!(seen.iter().all(|seen| state(seen) == State::Reaped));
        are_reaped(running);
    });
}

/// A child whose exit was taken before it was inserted is nothing to reap.
fn set_kept() {
    check_leaks(|| {
        let (child, (pidfd, stdin)) = child();
        drop(stdin);
        child.wait().unwrap();
        let set = ChildSet::new().unwrap();
        set.insert(child, ()).unwrap();
        drop(set);
        assert_eq!((pidfd.state().unwrap(), reap_dropped()), (State::Reaped, 0));

        let (set, mut seen) = set_of(2);
        drop(seen.remove(0));
        let exited = set.wait(None).unwrap().unwrap();
        drop(set);
        assert_eq!(exited.exit.unwrap(), exited.child.wait().unwrap());
        are_reaped(seen);
    });
}

fn set_shutting_down() {
    check_leaks(|| {
        let set = ChildSet::new().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' TERM; echo; read line"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = Child::try_from(command.spawn().unwrap()).unwrap();
        // It ignores the signal from here on.
        child.stdout.as_ref().unwrap().blocking().read_exact(&mut [0]).unwrap();
        let seen = (child.pidfd().try_clone().unwrap(), child.stdin.take());
        set.insert(child, ()).unwrap();
        let mut shutdown = set.shutdown(Duration::from_secs(600));
        let (polite, (_, _stdin)) = self::child();
        polite.kill().unwrap();
        set.insert(polite, ()).unwrap();
        assert!(shutdown.wait().unwrap().is_some());
        drop(shutdown);
        drop(set);
        are_reaped(vec![seen]);
    });
}

fn set_removed() {
    check_leaks(|| {
        let set = ChildSet::new().unwrap();
        let (child, seen) = child();
        let key = set.insert(child, "tag").unwrap();
        let (child, tag) = set.remove(key).unwrap();
        drop(set);
        assert_eq!((state(&seen), tag, reap_dropped()), (State::Running, "tag", 0));
        drop(child);
        are_reaped(vec![seen]);
    });
}

/// A set leaves strangers alone, and takes responsibility for a child that it knows by its pidfd.
fn set_strangers() {
    check_leaks(|| {
        let set = ChildSet::new().unwrap();
        let me = Pidfd::open(std::process::id()).unwrap();
        set.insert(me, "a stranger").unwrap();
        let (child, stdin) = held_with(0);
        let seen = (Pidfd::from_child(&child).unwrap(), Some(stdin.into()));
        set.insert(Pidfd::from_child(&child).unwrap(), "ours").unwrap();
        drop(set);
        are_reaped(vec![seen]);
    });
}

fn set_own_settings() {
    check_leaks(|| {
        let set = ChildSet::new().unwrap();
        let (mut killed, killed_seen) = child();
        killed.set_kill_on_drop(true);
        let (mut left, left_seen) = child();
        let pid = left.id();
        left.set_reap_on_drop(false);
        set.insert(killed, ()).unwrap();
        set.insert(left, ()).unwrap();
        drop(set);
        until_ended(&killed_seen.0);
        reap_all_dropped();
        assert_eq!((state(&killed_seen), state(&left_seen)), (State::Reaped, State::Running));
        drop(left_seen);
        assert_eq!(reap_by_pid(pid), 0);
    });
}

fn thousands() {
    check_leaks(|| {
        let set = ChildSet::new().unwrap();
        let half = common::times(1000);
        let mut children: Vec<_> = (0..2 * half)
            .map(|number| {
                let mut child = Child::try_from(held_with(0).0).unwrap();
                child.set_kill_on_drop(number % 2 == 0);
                child
            })
            .collect();
        for child in children.split_off(half) {
            set.insert(child, ()).unwrap();
        }
        drop(children);
        drop(set);
        reap_all_dropped();
    });
}

/// Without a descriptor for an epoll instance, a dropped child is still taken care of.
///
/// Runs in a process of its own, where the instance has not been made yet.
fn no_descriptors() {
    assert!(reexec("no_descriptors").status().unwrap().success());
}

fn no_descriptors_here() {
    let (child, seen) = child();
    let (other, other_seen) = self::child();
    let limit = common::Limit::with_spare(0);
    assert!(ChildSet::<()>::new().is_err());
    drop(child);
    drop(seen.1);
    until_ended(&seen.0);
    assert_eq!(reap_dropped(), 0);
    drop(other);
    assert_eq!(reap_dropped(), 1);
    assert_eq!((seen.0.state().unwrap(), state(&other_seen)), (State::Reaped, State::Running));
    drop(limit);
    are_reaped(vec![other_seen]);
    assert_eq!(zombies(), 0);
}

#[cfg(feature = "async-io")]
mod asynchronous {
    use super::*;

    use futures_lite::future::{block_on, poll_once};

    pub(super) fn dropped_next() {
        // The first await registers the set with the reactor, and has that reap.
        let (set, seen) = set_of(1);
        drop(seen);
        assert!(block_on(set.next()).unwrap().is_ok());
        check_leaks(|| {
            let (set, mut seen) = set_of(3);
            let mut next = set.next();
            assert!(block_on(poll_once(&mut next)).is_none());
            drop(next);
            let (pidfd, stdin) = seen.remove(0);
            drop(stdin);
            until_ended(&pidfd);
            // Woken, and never polled again.
            let mut shutdown = set.shutdown(Duration::from_secs(600));
            drop(block_on(poll_once(futures_lite::StreamExt::next(&mut shutdown))));
            drop(shutdown);
            drop(set);
            seen.iter().for_each(|(pidfd, _)| until_ended(pidfd));
            reap_all_dropped();
        });
    }
}
