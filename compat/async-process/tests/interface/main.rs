//! What async-process 2.5 does, and this crate does likewise: `.ci/compat` runs the same tests with both.

mod alike;
mod ended;
mod streams;
mod types;
