//! What the kernel's own tests of pidfds try (`tools/testing/selftests/pidfd`, as of Linux 7.1), through the
//! interface of this crate.
//!
//! | self-test | scenario | here |
//! |---|---|---|
//! | `pidfd_open_test` | invalid pid | `open::invalid_pid` |
//! | | a new pidfd; its info is what the process sees of itself | `open::info_of_ourselves` |
//! | | invalid flags | left out: `Pidfd::open` gives none |
//! | `pidfd_poll_test` | a kill makes it readable, again and again | `poll::kills` |
//! | `pidfd_test` | a thread calls `execve`: no end, by poll and by wait | `poll::exec_in_a_thread` |
//! | | the first thread ends first: no end, by poll and by wait | `poll::leader_ends_first` |
//! | | a signal to ourselves; through a directory of `/proc` | `send_signal::to_ourselves` |
//! | | a signal to a reaped process | `send_signal::to_a_reaped_process` |
//! | | a signal to a process whose pid was given to another | `tests/pid_reuse.rs` |
//! | | `PIDFD_SELF_*`, `PIDFD_SIGNAL_THREAD*` | left out: not in the interface |
//! | `pidfd_wait` | `wait_simple` | `wait::simple` |
//! | | `wait_states` | `wait::states`; and traced: `wait::trapped` |
//! | | `wait_nonblock` | `wait::nonblocking` |
//! | `pidfd_getfd_test` | `fetch_fd`, `test_unknown_fd` | `getfd::fetch` |
//! | | `disable_ptrace` | `getfd::not_traceable` |
//! | | `no_strange_EBADF` | `getfd::reaped` |
//! | | `flags_set` | left out: `Pidfd::getfd` gives none |
//! | `pidfd_info_test` | `sigkill_exit`, `success_exit` | `info::of_a_zombie` |
//! | | `sigkill_reaped`, `success_reaped`, `success_reaped_poll` | `info::of_a_reaped_process` |
//! | | `thread_group` | `info::thread_group` |
//! | | `thread_group_exec` | `info::exec_after_the_leader` |
//! | | `thread_group_exec_thread` | `info::exec_beside_the_leader` |
//! | | `supported_mask_field`, `supported_mask_with_other_fields` | `info::supported_mask` |
//! | (`coredump`) | mask, signal and code | `info::core_dump` |
//! | `pidfd_fdinfo_test` | other namespace, dead process | the unit test of `src/info.rs` |
//! | `pidfd_file_handle_test` | `file_handle_same_pidns` | `file_handle::same_pidns` |
//! | | `file_handle_child_pidns` | `file_handle::child_pidns` |
//! | | `file_handle_foreign_pidns` | `tests/identity.rs` |
//! | | `pid_has_exited`, `pid_has_been_reaped` | `file_handle::exited_and_reaped` |
//! | | `*_flags`, `lookup_must_fail`, `decode_purely_based_on_file_handle` | left out: `Identity` gives one set of flags, no name, and a pidfd |
//! | `pidfd_setns_test` | `pidfd_exited_child` | `setns::exited_child` |
//! | | `pidfd_one_shot_setns` | `setns::one_shot` |
//! | | `pidfd_incremental_setns` | `setns::each_kind` |
//! | | `pidfd_derived_nsfd_incremental_setns` | `setns::derived_descriptors` |
//! | | `nsfd_incremental_setns` | left out: no pidfd is in it |
//! | | `no_foul_play` | `setns::no_foul_play` |
//! | | `setns_einval` | `tests/namespaces.rs` |
//! | | `invalid_flags` | left out: `Command::join_namespaces_of` gives none |
//! | `pidfd_autoreap_test` | `autoreap_without_pidfd` | `autoreap::forgotten` |
//! | | `autoreap_basic`, `autoreap_signaled` | `autoreap::ends` |
//! | | `autoreap_reparent` | `autoreap::reparented` |
//! | | `autoreap_multithreaded` | `autoreap::threads` |
//! | | `autoreap_no_inherit` | `autoreap::not_inherited` |
//! | | `nnp_sets_no_new_privs`, `autoreap_no_new_privs_unset` | `autoreap::no_new_privs` |
//! | | `autokill_basic`, `autokill_pidfd_open_no_effect` | `autoreap::killed_by_the_last_close` |
//! | | `autokill_requires_cap_sys_admin`, `autokill_without_nnp_with_cap` | `autoreap::capability` |
//! | | `*_rejects_*`, `autokill_requires_pidfd`, `autokill_requires_autoreap` | left out: `Command` never asks for that |
//!
//! Left out whole: `pidfd_bind_mount`, `pidfd_setattr_test` and `pidfd_xattr_test`, since they try the file system of the
//! pidfds, and not processes.
//!
//! Theirs wait for a while where nothing is to happen; ours look after something that comes later did happen.

#![allow(unsafe_code)]
// The lint does not know that a pidfd reaps.
#![allow(clippy::zombie_processes)]

mod autoreap;
#[path = "../common/mod.rs"]
mod common;
mod file_handle;
mod getfd;
mod info;
mod open;
mod poll;
mod roles;
mod send_signal;
mod setns;
mod wait;

const TESTS: &[(&str, fn())] = &[
    ("open::invalid_pid", open::invalid_pid),
    ("open::info_of_ourselves", open::info_of_ourselves),
    ("poll::kills", poll::kills),
    ("poll::exec_in_a_thread", poll::exec_in_a_thread),
    ("poll::leader_ends_first", poll::leader_ends_first),
    ("send_signal::to_ourselves", send_signal::to_ourselves),
    ("send_signal::to_a_reaped_process", send_signal::to_a_reaped_process),
    ("wait::simple", wait::simple),
    ("wait::states", wait::states),
    ("wait::trapped", wait::trapped),
    ("wait::nonblocking", wait::nonblocking),
    ("getfd::fetch", getfd::fetch),
    ("getfd::not_traceable", getfd::not_traceable),
    ("getfd::reaped", getfd::reaped),
    ("file_handle::same_pidns", file_handle::same_pidns),
    ("file_handle::child_pidns", file_handle::child_pidns),
    ("file_handle::exited_and_reaped", file_handle::exited_and_reaped),
    ("setns::one_shot", setns::one_shot),
    ("setns::each_kind", setns::each_kind),
    ("setns::exited_child", setns::exited_child),
    ("setns::no_foul_play", setns::no_foul_play),
    ("setns::derived_descriptors", setns::derived_descriptors),
    ("info::of_a_zombie", info::of_a_zombie),
    ("info::of_a_reaped_process", info::of_a_reaped_process),
    ("info::thread_group", info::thread_group),
    ("info::exec_after_the_leader", info::exec_after_the_leader),
    ("info::exec_beside_the_leader", info::exec_beside_the_leader),
    ("info::supported_mask", info::supported_mask),
    ("info::core_dump", info::core_dump),
    ("autoreap::forgotten", autoreap::forgotten),
    ("autoreap::ends", autoreap::ends),
    ("autoreap::reparented", autoreap::reparented),
    ("autoreap::threads", autoreap::threads),
    ("autoreap::not_inherited", autoreap::not_inherited),
    ("autoreap::no_new_privs", autoreap::no_new_privs),
    ("autoreap::killed_by_the_last_close", autoreap::killed_by_the_last_close),
    ("autoreap::capability", autoreap::capability),
];

fn main() {
    if let Some(role) = common::role() {
        return roles::play(&role);
    }
    common::main_warm(TESTS);
}
