//! The code of the crate that decides whom to wake, and a set around it that can do what the kernel and async-io's
//! reactor do, and no more.
#![cfg(test)]

mod sync {
    pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard};

    pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().unwrap()
    }
}

#[path = "."]
mod set {
    use until::Until;

    mod bell;
    #[path = "../../../src/set/blocked.rs"]
    mod blocked;
    mod model;
    #[path = "../../../src/set/until.rs"]
    mod until;
    #[path = "../../../src/set/waiters.rs"]
    mod waiters;

    mod awaiting;
    mod blocking;
}
