//! A waker that counts.

use std::sync::{Arc, Condvar, Mutex};
use std::task::{Wake, Waker};
use std::time::Duration;

/// A waker that counts, and that a thread can wait for.
#[derive(Default)]
pub(crate) struct Counter {
    wakes: Mutex<usize>,
    changed: Condvar,
}

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        *self.wakes.lock().unwrap() += 1;
        self.changed.notify_all();
    }
}

impl Counter {
    pub(crate) fn new() -> (Arc<Counter>, Waker) {
        let counter = Arc::new(Counter::default());
        (Arc::clone(&counter), Waker::from(counter))
    }

    /// Waits for a wake-up, and consumes all there are.
    pub(crate) fn wait(&self) {
        let wakes = self.wakes.lock().unwrap();
        // Far more than anything takes.
        let (mut wakes, result) =
            self.changed.wait_timeout_while(wakes, Duration::from_secs(30), |wakes| *wakes == 0).unwrap();
        assert!(!result.timed_out(), "a wake-up was lost");
        *wakes = 0;
    }

    pub(crate) fn count(&self) -> usize {
        *self.wakes.lock().unwrap()
    }

    /// How many there were since it was asked last.
    pub(crate) fn take(&self) -> usize {
        std::mem::take(&mut *self.wakes.lock().unwrap())
    }
}
