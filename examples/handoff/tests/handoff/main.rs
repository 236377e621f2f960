//! The program `handoff`: a process passed on to one who is not its parent, and peers that send something else.

#![allow(unsafe_code)]
// The lint does not know that a pidfd reaps.
#![allow(clippy::zombie_processes)]

#[path = "../../../../tests/common/mod.rs"]
mod common;
#[path = "../../src/passing.rs"]
mod passing;
mod peers;
mod program;
mod sockets;
mod taken;

fn main() {
    common::main(&[
        ("peers::bad_peers", peers::bad_peers),
        ("peers::no_descriptor_to_spare", peers::no_descriptor_to_spare),
        ("peers::good_peer", peers::good_peer),
        ("taken::taken_by_a_program", taken::taken_by_a_program),
        ("taken::several_takers", taken::several_takers),
        ("taken::other_users_are_refused", taken::other_users_are_refused),
        ("taken::signals_are_passed_on", taken::signals_are_passed_on),
        ("taken::taker_that_goes_away", taken::taker_that_goes_away),
        ("peers::program_refuses_bad_peers", peers::program_refuses_bad_peers),
        ("sockets::errors", sockets::errors),
        ("taken::reaped_meanwhile", taken::reaped_meanwhile),
        ("taken::short_processes", taken::short_processes),
        ("sockets::signals_while_a_peer_is_silent", sockets::signals_while_a_peer_is_silent),
        ("sockets::stale_socket", sockets::stale_socket),
        ("sockets::stale_socket_for_several", sockets::stale_socket_for_several),
        ("peers::name_with_control_characters", peers::name_with_control_characters),
    ]);
}
