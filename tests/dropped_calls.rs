//! Dropped children are reaped by each later call that spawns, watches, takes or drops a child, and while one blocks.

#![allow(clippy::type_complexity)]

mod common;

use std::os::fd::OwnedFd;
use std::time::Duration;

use childset::{reap_dropped, Child, ChildSet, Key, Pidfd, Signal, State};
use common::{check_leaks, child, held, reap_all_dropped, until_ended};

fn main() {
    common::main_warm(&[
        ("each_later_call_reaps", each_later_call_reaps),
        ("blocked_calls_reap", blocked_calls_reap),
        ("output_reaps_after_the_exit", output_reaps_after_the_exit),
    ]);
}

/// No call of `reap_dropped` is needed where the crate is used anyway.
fn each_later_call_reaps() {
    struct Scene {
        set: ChildSet<()>,
        key: Key,
        running: Child,
        taken: Child,
        dropped: Pidfd,
        /// What a call gave, since dropping it reaps, too.
        kept: Option<Child>,
    }
    impl Scene {
        fn keep(self, child: Child) -> Option<Scene> {
            Some(Scene { kept: Some(child), ..self })
        }

        fn zombie(&self) -> bool {
            self.dropped.state().unwrap() == State::Zombie
        }
    }
    let ours = |name| childset::Command::new(name);
    let calls: [(&str, &dyn Fn(Scene) -> Option<Scene>); 26] = [
        ("ChildSet::try_wait", &|scene| scene.set.try_wait().map(|_| scene).ok()),
        ("ChildSet::wait", &|scene| scene.set.wait(Some(Duration::ZERO)).map(|_| scene).ok()),
        ("ChildSet::wait_exits", &|scene| scene.set.wait_exits().next().map(|_| scene)),
        ("ChildSet::insert", &|scene| scene.set.insert(held(), ()).map(|_| scene).ok()),
        ("ChildSet::spawn", &|scene| scene.set.spawn(&mut ours("true"), ()).map(|_| scene).ok()),
        ("ChildSet::spawn, prepared", &|scene| {
            let prepared = ours("true").prepare().unwrap();
            assert!(scene.zombie(), "preparing spawns nothing");
            scene.set.spawn(&prepared, ()).map(|_| scene).ok()
        }),
        ("ChildSet::remove", &|scene| scene.set.remove(scene.key).and_then(|(child, ())| scene.keep(child))),
        ("dropping a set", &|scene| {
            drop(scene.set);
            None
        }),
        ("Shutdown::try_wait", &|scene| scene.set.shutdown(Duration::MAX).try_wait().map(|_| scene).ok()),
        ("Shutdown::wait", &|scene| scene.set.shutdown(Duration::MAX).wait().map(|_| scene).ok()),
        ("Child::try_from", &|scene| Child::try_from(held()).ok().and_then(|child| scene.keep(child))),
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
        ("Pidfd::wait_state", &|scene| {
            scene.running.kill().unwrap();
            scene.running.pidfd().wait_state().map(|_| scene).ok()
        }),
        ("Command::spawn", &|scene| ours("true").spawn().ok().and_then(|child| scene.keep(child))),
        ("Prepared::spawn", &|scene| {
            let prepared = ours("true").prepare().unwrap();
            assert!(scene.zombie(), "preparing spawns nothing");
            prepared.spawn().ok().and_then(|child| scene.keep(child))
        }),
        ("reap_dropped", &|scene| {
            reap_dropped();
            Some(scene)
        }),
    ];
    for (name, call) in calls {
        check_leaks(|| {
            let set = ChildSet::new().unwrap();
            let key = set.spawn(&mut ours("true"), ()).unwrap();
            let (running, seen) = child();
            let taken = ours("true").spawn().unwrap();
            taken.wait().unwrap();
            common::readable(&set, Duration::from_secs(60));
            let (child, (pidfd, stdin)) = child();
            let scene = Scene { set, key, running, taken, dropped: pidfd.try_clone().unwrap(), kept: None };
            drop(child);
            drop(stdin);
            until_ended(&pidfd);
            assert!(scene.zombie());
            let scene = call(scene);
            assert_eq!(pidfd.state().unwrap(), State::Reaped, "by {name}");
            drop(seen);
            let Some(Scene { set, running, taken, dropped, kept, .. }) = scene else {
                return reap_all_dropped();
            };
            drop((running, taken, dropped, kept));
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
                    let waiting = common::spawn_asleep(scope, move || call(waited_for));
                    drop(dropped.take());
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

/// Also while only a pipe is waited for, which somebody else holds open.
fn output_reaps_after_the_exit() {
    check_leaks(|| {
        let (mut waited_for, (its_pidfd, its_stdin)) = child();
        let (reader, writer) = common::pipe();
        waited_for.stdout = Some(OwnedFd::from(reader).into());
        waited_for.set_drain_grace(Duration::MAX);
        let (dropped, (pidfd, stdin)) = child();
        drop(dropped);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| waited_for.wait_with_output().unwrap());
            drop(its_stdin);
            common::until_reaped(&its_pidfd);
            drop(stdin);
            common::until_reaped(&pidfd);
            assert!(!waiting.is_finished());
            drop(writer);
            assert!(waiting.join().unwrap().status.success());
        });
        reap_all_dropped();
    });
}
