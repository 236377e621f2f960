use std::fmt;
use std::fs;
use std::thread::available_parallelism;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::start;

/// What figures depend on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) kernel: String,
    pub(crate) processors: usize,
    c_library: String,
    /// Of the compiler and the peers.
    versions: String,
    /// That of every contender: variables, and bytes with the null byte of each.
    variables: usize,
    environment_bytes: usize,
}

impl Machine {
    pub(crate) fn this() -> Result<Machine> {
        let sizes: Vec<_> =
            start::environment(None).map(|(name, value)| name.len() + value.len() + 2).collect();
        Ok(Machine {
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            processors: available_parallelism()?.get(),
            c_library: c_library(),
            versions: env!("VERSIONS").to_owned(),
            variables: sizes.len(),
            environment_bytes: sizes.iter().sum(),
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Machine { kernel, processors, c_library, versions, variables, environment_bytes } = self;
        write!(f, "Linux {kernel}, {processors} processors, {c_library}, {versions}; ")?;
        write!(f, "an environment of {variables} variables, {environment_bytes} bytes")
    }
}

#[cfg(target_env = "gnu")]
fn c_library() -> String {
    // SAFETY: it is a string that stays.
    let version = unsafe { std::ffi::CStr::from_ptr(libc::gnu_get_libc_version()) };
    format!("glibc {}", version.to_string_lossy())
}

#[cfg(not(target_env = "gnu"))]
fn c_library() -> String {
    String::from("not glibc")
}
