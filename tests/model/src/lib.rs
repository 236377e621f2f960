//! The code of the crate that decides whom to wake, in every order in which threads can run it: see Cargo.toml.
//!
//! The files are the crate's own. Around them is a set (`set/model.rs`) that does what the kernel and async-io's reactor
//! do. If a wake-up is lost, nobody can go on, and loom reports that.
#![cfg(test)]

mod set;

/// The crate's `sync`, with loom's types.
mod sync {
    pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard};

    pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().unwrap()
    }
}
