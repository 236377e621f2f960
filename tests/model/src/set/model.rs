//! A set without processes.

use std::io;
use std::sync::{Arc, Mutex as StdMutex};
use std::task::{Poll, Wake, Waker};
use std::time::Duration;

use loom::sync::{Condvar, Mutex};
use loom::thread::{self, JoinHandle};

use self::bell::Bell;
use super::blocked::Blocked;
use super::poll_exit::{poll_exit, Consumers, Ticket};
use super::until::Until;
use super::waiters::Waiters;
use crate::sync::lock;

pub(crate) mod bell {
    use std::io;
    use std::sync::Arc;

    use loom::sync::{Condvar, Mutex};

    use crate::sync::lock;

    /// What a thread that polls is woken by: an eventfd, and events of the epoll instance that it polls as well.
    #[derive(Clone, Debug, Default)]
    pub(crate) struct Bell(Arc<(Mutex<(bool, bool)>, Condvar)>);

    impl Bell {
        pub(crate) fn new() -> io::Result<Bell> {
            Ok(Bell::default())
        }

        pub(crate) fn ring(&self) {
            lock(&self.0 .0).0 = true;
            self.0 .1.notify_all();
        }

        pub(crate) fn silence(&self) {
            lock(&self.0 .0).0 = false;
        }

        pub(crate) fn event(&self) {
            lock(&self.0 .0).1 = true;
            self.0 .1.notify_all();
        }

        pub(crate) fn wait(&self) {
            let mut state = lock(&self.0 .0);
            while !state.0 && !state.1 {
                state = self.0 .1.wait(state).unwrap();
            }
            state.1 = false;
        }
    }
}

/// A set of numbered children, and the reactor.
pub(crate) struct Set {
    kernel: Mutex<Kernel>,
    /// For the reactor.
    changed: Condvar,
    pub(crate) waiters: Waiters,
    blocked: Blocked,
    /// What was taken, in all. Loom need not see it.
    taken: StdMutex<Vec<u32>>,
}

/// A child that was taken, and for whom there is nothing to wait for any more.
struct Taken {
    child: u32,
    ended: Option<Until>,
}

#[derive(Default)]
struct Kernel {
    children: usize,
    closed: bool,
    /// Those that have ended and can be taken: the epoll instance is readable.
    ended: Vec<u32>,
    armed: bool,
    /// How often arming is to fail.
    failures: u32,
    /// The reactor has nothing to do any more.
    over: bool,
    polling: Option<Bell>,
}

impl Set {
    pub(crate) fn new(children: usize) -> Arc<Set> {
        Arc::new(Set {
            kernel: Mutex::new(Kernel { children, ..Kernel::default() }),
            changed: Condvar::new(),
            waiters: Waiters::default(),
            blocked: Blocked::default(),
            taken: StdMutex::new(Vec::new()),
        })
    }

    pub(crate) fn insert(&self) {
        lock(&self.kernel).children += 1;
    }

    pub(crate) fn fail_to_arm(&self, times: u32) {
        lock(&self.kernel).failures = times;
    }

    /// A child ends.
    pub(crate) fn end_child(&self, child: u32) {
        let mut kernel = lock(&self.kernel);
        kernel.ended.push(child);
        self.changed.notify_all();
        let polling = kernel.polling.clone();
        drop(kernel);
        polling.iter().for_each(Bell::event);
    }

    /// As `ChildSet::remove`, of a child that has not ended.
    pub(crate) fn remove(&self) {
        let mut kernel = lock(&self.kernel);
        kernel.children -= 1;
        let ended = kernel.has_ended();
        drop(kernel);
        self.end(ended);
    }

    /// As `ChildSet::close`.
    pub(crate) fn close(&self) {
        let mut kernel = lock(&self.kernel);
        kernel.closed = true;
        let ended = kernel.has_ended();
        drop(kernel);
        self.end(ended);
    }

    /// As `ChildSet::try_wait`.
    pub(crate) fn take(&self) -> Option<u32> {
        self.look().map(|taken| self.exited(taken))
    }

    /// As `ChildSet::take`.
    fn look(&self) -> Option<Taken> {
        let mut kernel = lock(&self.kernel);
        let child = kernel.ended.pop()?;
        kernel.children -= 1;
        Some(Taken { child, ended: kernel.has_ended() })
    }

    /// As `ChildSet::exited`.
    fn exited(&self, taken: Taken) -> u32 {
        self.end(taken.ended);
        self.taken.lock().unwrap().push(taken.child);
        taken.child
    }

    fn end(&self, ended: Option<Until>) {
        if let Some(ended) = ended {
            self.blocked.end(ended);
            self.waiters.end(ended);
        }
    }

    fn has_ended(&self, until: Until) -> bool {
        lock(&self.kernel).has_ended().is_some_and(|ended| until <= ended)
    }

    /// The reactor's thread, with the timer: a tick may come at any time, however late the others are.
    pub(crate) fn start_reactor(self: &Arc<Self>) -> JoinHandle<()> {
        let set = Arc::clone(self);
        thread::spawn(move || {
            let mut ticking = false;
            loop {
                let mut kernel = lock(&set.kernel);
                loop {
                    if kernel.armed && !kernel.ended.is_empty() {
                        kernel.armed = false;
                        drop(kernel);
                        ticking |= set.waiters.event();
                        break;
                    }
                    if ticking {
                        drop(kernel);
                        ticking = set.waiters.tick();
                        break;
                    }
                    if kernel.over {
                        return;
                    }
                    kernel = set.changed.wait(kernel).unwrap();
                }
            }
        })
    }

    /// Ends the reactor, once all consumers have what they waited for, and looks at what they took.
    pub(crate) fn finish(&self, reactor: JoinHandle<()>, expected: &[u32]) {
        lock(&self.kernel).over = true;
        self.changed.notify_all();
        reactor.join().unwrap();
        self.assert_taken(expected);
    }

    pub(crate) fn assert_taken(&self, expected: &[u32]) {
        let mut taken = self.taken.lock().unwrap().clone();
        taken.sort();
        assert_eq!(taken, expected);
    }

    /// As `ChildSet::wait`, without a time limit if `patient`. Otherwise the time is over when it polls, or before.
    pub(crate) fn wait(&self, until: Until, patient: bool) -> Option<u32> {
        let over = std::cell::Cell::new(false);
        let left = || over.get().then_some(Duration::ZERO);
        let poll = |bell: &Bell, _| {
            let mut kernel = lock(&self.kernel);
            if !kernel.ended.is_empty() {
                return Ok(());
            }
            over.set(!patient);
            if patient {
                assert!(kernel.polling.is_none(), "two leaders");
                kernel.polling = Some(bell.clone());
                drop(kernel);
                bell.wait();
                lock(&self.kernel).polling = None;
            }
            Ok(())
        };
        let taken = self.blocked.wait(left, || Ok(self.look()), (until, || self.has_ended(until)), poll);
        taken.unwrap().map(|taken| self.exited(taken))
    }
}

impl Kernel {
    fn has_ended(&self) -> Option<Until> {
        (self.children == 0).then_some(if self.closed { Until::Closed } else { Until::Empty })
    }
}

impl Consumers for Arc<Set> {
    fn waiters(&self) -> &Waiters {
        &self.waiters
    }

    fn try_arm(&self) -> io::Result<()> {
        let mut kernel = lock(&self.kernel);
        if kernel.failures > 0 {
            kernel.failures -= 1;
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        kernel.armed = true;
        self.changed.notify_all();
        Ok(())
    }
}

/// A future, or a stream, or a task that has neither.
pub(crate) struct Consumer {
    set: Arc<Set>,
    until: Until,
    ticket: Option<Ticket<Arc<Set>>>,
    is_task: bool,
    task: Arc<Task>,
}

/// What its waker wakes.
#[derive(Default)]
struct Task {
    woken: Mutex<bool>,
    changed: Condvar,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        *lock(&self.woken) = true;
        self.changed.notify_all();
    }
}

impl Consumer {
    pub(crate) fn new(set: &Arc<Set>, until: Until) -> Consumer {
        Consumer { set: Arc::clone(set), until, ticket: None, is_task: false, task: Arc::default() }
    }

    pub(crate) fn task(set: &Arc<Set>) -> Consumer {
        Consumer { is_task: true, ..Consumer::new(set, Until::Empty) }
    }

    pub(crate) fn poll(&mut self) -> Poll<Option<io::Result<u32>>> {
        let waker = Waker::from(Arc::clone(&self.task));
        let ticket = (!self.is_task).then_some(&mut self.ticket);
        let end = (self.until, || self.set.has_ended(self.until));
        let taken = poll_exit(&self.set, || Ok(self.set.look()), end, &waker, ticket);
        taken.map(|item| item.map(|taken| taken.map(|taken| self.set.exited(taken))))
    }

    /// Polls it whenever it is woken. It has been polled if `polled`.
    pub(crate) fn wait(&mut self, mut polled: bool) -> Option<io::Result<u32>> {
        loop {
            if polled {
                let mut woken = lock(&self.task.woken);
                while !*woken {
                    woken = self.task.changed.wait(woken).unwrap();
                }
                *woken = false;
            }
            polled = true;
            if let Poll::Ready(item) = self.poll() {
                return item;
            }
        }
    }

    /// All its exits.
    pub(crate) fn take_all(mut self) {
        while let Some(exit) = self.wait(false) {
            exit.unwrap();
        }
    }
}
