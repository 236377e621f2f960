//! What the tests share.

#![allow(dead_code, unsafe_code)]

mod cgroup;
mod children;
mod conditions;
mod counter;
mod ends;
mod files;
mod harness;
mod leaks;
mod proc;
mod process;
mod roles;
pub(crate) mod seccomp;
pub(crate) mod strace;
mod threads;

#[allow(unused_imports)]
pub(crate) use self::{
    cgroup::*,
    children::*,
    conditions::*,
    counter::*,
    ends::*,
    files::*,
    harness::{main, main_warm, main_with},
    leaks::*,
    proc::*,
    process::*,
    roles::*,
    threads::*,
};
