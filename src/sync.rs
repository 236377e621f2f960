use std::sync::PoisonError;

// From here, so that the model of a set's waking (tests/model) can put others in their place.
#[allow(unused_imports)]
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};

/// Locks a mutex whose holders leave the data whole even when they panic.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
