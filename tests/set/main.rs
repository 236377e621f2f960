//! `ChildSet` without async-io: taking, removing, signalling, shutting down, and its descriptor.

// The lint does not know that a pidfd reaps.
#![allow(clippy::zombie_processes)]

mod closed;
#[path = "../common/mod.rs"]
mod common;
mod descriptor;
mod exits;
mod keys;
mod shutdown;
mod signals;
mod waits;

use std::os::fd::AsFd;
use std::process::Child;
use std::time::Duration;

use childset::Pidfd;
use common::exiting;

const NOW: Duration = Duration::ZERO;

/// A child that has ended, as a zombie.
fn zombie(code: i32) -> Child {
    let child = exiting(code);
    wait_readable(&Pidfd::from_child(&child).unwrap());
    child
}

fn is_readable(fd: &impl AsFd) -> bool {
    common::readable(fd, Duration::ZERO)
}

fn wait_readable(fd: &impl AsFd) {
    common::until_ended(fd);
}
