//! The ways to a child, compared: on our memory, on a copy, by `fork`, by std, by `clone` where `clone3` is refused,
//! prepared, and this process itself; std and execvp(3) too. Random commands, with a fixed seed; with
//! `CHILDSET_TEST_CASES` as many as that, with the seed `CHILDSET_TEST_SEED`.

#![allow(unsafe_code)]

mod case;
#[path = "../common/mod.rs"]
mod common;
mod generate;
mod place;
mod random;
mod report;
mod searches;
mod shared;
mod ways;

use std::ffi::OsString;

use common::role;
use random::refused;
use report::report;

const TESTS: [(&str, fn()); 4] = [
    ("searches::searches", searches::searches),
    ("random::random_commands", random::random_commands),
    ("shared::descriptor_limit", shared::descriptor_limit),
    ("shared::environment_in_order", shared::environment_in_order),
];

fn main() {
    let args: Vec<OsString> = std::env::args_os().collect();
    if args.get(1).is_some_and(|arg| arg == "--report") {
        return report(&args);
    }
    match role() {
        Some(_) => refused(),
        None => common::main_with(&TESTS, |_, test| {
            // A case has its own that are closed.
            common::open_stdio();
            test();
        }),
    }
}
