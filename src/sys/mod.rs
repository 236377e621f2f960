//! The system calls that no safe library offers.
//!
//! One file a family. Everything else goes through rustix.

#![allow(unsafe_code)]

pub(crate) mod clone;
pub(crate) mod descriptors;
pub(crate) mod fork;
pub(crate) mod info;
pub(crate) mod origin;
pub(crate) mod plan;
pub(crate) mod poll;
mod raw;
pub(crate) mod signal;
pub(crate) mod strings;
#[cfg(feature = "async-io")]
pub(crate) mod thread;
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
