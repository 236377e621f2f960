//! The system calls that no safe library offers.
//!
//! One file for each family. Everything else goes through rustix.

#![allow(unsafe_code)]

#[cfg(feature = "command")]
mod child;
#[cfg(feature = "command")]
pub(crate) mod clone;
#[cfg(feature = "command")]
pub(crate) mod descriptors;
#[cfg(feature = "command")]
mod exec;
pub(crate) mod file_handle;
#[cfg(feature = "command")]
pub(crate) mod fork;
#[cfg(feature = "command")]
mod guard;
#[cfg(feature = "command")]
pub(crate) mod held;
pub(crate) mod info;
#[cfg(feature = "command")]
pub(crate) mod launch;
pub(crate) mod low;
pub(crate) mod memory;
pub(crate) mod namespace;
#[cfg(feature = "command")]
pub(crate) mod needs;
pub(crate) mod origin;
pub(crate) mod peer;
#[cfg(feature = "command")]
pub(crate) mod plan;
pub(crate) mod poll;
#[cfg(feature = "command")]
mod raw;
#[cfg(feature = "command")]
mod report;
#[cfg(feature = "command")]
mod sanitizer;
pub(crate) mod signal;
#[cfg(feature = "command")]
mod sigset;
#[cfg(feature = "command")]
mod stack;
#[cfg(feature = "command")]
pub(crate) mod strings;
#[cfg(feature = "async-io")]
pub(crate) mod thread;
#[cfg(feature = "command")]
pub(crate) mod trial;
pub(crate) mod wait;

use std::io;

/// Turns the result of a raw system call into an `io::Result`.
fn check(result: libc::c_long) -> io::Result<libc::c_long> {
    if result == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}
