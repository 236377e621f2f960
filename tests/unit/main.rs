//! What ends a child ends its unit: its process group, its session, its cgroup.

#![allow(unsafe_code)]

mod cgroup;
#[path = "../common/mod.rs"]
mod common;
mod ends;
mod left;
mod members;
mod stops;
mod tree;
mod used;

use std::time::{Duration, Instant};

use childset::{reap_dropped, Command, Unit};
use tree::trees;

const TESTS: &[(&str, fn())] = &[
    ("ends::each_end_ends_the_unit", ends::each_end_ends_the_unit),
    ("ends::a_process_alone_is_the_default", ends::a_process_alone_is_the_default),
    ("ends::a_stopped_one_can_act_on_its_end", ends::a_stopped_one_can_act_on_its_end),
    ("left::what_is_left_is_killed_at_the_deadline", left::what_is_left_is_killed_at_the_deadline),
    ("left::what_is_left_is_killed_when_dropped", left::what_is_left_is_killed_when_dropped),
    ("left::what_is_left_may_end_by_itself", left::what_is_left_may_end_by_itself),
    ("cgroup::a_cgroup_is_removed_when_it_is_empty", cgroup::a_cgroup_is_removed_when_it_is_empty),
    ("cgroup::a_cgroup_that_cannot_be_made", cgroup::a_cgroup_that_cannot_be_made),
    ("cgroup::what_is_killed_leaves_no_cgroup", cgroup::what_is_killed_leaves_no_cgroup),
    ("used::what_a_tree_has_used", used::what_a_tree_has_used),
    ("used::what_a_tree_has_used_of_memory", used::what_a_tree_has_used_of_memory),
    ("cgroup::a_cgroup_that_was_given", cgroup::a_cgroup_that_was_given),
    ("cgroup::launched_in_a_cgroup", cgroup::launched_in_a_cgroup),
    ("cgroup::a_cgroup_without_descriptors", cgroup::a_cgroup_without_descriptors),
    ("cgroup::descriptors_of_cgroups", cgroup::descriptors_of_cgroups),
    ("cgroup::below_a_cgroup_that_was_killed_once", cgroup::below_a_cgroup_that_was_killed_once),
    ("members::sessions_of_a_dropped_set", members::sessions_of_a_dropped_set),
    ("members::looks_for_sessions", members::looks_for_sessions),
    ("members::a_leader_that_left_its_group", members::a_leader_that_left_its_group),
    ("members::those_that_refuse_are_passed_over", members::those_that_refuse_are_passed_over),
    ("ends::many_trees", ends::many_trees),
    ("stops::stops_in_a_set", stops::stops_in_a_set),
    ("stops::stops_of_a_child", stops::stops_of_a_child),
    #[cfg(feature = "async-io")]
    ("ends::awaited", ends::awaited),
];

const ROLES: &[(&str, fn())] = &[
    ("tree", tree::tree),
    ("users", tree::users),
    ("killed_once", cgroup::killed_once),
    ("sessions", members::sessions),
];

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
