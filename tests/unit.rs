//! What ends a child ends its unit: its process group, its session, its cgroup.

#![allow(unsafe_code)]

mod common;

use std::io::{BufRead, BufReader, Read};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use childset::{
    reap_dropped, Child, ChildSet, Command, Containment, Pidfd, Signal, SpawnError, State, Stdio, Unit,
};
use common::check_leaks;

const TESTS: &[(&str, fn())] = &[
    ("each_end_ends_the_unit", each_end_ends_the_unit),
    ("a_process_alone_is_the_default", a_process_alone_is_the_default),
    ("a_stopped_one_can_act_on_its_end", a_stopped_one_can_act_on_its_end),
    ("what_is_left_is_killed_at_the_deadline", what_is_left_is_killed_at_the_deadline),
    ("what_is_left_is_killed_when_dropped", what_is_left_is_killed_when_dropped),
    ("what_is_left_may_end_by_itself", what_is_left_may_end_by_itself),
    ("a_cgroup_is_removed_when_it_is_empty", a_cgroup_is_removed_when_it_is_empty),
    ("a_cgroup_that_cannot_be_made", a_cgroup_that_cannot_be_made),
    ("what_is_killed_leaves_no_cgroup", what_is_killed_leaves_no_cgroup),
    ("what_a_tree_has_used", what_a_tree_has_used),
    ("what_a_tree_has_used_of_memory", what_a_tree_has_used_of_memory),
    ("a_cgroup_that_was_given", a_cgroup_that_was_given),
    ("launched_in_a_cgroup", launched_in_a_cgroup),
    ("a_cgroup_without_descriptors", a_cgroup_without_descriptors),
    ("descriptors_of_cgroups", descriptors_of_cgroups),
    ("below_a_cgroup_that_was_killed_once", below_a_cgroup_that_was_killed_once),
    ("sessions_of_a_dropped_set", sessions_of_a_dropped_set),
    ("looks_for_sessions", looks_for_sessions),
    ("a_leader_that_left_its_group", a_leader_that_left_its_group),
    ("those_that_refuse_are_passed_over", those_that_refuse_are_passed_over),
    ("many_trees", many_trees),
    ("stops_in_a_set", stops_in_a_set),
    ("stops_of_a_child", stops_of_a_child),
    #[cfg(feature = "async-io")]
    ("awaited", awaited),
];

const ROLES: &[(&str, fn())] =
    &[("tree", tree), ("users", users), ("killed_once", killed_once), ("sessions", sessions)];

fn main() {
    match common::role() {
        Some(role) => common::play(&role, ROLES, 60 + trees() as u32).expect("a role"),
        None => common::main_with(TESTS, |_, test| {
            test();
            no_cgroup_is_left();
        }),
    }
}

const LONG: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(300);

/// Starts one process in its group, one in a group of its own, and one in a session of its own, says their pids, and waits
/// with them. All ignore these signals.
fn tree() {
    let ignored = std::env::var("CHILDSET_TEST_IGNORED").unwrap_or_default();
    for signal in ignored.split_whitespace() {
        // SAFETY: no handler is set.
        unsafe { libc::signal(signal.parse().unwrap(), libc::SIG_IGN) };
    }
    let ends = std::env::var_os("CHILDSET_TEST_LEADER_ENDS").is_some();
    let start = |prepare: fn()| {
        // SAFETY: this process has one thread.
        match unsafe { libc::fork() } {
            0 => {
                prepare();
                pause();
            }
            pid => pid,
        }
    };
    let member = start(|| {});
    // SAFETY: no memory is touched.
    let own_group = start(|| unsafe { assert_eq!(libc::setpgid(0, 0), 0) });
    // SAFETY: as above.
    let own_session = start(|| unsafe { assert_ne!(libc::setsid(), -1) });
    // They must be where they belong before they are told of.
    for (pid, is_there) in [
        // SAFETY: as above.
        (own_group, (|pid| unsafe { libc::getpgid(pid) } == pid) as fn(i32) -> bool),
        // SAFETY: as above.
        (own_session, |pid| unsafe { libc::getsid(pid) } == pid),
    ] {
        while !is_there(pid) {
            std::thread::yield_now();
        }
    }
    println!("{member} {own_group} {own_session}");
    if !ends {
        pause();
    }
}

/// Starts three processes of these users, says their pids, and waits with them.
fn users() {
    let users = std::env::var("CHILDSET_TEST_USERS").unwrap();
    let pids = users.split_whitespace().map(|user| {
        let (mut ready, told) = std::os::unix::net::UnixStream::pair().unwrap();
        // SAFETY: this process has one thread.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            // SAFETY: no memory is touched.
            assert_eq!(unsafe { libc::setuid(user.parse().unwrap()) }, 0);
            drop(ready);
            drop(told);
            pause();
        }
        drop(told);
        ready.read_to_end(&mut Vec::new()).unwrap();
        pid.to_string()
    });
    println!("{}", pids.collect::<Vec<_>>().join(" "));
    pause();
}

fn pause() -> ! {
    common::end_after(60 + trees() as u32);
    loop {
        // SAFETY: no memory is touched.
        unsafe { libc::pause() };
    }
}

/// How many there are to be. More of them live longer.
fn trees() -> usize {
    std::env::var("CHILDSET_TEST_TREES").map_or(30, |count| count.parse().unwrap())
}

/// A child, and the three that it has started.
struct Tree {
    child: Child,
    started: [Pidfd; 3],
}

/// Those of the three that a unit holds.
fn held(unit: Unit) -> usize {
    match unit {
        Unit::ProcessGroup => 1,
        Unit::Session => 2,
        Unit::Cgroup => 3,
        _ => 0,
    }
}

fn containment(unit: Unit) -> Containment {
    match unit {
        Unit::ProcessGroup => Containment::ProcessGroup,
        Unit::Session => Containment::Session,
        Unit::Cgroup => Containment::Cgroup,
        _ => Containment::Process,
    }
}

fn command(unit: Unit, ignored: &[Signal], ends: bool) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let ignored: Vec<_> = ignored.iter().map(|signal| signal.as_raw().to_string()).collect();
    command.env("CHILDSET_TEST_ROLE", "tree").env("CHILDSET_TEST_IGNORED", ignored.join(" "));
    if ends {
        command.env("CHILDSET_TEST_LEADER_ENDS", "1");
    }
    command.stdout(Stdio::piped()).unit(unit).reap_on_drop(true);
    command
}

impl Tree {
    fn of(child: Child) -> Tree {
        let mut line = String::new();
        BufReader::new(child.stdout.as_ref().unwrap().blocking()).read_line(&mut line).unwrap();
        let pids: Vec<u32> = line.split_whitespace().map(|pid| pid.parse().unwrap()).collect();
        let started = <[u32; 3]>::try_from(pids).unwrap().map(|pid| Pidfd::open(pid).unwrap());
        Tree { child, started }
    }

    fn new(unit: Unit) -> Tree {
        Tree::of(command(unit, &[], false).spawn().unwrap())
    }
}

/// Exactly so many of the three have ended, and then all are.
fn assert_ended(started: &[Pidfd; 3], count: usize, what: &str) {
    let start = Instant::now();
    for pidfd in &started[..count] {
        let left = LONG.saturating_sub(start.elapsed());
        assert!(common::readable(pidfd, left), "{what}: one is left");
    }
    for pidfd in &started[count..] {
        assert_eq!(pidfd.state().unwrap(), State::Running, "{what}: one too many has ended");
        pidfd.kill().unwrap();
    }
    started.iter().for_each(common::until_ended);
}

/// The units that can be had here.
fn units() -> Vec<Unit> {
    let mut units = vec![Unit::ProcessGroup, Unit::Session];
    match Command::new("true").unit(Unit::Cgroup).spawn() {
        Ok(child) => {
            child.wait().unwrap();
            drop(child);
            no_cgroup_is_left();
            units.push(Unit::Cgroup);
        }
        Err(error) => common::skipped(error),
    }
    units
}

fn each_end_ends_the_unit() {
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

fn a_process_alone_is_the_default() {
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

fn a_stopped_one_can_act_on_its_end() {
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

/// Of a group, what is left when its leader was reaped is known from Linux 6.9 on.
fn can_wait_for_rest(unit: Unit) -> bool {
    unit == Unit::Cgroup || (unit == Unit::ProcessGroup && common::kernel() >= (6, 9))
}

fn what_is_left_is_killed_at_the_deadline() {
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

fn what_is_left_may_end_by_itself() {
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
fn what_is_left_is_killed_when_dropped() {
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

fn cgroup_of_ours() -> Option<std::path::PathBuf> {
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap();
    let own = own.lines().find_map(|line| line.strip_prefix("0::/"))?;
    Some(common::cgroup_mount()?.join(own))
}

/// The directories of cgroups that were made for children of this process.
fn cgroups() -> usize {
    let prefix = format!("childset-{}-", std::process::id());
    let Some(own) = cgroup_of_ours() else {
        return 0;
    };
    let entries = std::fs::read_dir(own).unwrap();
    entries.filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with(&prefix)).count()
}

/// Those whose processes were still ending when they were dropped are removed by the next call.
fn no_cgroup_is_left() {
    let start = Instant::now();
    while cgroups() > 0 {
        reap_dropped();
        assert!(start.elapsed() < LONG, "{} cgroups are left", cgroups());
    }
}

fn a_cgroup_is_removed_when_it_is_empty() {
    if !units().contains(&Unit::Cgroup) {
        return;
    }
    check_leaks(|| {
        let tree = Tree::new(Unit::Cgroup);
        assert_eq!(cgroups(), 1);
        tree.child.kill().unwrap();
        tree.child.wait().unwrap();
        assert!(tree.child.wait_unit_gone(LONG).unwrap());
        drop(tree.child);
        assert_eq!(cgroups(), 0);

        // Somebody is left.
        let tree = Tree::of(command(Unit::Cgroup, &[], true).spawn().unwrap());
        tree.child.wait().unwrap();
        drop(tree.child);
        assert_eq!(cgroups(), 1);
        reap_dropped();
        assert_eq!(cgroups(), 1);
        assert_ended(&tree.started, 0, "nobody ends them");
        no_cgroup_is_left();

        // A program that is not there leaves none, and a copy of this process removes none.
        Command::new("/no/such/program").unit(Unit::Cgroup).spawn().unwrap_err();
        no_cgroup_is_left();
        let child = Command::new("cat").unit(Unit::Cgroup).stdin(Stdio::piped()).spawn().unwrap();
        let parent = std::process::id();
        let child = std::cell::Cell::new(Some(child));
        assert_eq!(
            common::in_copy(|| {
                drop(child.take());
                0
            }),
            0
        );
        assert_eq!((cgroups(), std::process::id()), (1, parent));
        let child = child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        drop(child);
        no_cgroup_is_left();
    });
}

fn a_cgroup_that_cannot_be_made() {
    if !common::may_be_ordinary() || !units().contains(&Unit::Cgroup) || !rustix::process::geteuid().is_root()
    {
        return;
    }
    no_cgroup_is_left();
    common::give_up_root(65534);
    let error = Command::new("true").unit(Unit::Cgroup).spawn().unwrap_err();
    assert_eq!(common::errno(&error), libc::EACCES, "{error}");
    assert!(error.to_string().contains("make a cgroup"), "{error}");
}

/// A killed process takes a moment to end. Those who end a unit wait so long, and its directory is gone when they return.
fn what_is_killed_leaves_no_cgroup() {
    if !units().contains(&Unit::Cgroup) {
        return;
    }
    let stubborn = |ends| Tree::of(command(Unit::Cgroup, &[Signal::TERM], ends).spawn().unwrap());
    for ends in [false, true] {
        for _ in 0..common::times(10) {
            let tree = stubborn(ends);
            tree.child.wait_terminated(Duration::ZERO).unwrap();
            drop(tree.child);
            assert_eq!(cgroups(), 0);

            let set = ChildSet::new().unwrap();
            set.insert(stubborn(ends).child, ()).unwrap();
            let mut shutdown = set.shutdown(Duration::ZERO);
            while shutdown.wait().unwrap().is_some() {}
            assert_eq!(cgroups(), 0);
        }
    }
}

fn what_a_tree_has_used() {
    if !units().contains(&Unit::Cgroup) {
        return;
    }
    let busy = format!("i=0; while [ $i -lt {} ]; do i=$((i + 1)); done", common::times(40_000));
    let set = ChildSet::new().unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", &format!("({busy}; kill -STOP $$) & wait")]).unit(Unit::Cgroup);
    let key = set.spawn(&mut command, ()).unwrap();
    let handle = set.handle(key).unwrap();
    let start = Instant::now();
    while set.state_changes().unwrap() != [(key, childset::StateChange::Stopped(Signal::STOP))] {
        assert!(start.elapsed() < LONG);
        std::thread::sleep(Duration::from_millis(1));
    }
    let meanwhile = handle.tree_usage().unwrap();
    // The busy one is not the child itself. How the kernel divides a short time is not exact.
    assert!(meanwhile.user_time.unwrap() + meanwhile.system_time.unwrap() > Duration::ZERO);
    set.kill_tree(key).unwrap();
    let child = set.wait(None).unwrap().unwrap().into_child();
    assert!(child.wait_unit_gone(LONG).unwrap());
    let usage = handle.tree_usage().unwrap();
    assert!(usage.user_time >= meanwhile.user_time);
    assert_eq!(child.tree_usage(), Some(usage));
    // The directory is there as long as somebody may ask.
    drop(child);
    assert_eq!((handle.tree_usage(), cgroups()), (Some(usage), 1));
    drop(handle);
    assert_eq!(cgroups(), 0);

    let key = set.spawn(&mut Command::new("true"), ()).unwrap();
    assert_eq!(set.handle(key).unwrap().tree_usage(), None);
    set.wait(None).unwrap();
}

/// The exit of the child alone says neither how much its tree had, nor that the kernel killed one of it.
fn what_a_tree_has_used_of_memory() {
    if !units().contains(&Unit::Cgroup) {
        return;
    }
    // What one of the tree has, which is not the child.
    let mut command = Command::new("sh");
    command.args(["-c", "(x=$(head -c 16000000 /dev/zero | tr '\\0' x); exit 0); exit 3"]).unit(Unit::Cgroup);
    let child = command.spawn().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(3));
    let usage = child.tree_usage().unwrap();
    let own = cgroup_of_ours().unwrap();
    let control = std::fs::read_to_string(own.join("cgroup.subtree_control")).unwrap();
    let is_counted = control.split_whitespace().any(|controller| controller == "memory");
    assert_eq!(usage.oom_kills, is_counted.then_some(0));
    assert_eq!(usage.peak_memory.is_some(), is_counted && common::kernel() >= (5, 19));
    assert!(usage.peak_memory.is_none_or(|peak| peak > 16_000_000), "{usage:?}");

    let path = common::new_cgroup().unwrap();
    let limited = std::fs::write(path.join("memory.max"), "12M");
    let _ = std::fs::write(path.join("memory.swap.max"), "0");
    if let Err(error) = limited {
        common::skipped(format_args!("memory.max of the cgroup: {error}"));
    } else {
        let directory = std::fs::File::open(&path).unwrap();
        let child = command.stderr(Stdio::null()).cgroup(directory).spawn().unwrap();
        let exit = child.wait().unwrap();
        // It is the kernel's choice whom it kills.
        assert!(exit.code() == Some(3) || exit.signal() == Some(Signal::KILL), "{exit:?}");
        let usage = child.tree_usage().unwrap();
        assert!(usage.oom_kills > Some(0), "{usage:?}");
        assert!(usage.peak_memory.is_none_or(|peak| peak <= 12 << 20), "{usage:?}");
    }
    common::remove_cgroup(&path);
}

/// What is in it belongs to the unit, and it stays.
fn a_cgroup_that_was_given() {
    let path = match common::new_cgroup() {
        Ok(path) => path,
        Err(why) => return common::skipped(why),
    };
    let start = || {
        let directory = std::fs::File::open(&path).unwrap();
        Tree::of(command(Unit::Cgroup, &[], false).cgroup(directory).spawn().unwrap())
    };
    type End = fn(Child);
    let ends: [End; 3] = [
        |child| child.kill().unwrap(),
        |child| assert_eq!(child.wait_terminated(LONG).unwrap().signal(), Some(Signal::TERM)),
        |mut child| child.set_kill_on_drop(true),
    ];
    for end in ends {
        let (one, other) = (start(), start());
        end(one.child);
        assert_ended(&one.started, 3, "given");
        // Made in the same one.
        assert_ended(&other.started, 3, "given");
        assert!(other.child.wait().unwrap().signal().is_some());
        assert!(other.child.wait_unit_gone(LONG).unwrap());
        assert!(path.is_dir());
    }
    common::remove_cgroup(&path);
}

fn launched_in_a_cgroup() {
    if !units().contains(&Unit::Cgroup) {
        return;
    }
    check_leaks(|| {
        let missing = Command::new("/no/such/program").unit(Unit::Cgroup).launch();
        if common::launches() {
            // A spawn would have failed.
            let child = missing.unwrap();
            assert_eq!(common::errno(&child.wait().unwrap_err()), libc::ENOENT);
            assert_eq!(cgroups(), 1);
        }
        no_cgroup_is_left();
        let set = ChildSet::new().unwrap();
        for _ in 0..2 {
            // It may not have called `execve` yet.
            let key = set.launch(Command::new("sleep").arg("60").unit(Unit::Cgroup), ()).unwrap();
            assert_eq!(set.kill_tree(key).unwrap(), Containment::Cgroup);
            assert_eq!(set.wait(None).unwrap().unwrap().exit.unwrap().signal(), Some(Signal::KILL));
        }
        no_cgroup_is_left();
        let mut command = Command::new("cat");
        command.arg("/proc/self/cgroup").unit(Unit::Cgroup).stdout(Stdio::piped());
        let output = command.launch().unwrap().wait_with_output().unwrap();
        let says = String::from_utf8(output.stdout).unwrap();
        assert!(says.contains(&format!("childset-{}-", std::process::id())), "{says}");
        no_cgroup_is_left();
    });
}

/// At each step: an error, and neither a directory nor a process is left.
fn a_cgroup_without_descriptors() {
    if !units().contains(&Unit::Cgroup) {
        return;
    }
    for launched in [false, true] {
        let mut made = 0;
        for spare in 0..9 {
            check_leaks(|| {
                let mut command = Command::new("true");
                command.unit(Unit::Cgroup);
                let limit = common::Limit::with_spare(spare);
                let child = if launched { command.launch() } else { command.spawn() };
                drop(limit);
                match child {
                    Ok(child) => {
                        made += 1;
                        assert!(child.wait().unwrap().success());
                        assert!(child.wait_unit_gone(LONG).unwrap());
                    }
                    Err(error) => {
                        let errno = SpawnError::from_io_error(&error).map(|error| error.errno());
                        let errno = errno.or(error.raw_os_error());
                        assert_eq!((errno, made), (Some(libc::EMFILE), 0), "{spare}: {error}");
                    }
                }
                no_cgroup_is_left();
            });
            common::no_child_is_left();
        }
        assert!((1..9).contains(&made), "{made}");
    }
}

/// Each child has two, and all have one in common. They lie out of the way of those that a child gets: each spawn costs
/// the more, the higher these are.
fn descriptors_of_cgroups() {
    if !units().contains(&Unit::Cgroup) {
        return;
    }
    check_leaks(|| {
        let fillers: Vec<_> = (0..70).map(|_| std::fs::File::open("/dev/null").unwrap()).collect();
        let before = common::fds();
        let set = ChildSet::new().unwrap();
        for _ in 0..10 {
            set.spawn(Command::new("sleep").arg("60").unit(Unit::Cgroup), ()).unwrap();
        }
        // That of the set, and that in common.
        assert_eq!(common::fds() - before, 2 + 10 * 2);
        let directories = std::fs::read_dir("/proc/self/fd").unwrap().filter(|entry| {
            let path = entry.as_ref().unwrap().path();
            let number: u32 = path.file_name().unwrap().to_str().unwrap().parse().unwrap();
            let kind = std::fs::read_link(path);
            (64..1024).contains(&number) && kind.is_ok_and(|kind| kind.to_string_lossy().contains("cgroup"))
        });
        assert_eq!(directories.count(), 0);
        let mut shutdown = set.shutdown(LONG);
        while shutdown.wait().unwrap().is_some() {}
        // The first ones are gone: it is opened anew.
        drop(fillers);
        assert!(Command::new("true").unit(Unit::Cgroup).spawn().unwrap().wait().unwrap().success());
        no_cgroup_is_left();
    });
}

/// From such a cgroup, the kernel kills each child that is made in a new one before its first instruction.
fn below_a_cgroup_that_was_killed_once() {
    if !units().contains(&Unit::Cgroup) {
        return;
    }
    let path = common::new_cgroup().unwrap();
    if let Err(error) = common::kill_cgroup(&path) {
        common::skipped(format_args!("cgroup.kill: {error}"));
    } else {
        let status = common::reexec("killed_once").env("CHILDSET_TEST_CGROUP", &path).status().unwrap();
        assert!(status.success(), "{status}");
    }
    common::remove_cgroup(&path);
}

fn killed_once() {
    let path = std::path::PathBuf::from(std::env::var_os("CHILDSET_TEST_CGROUP").unwrap());
    std::fs::write(path.join("cgroup.procs"), "0").unwrap();
    let mut command = Command::new("cat");
    command.arg("/proc/self/cgroup").unit(Unit::Cgroup).stdout(Stdio::piped());
    let name = format!("{}/childset-{}-", path.file_name().unwrap().to_str().unwrap(), std::process::id());
    for _ in 0..2 {
        for child in [command.spawn().unwrap(), command.launch().unwrap()] {
            let output = child.wait_with_output().unwrap();
            let says = String::from_utf8(output.stdout).unwrap();
            assert!(output.status.success() && says.contains(&name), "{} {says}", output.status);
        }
        let error = Command::new("/no/such/program").unit(Unit::Cgroup).spawn().unwrap_err();
        assert_eq!(common::errno(&error), libc::ENOENT);
        // What is not for it is not given to it.
        let mut list = Command::new("ls");
        list.args(["-l", "/proc/self/fd"]).unit(Unit::Cgroup);
        // Ours may be closed.
        list.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let output = list.spawn().unwrap().wait_with_output().unwrap();
        // The three, and that of the directory itself.
        assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 5);
    }
    no_cgroup_is_left();
}

/// Of all at once; a copy of this process ends nobody.
fn sessions_of_a_dropped_set() {
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
fn looks_for_sessions() {
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

fn sessions() {
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

fn a_leader_that_left_its_group() {
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
fn those_that_refuse_are_passed_over() {
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

/// Of three generations: a third ignores SIGTERM, a third has a daemon, a third is stopped.
fn many_trees() {
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

fn stops_in_a_set() {
    let set = ChildSet::new().unwrap();
    let keys: Vec<_> = (0..3).map(|tag| set.spawn(Command::new("sleep").arg("60"), tag).unwrap()).collect();
    set.insert(Pidfd::open(std::process::id()).unwrap(), 9).unwrap();
    assert_eq!(set.state_changes().unwrap(), []);
    set.send_signal(keys[1], Signal::STOP).unwrap();
    let change = |key, expected: childset::StateChange| {
        let start = Instant::now();
        loop {
            match &set.state_changes().unwrap()[..] {
                [] => assert!(start.elapsed() < LONG),
                [one] => return assert_eq!(*one, (key, expected)),
                more => panic!("{more:?}"),
            }
        }
    };
    change(keys[1], childset::StateChange::Stopped(Signal::STOP));
    // The set stays as it is: a stop is no exit.
    assert!(!common::readable(set.as_fd(), Duration::ZERO));
    set.send_signal(keys[1], Signal::CONT).unwrap();
    change(keys[1], childset::StateChange::Continued);
    for key in keys {
        set.kill_tree(key).unwrap();
        set.wait(None).unwrap().unwrap().exit.unwrap();
    }
}

/// `SIGCHLD` says when to ask; each change is reported once, the end again and again, and the exit is not taken.
fn stops_of_a_child() {
    // SAFETY: all-zero bytes are a valid set, which the calls fill and read.
    let until_told = unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, libc::SIGCHLD);
        assert_eq!(libc::sigprocmask(libc::SIG_BLOCK, &set, std::ptr::null_mut()), 0);
        move || {
            let long = libc::timespec { tv_sec: LONG.as_secs() as _, tv_nsec: 0 };
            let told = common::again(|| libc::sigtimedwait(&set, std::ptr::null_mut(), &long));
            assert_eq!(told.unwrap(), libc::SIGCHLD);
        }
    };
    let child = Command::new("sleep").arg("60").spawn().unwrap();
    assert_eq!(child.try_wait_state().unwrap(), None);
    for (signal, expected) in [
        (Signal::STOP, childset::StateChange::Stopped(Signal::STOP)),
        (Signal::CONT, childset::StateChange::Continued),
        (Signal::TERM, childset::StateChange::Ended),
    ] {
        child.send_signal(signal).unwrap();
        until_told();
        assert_eq!(child.try_wait_state().unwrap(), Some(expected));
        let again = (signal == Signal::TERM).then_some(expected);
        assert_eq!(child.try_wait_state().unwrap(), again);
    }
    assert_eq!(child.wait().unwrap().signal(), Some(Signal::TERM));
    assert_eq!(child.try_wait_state().unwrap(), Some(childset::StateChange::Ended));
}

#[cfg(feature = "async-io")]
fn awaited() {
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
