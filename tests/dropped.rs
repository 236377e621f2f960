//! Children and sets that are dropped, in each state: none blocks, and none leaves a zombie.

#![allow(unsafe_code)]
#![allow(clippy::type_complexity)]

mod common;

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::Duration;

use childset::{reap_dropped, Child, ChildSet, ChildStdin, Key, Pidfd, Signal, State};
use common::{
    check_leaks, held, held_with, reap_all_dropped, reap_by_pid, reexec, role, until_ended, zombies,
};

const TESTS: &[(&str, fn())] = &[
    ("running_child", running_child),
    ("each_later_call_reaps", each_later_call_reaps),
    ("blocked_calls_reap", blocked_calls_reap),
    ("ended_child", ended_child),
    ("taken_child", taken_child),
    ("kill_on_drop", kill_on_drop),
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

/// Another descriptor of the child, to see it by, and what keeps it alive.
type Seen = (Pidfd, Option<ChildStdin>);

fn child() -> (Child, Seen) {
    let mut child = Child::try_from(held()).unwrap();
    let seen = (child.pidfd().try_clone().unwrap(), child.stdin.take());
    (child, seen)
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

/// No call of `reap_dropped` is needed where the crate is used anyway.
fn each_later_call_reaps() {
    struct Scene {
        set: ChildSet<()>,
        key: Key,
        running: Child,
        taken: Child,
    }
    let ours = |name| childset::Command::new(name);
    let calls: [(&str, &dyn Fn(Scene) -> Option<Scene>); 20] = [
        ("ChildSet::try_wait", &|scene| scene.set.try_wait().map(|_| scene).ok()),
        ("ChildSet::wait", &|scene| scene.set.wait(Some(Duration::ZERO)).map(|_| scene).ok()),
        ("ChildSet::wait_exits", &|scene| scene.set.wait_exits().next().map(|_| scene)),
        ("ChildSet::insert", &|scene| scene.set.insert(held(), ()).map(|_| scene).ok()),
        ("ChildSet::spawn", &|scene| scene.set.spawn(&mut ours("true"), ()).map(|_| scene).ok()),
        ("ChildSet::remove", &|scene| scene.set.remove(scene.key).map(|_| scene)),
        ("Shutdown::try_wait", &|scene| scene.set.shutdown(Duration::MAX).try_wait().map(|_| scene).ok()),
        ("Child::try_from", &|scene| Child::try_from(held()).map(|_| scene).ok()),
        ("Child::try_wait", &|scene| scene.running.try_wait().map(|_| scene).ok()),
        ("Child::try_status", &|scene| scene.running.try_status().map(|_| scene).ok()),
        ("Child::wait, once more", &|scene| scene.taken.wait().map(|_| scene).ok()),
        ("Child::wait_timeout", &|scene| scene.running.wait_timeout(Duration::ZERO).map(|_| scene).ok()),
        ("Child::wait_terminated", &|scene| scene.running.wait_terminated(Duration::MAX).map(|_| scene).ok()),
        ("Child::wait_with_output", &|scene| {
            scene.running.kill().unwrap();
            scene.running.wait_with_output().map(|_| None).unwrap()
        }),
        ("dropping a child that was waited for", &|scene| {
            drop(scene.taken);
            None
        }),
        ("dropping a child that runs", &|scene| {
            drop(scene.running);
            None
        }),
        ("Pidfd::wait", &|scene| {
            scene.running.kill().unwrap();
            scene.running.pidfd().wait().map(|_| scene).ok()
        }),
        ("Pidfd::try_wait", &|scene| scene.running.pidfd().try_wait().map(|_| scene).ok()),
        ("Pidfd::try_wait_state", &|scene| scene.running.pidfd().try_wait_state().map(|_| scene).ok()),
        ("Command::spawn", &|scene| ours("true").spawn().map(|_| scene).ok()),
    ];
    for (name, call) in calls {
        check_leaks(|| {
            let set = ChildSet::new().unwrap();
            let key = set.spawn(&mut ours("true"), ()).unwrap();
            let (running, seen) = child();
            let taken = ours("true").spawn().unwrap();
            taken.wait().unwrap();
            common::readable(&set, Duration::from_secs(60));
            let scene = Scene { set, key, running, taken };
            let (child, (pidfd, stdin)) = child();
            drop(child);
            drop(stdin);
            until_ended(&pidfd);
            assert_eq!(pidfd.state().unwrap(), State::Zombie);
            let scene = call(scene);
            assert_eq!(pidfd.state().unwrap(), State::Reaped, "by {name}");
            drop(seen);
            let Some(Scene { set, running, taken, .. }) = scene else {
                return reap_all_dropped();
            };
            drop((running, taken));
            set.send_signal_to_all(Signal::KILL).unwrap();
            while set.wait(None).unwrap().is_some() {}
            reap_all_dropped();
        });
    }
}

/// A program that spawns once and then blocks until that child ends makes no call that could reap another.
fn blocked_calls_reap() {
    let calls: [(&str, fn(Child)); 4] = [
        ("Child::wait", |child| assert!(child.wait().unwrap().success())),
        ("Child::wait_timeout", |child| {
            assert!(child.wait_timeout(Duration::from_secs(60)).unwrap().unwrap().success())
        }),
        ("Child::wait_with_output", |child| assert!(child.wait_with_output().unwrap().status.success())),
        ("ChildSet::wait", |child| {
            let set = ChildSet::new().unwrap();
            set.insert(child, ()).unwrap();
            assert!(set.wait(None).unwrap().unwrap().exit.unwrap().success());
        }),
    ];
    for (name, call) in calls {
        for dropped_before in [true, false] {
            check_leaks(|| {
                let (waited_for, waited_seen) = child();
                let (dropped, (pidfd, stdin)) = child();
                std::thread::scope(|scope| {
                    let mut dropped = Some(dropped);
                    if dropped_before {
                        drop(dropped.take());
                    }
                    let waiting = scope.spawn(move || call(waited_for));
                    if !dropped_before {
                        // It most likely blocks by then.
                        std::thread::sleep(Duration::from_millis(20));
                        drop(dropped.take());
                    }
                    drop(stdin);
                    common::until_reaped(&pidfd);
                    assert!(!waiting.is_finished(), "{name}");
                    drop(waited_seen);
                    waiting.join().unwrap();
                });
                reap_all_dropped();
            });
        }
    }
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
        let mut stdout = child.stdout.take().unwrap();
        drop(child);
        assert_eq!(common::read(&mut stdout, &mut [0]), 0);
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
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
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
