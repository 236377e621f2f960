//! Threads that block, and those who wait until they do.

use std::sync::mpsc::channel;
use std::thread::{Scope, ScopedJoinHandle};

use super::stat;

/// The number of this thread.
pub(crate) fn this_thread() -> u32 {
    // SAFETY: no memory is touched.
    unsafe { libc::gettid() as u32 }
}

/// Waits until the thread sleeps, or is gone.
pub(crate) fn until_asleep(thread: u32) {
    while stat(thread, 3).is_some_and(|state| state != "S") {
        std::thread::yield_now();
    }
}

/// Starts a thread, and returns once it sleeps in what it does, or is done with it.
pub(crate) fn spawn_asleep<'scope, R: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    act: impl FnOnce() -> R + Send + 'scope,
) -> ScopedJoinHandle<'scope, R> {
    let (sender, receiver) = channel();
    let handle = scope.spawn(move || {
        sender.send(this_thread()).unwrap();
        act()
    });
    until_asleep(receiver.recv().unwrap());
    handle
}
