//! The program `pidwait`: by itself, and beside the one of procps on the same processes, odd ones among them.

#![allow(unsafe_code)]
// The lint does not know that a pidfd reaps.
#![allow(clippy::zombie_processes)]

mod alone;
mod beside_procps;
mod choice;
#[path = "../../../../tests/common/mod.rs"]
mod common;
mod programs;
mod surroundings;

const TESTS: &[(&str, fn())] = &[
    ("statuses", alone::statuses),
    ("until_reaped", alone::until_reaped),
    ("zombie_after", alone::zombie_after),
    ("timeout", alone::timeout),
    ("pids", alone::pids),
    ("identities", alone::identities),
    ("inherited_child", alone::inherited_child),
    ("same_exec_another_name", alone::same_exec_another_name),
    ("closed_output", alone::closed_output),
    ("choice::bytes", choice::bytes),
    ("choice::newest_and_oldest", choice::newest_and_oldest),
    ("choice::age", choice::age),
    ("choice::pid_file", choice::pid_file),
    ("choice::ids", choice::ids),
    ("choice::terminal", choice::terminal),
    ("choice::neither_itself_nor_ancestors", choice::neither_itself_nor_ancestors),
    ("surroundings::environment", surroundings::environment),
    ("surroundings::cgroup", surroundings::cgroup),
    ("surroundings::namespaces", surroundings::namespaces),
    ("surroundings::handlers", surroundings::handlers),
    ("surroundings::inverse", surroundings::inverse),
    ("surroundings::locked_pid_file", surroundings::locked_pid_file),
    ("surroundings::options_of_any_form", surroundings::options_of_any_form),
    ("surroundings::extended_expressions", surroundings::extended_expressions),
    ("beside_procps::one", beside_procps::one),
    ("beside_procps::several", beside_procps::several),
    ("beside_procps::none", beside_procps::none),
    ("beside_procps::part_of_the_name", beside_procps::part_of_the_name),
    ("beside_procps::command_line", beside_procps::command_line),
    ("beside_procps::user", beside_procps::user),
    ("beside_procps::parent", beside_procps::parent),
    ("beside_procps::count", beside_procps::count),
    ("beside_procps::ignore_case", beside_procps::ignore_case),
    ("beside_procps::wrong_usage", beside_procps::wrong_usage),
    ("beside_procps::zombie", beside_procps::zombie),
    ("beside_procps::reaped_late", beside_procps::reaped_late),
    ("beside_procps::stopped", beside_procps::stopped),
    ("beside_procps::traced", beside_procps::traced),
    ("beside_procps::orphan", beside_procps::orphan),
    ("beside_procps::leader_ends_first", beside_procps::leader_ends_first),
    ("beside_procps::child_and_parent", beside_procps::child_and_parent),
    ("beside_procps::set_user_id", beside_procps::set_user_id),
];

fn main() {
    if let Some(role) = common::role() {
        return programs::play(&role);
    }
    common::main_with(TESTS, |name, test| {
        if !name.starts_with("beside_procps") || common::has_program("pidwait", "procps, from 4.0 on,") {
            test();
        }
    });
}
