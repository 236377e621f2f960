//! What a tree in a cgroup has used.

use std::time::{Duration, Instant};

use childset::{ChildSet, Command, Signal, Stdio, Unit};

use crate::{cgroup_of_ours, cgroups, common, units, LONG};

pub(crate) fn what_a_tree_has_used() {
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
pub(crate) fn what_a_tree_has_used_of_memory() {
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
