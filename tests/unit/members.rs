//! Whom an end reaches: sessions, leaders that left their group, processes of other users.

use std::io::Read;

use childset::{ChildSet, Command, Containment, Signal, State, Stdio, Unit};

use crate::tree::{assert_ended, command, containment, held, Tree};
use crate::{common, units, LONG};

/// Of all at once; a copy of this process ends nobody.
pub(crate) fn sessions_of_a_dropped_set() {
    let set = ChildSet::new().unwrap();
    let mut all = Vec::new();
    for tag in 0..6 {
        let mut tree = Tree::new(Unit::Session);
        tree.child.set_kill_on_drop(tag != 0);
        let leader = tree.child.pidfd().try_clone().unwrap();
        let key = set.insert(tree.child, tag).unwrap();
        // Some are shared with others.
        let handle = (tag % 2 == 0).then(|| set.handle(key).unwrap());
        all.push((tree.started, leader, handle));
    }
    let set = std::cell::Cell::new(Some(set));
    assert_eq!(
        common::in_copy(|| {
            drop(set.take());
            0
        }),
        0
    );
    for (started, ..) in &all {
        assert!(started.iter().all(|pidfd| pidfd.state().unwrap() == State::Running));
    }
    drop(set.take());
    let (spared, ended) = all.split_first().unwrap();
    for (started, ..) in ended {
        assert_ended(started, held(Unit::Session), "dropped");
    }
    assert_ended(&spared.0, 0, "spared");
    spared.1.kill().unwrap();
    common::reap_all_dropped();
}

/// Each reads all of `/proc`: so there is not one for each child.
pub(crate) fn looks_for_sessions() {
    if !common::strace::works() {
        return;
    }
    let directory = common::Dir::new();
    let calls = directory.path().join("calls");
    for end in ["shutdown", "drop"] {
        let mut strace = std::process::Command::new("strace");
        strace.args(["-qq", "-e", "trace=openat,open", "-P", "/proc", "-o"]).arg(&calls);
        strace.arg(std::env::current_exe().unwrap()).env("CHILDSET_TEST_ROLE", "sessions");
        assert!(strace.env("CHILDSET_TEST_END", end).status().unwrap().success());
        let calls = std::fs::read_to_string(&calls).unwrap();
        let looks = calls.lines().filter(|line| line.contains("\"/proc\"")).count();
        // Each round of signals looks until it finds nobody new.
        assert!((1..=6).contains(&looks), "{end}: {looks} for {SESSIONS} sessions");
    }
}

const SESSIONS: usize = 20;

pub(crate) fn sessions() {
    let set = ChildSet::new().unwrap();
    let mut command = Command::new("sleep");
    command.arg("60").unit(Unit::Session).kill_on_drop(true);
    let children = (0..SESSIONS).map(|_| {
        let child = command.spawn().unwrap();
        let pidfd = child.pidfd().try_clone().unwrap();
        set.insert(child, ()).unwrap();
        pidfd
    });
    let children: Vec<_> = children.collect();
    if std::env::var("CHILDSET_TEST_END").unwrap() == "shutdown" {
        let mut shutdown = set.shutdown(LONG);
        children.iter().for_each(common::until_ended);
        while shutdown.wait().unwrap().is_some() {}
    } else {
        drop(set);
        children.iter().for_each(common::until_ended);
    }
}

pub(crate) fn a_leader_that_left_its_group() {
    let mut command = Command::new("sh");
    // The inner shell joins our group, and leaves the one that it was made to lead. In a pid namespace that was entered from
    // outside, ours has no number until we lead one.
    // SAFETY: no memory is touched.
    let group = unsafe {
        if libc::getpgrp() == 0 {
            assert_eq!(libc::setpgid(0, 0), 0);
        }
        libc::getpgrp()
    };
    let code = format!("import os, signal; os.setpgid(0, {group}); print(flush=True); signal.pause()");
    if !common::has_program("python3", "python3") {
        return;
    }
    command.args(["-c", "exec python3 -c \"$0\"", &code]).stdout(Stdio::piped()).unit(Unit::ProcessGroup);
    let child = command.spawn().unwrap();
    child.stdout.as_ref().unwrap().blocking().read_exact(&mut [0]).unwrap();
    let set = ChildSet::new().unwrap();
    let key = set.insert(child, ()).unwrap();
    assert_eq!(set.terminate(key).unwrap(), Containment::Process);
    assert_eq!(set.wait(None).unwrap().unwrap().exit.unwrap().signal(), Some(Signal::TERM));
}

/// All others of the unit get the signal. If nobody may be signalled, that is an error.
pub(crate) fn those_that_refuse_are_passed_over() {
    if !common::is_root() {
        return;
    }
    let become_user = |id| {
        // SAFETY: no memory is touched.
        assert_eq!(unsafe { libc::setresuid(id, id, 0) }, 0);
    };
    let start = |unit, users: &str| {
        let mut command = command(unit, &[], false);
        command.env("CHILDSET_TEST_ROLE", "users").env("CHILDSET_TEST_USERS", users);
        let tree = Tree::of(command.spawn().unwrap());
        let set = ChildSet::new().unwrap();
        let key = set.insert(tree.child, ()).unwrap();
        (set, key, tree.started)
    };
    for unit in units() {
        // The first process is root's, too.
        for (users, is_ours) in [("65534 0 65534", [true, false, true]), ("0 65534 0", [false, true, false])]
        {
            let (set, key, started) = start(unit, users);
            become_user(65534);
            let reached = set.terminate(key);
            become_user(0);
            assert_eq!(reached.unwrap(), containment(unit));
            for (pidfd, is_ours) in started.iter().zip(is_ours) {
                if is_ours {
                    assert!(common::readable(pidfd, LONG), "{unit:?}: it got no signal");
                } else {
                    assert_eq!(pidfd.state().unwrap(), State::Running, "{unit:?}");
                }
            }
            assert!(set.try_wait().unwrap().is_none());
            set.kill_tree(key).unwrap();
            assert_ended(&started, 3, "root may signal all");
        }
        let (set, key, started) = start(unit, "0 0 0");
        become_user(65534);
        let refused = set.terminate(key);
        become_user(0);
        assert_eq!(refused.unwrap_err().raw_os_error(), Some(libc::EPERM), "{unit:?}");
        assert!(started.iter().all(|pidfd| pidfd.state().unwrap() == State::Running));
        set.kill_tree(key).unwrap();
        assert_ended(&started, 3, "root may signal all");
    }
}
