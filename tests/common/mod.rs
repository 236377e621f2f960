//! What the tests share.

#![allow(dead_code, unsafe_code)]

mod cgroup;
mod children;
mod conditions;
mod ends;
mod files;
mod harness;
mod leaks;
mod process;
mod roles;
pub(crate) mod seccomp;
pub(crate) mod strace;

#[allow(unused_imports)]
pub(crate) use self::{
    cgroup::*,
    children::*,
    conditions::*,
    ends::*,
    files::*,
    harness::{main, main_warm, main_with},
    leaks::*,
    process::*,
    roles::*,
};
