//! async-io's reactor: whether it runs, starting it, and registering an epoll instance with it.

use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::panic::catch_unwind;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{sync_channel, Receiver, SyncSender};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use async_io::Timer;
use rustix::event::{epoll, eventfd, EventfdFlags};

use super::registered::Registered;
use crate::pidfd::Forked;
use crate::sync::lock;
use crate::sys::low::occupy;
use crate::sys::origin::{Origin, PerProcess};
use crate::sys::thread::try_thread;

/// Whether this process, or one that it is a copy of, has used the reactor through us.
static EVER: AtomicBool = AtomicBool::new(false);

static STATE: PerProcess<State> =
    PerProcess::new(|| State { runs: AtomicBool::new(false), starting: Mutex::new(Starting::default()) });

struct State {
    /// Whether this process has used the reactor through us. Before that, we must not start its thread.
    runs: AtomicBool,
    starting: Mutex<Starting>,
}

#[derive(Default)]
struct Starting {
    /// Whether it has panicked, so that its thread may be gone.
    panicked: bool,
    asked: Option<Question>,
}

pub(super) fn runs() -> bool {
    STATE.get().runs.load(Ordering::Acquire)
}

/// Finds out whether the reactor can start, starts it, and notes that it runs. True for the first caller alone.
///
/// # Errors
/// Where the reactor would panic, for want of its descriptors (`EMFILE`, `ENFILE`, `ENOMEM`) or its thread;
/// [`Forked::Reactor`].
pub(super) fn start() -> io::Result<bool> {
    if runs() {
        return Ok(false);
    }
    let state = STATE.get();
    let mut starting = lock(&state.starting);
    if runs() {
        return Ok(false);
    }
    if EVER.load(Ordering::Acquire) {
        return Err(Forked::Reactor.into());
    }
    starting.start()?;
    EVER.store(true, Ordering::Release);
    state.runs.store(true, Ordering::Release);
    Ok(true)
}

/// How long the reactor may take to answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(1);

impl Starting {
    fn start(&mut self) -> io::Result<()> {
        let mut wait = Duration::ZERO;
        if self.asked.is_none() {
            try_thread().map_err(|error| {
                io::Error::other(format!("cannot start the thread of async-io's reactor: {error}"))
            })?;
            try_descriptors()?;
            // async-io's descriptors, too, are no standard ones.
            let _occupied = occupy()?;
            // From here on another thread may take them. What panics then is the start of the reactor: it does not
            // run, and can be started again.
            match catch_unwind(Question::ask) {
                Ok(asked) => self.asked = Some(asked),
                Err(_) => {
                    self.panicked = true;
                    try_descriptors()?;
                    return Err(io::Error::other("async-io's reactor cannot start"));
                }
            }
            wait = ANSWERS_WITHIN;
        }
        // A reactor that the program uses without us may have been started before the fork. Then its thread is not here.
        let is_copy = Origin::here().copies() > 0;
        if !is_copy && !self.panicked {
            self.asked = None;
            return Ok(());
        }
        let answered = self.asked.as_ref().is_some_and(|question| question.is_answered(wait));
        if !answered && is_copy {
            return Err(Forked::Reactor.into());
        }
        if !answered {
            // Its thread found no descriptors either, and panicked. This thread does the work of that one.
            thread::Builder::new().name("async-io".to_owned()).spawn(drive)?;
        }
        self.asked = None;
        Ok(())
    }
}

/// Looks again and again for what has happened. async-io lets no thread but its own wait for that: it makes another one
/// give way, after half a millisecond, to the one that is gone.
fn drive() {
    loop {
        async_io::block_on(futures_lite::future::yield_now());
        thread::sleep(Duration::from_millis(5));
    }
}

/// The reactor has an epoll instance, an eventfd and, if it can be had, a timerfd.
fn try_descriptors() -> io::Result<()> {
    let needed = (epoll::create(epoll::CreateFlags::CLOEXEC)?, eventfd(0, EventfdFlags::CLOEXEC)?);
    drop(needed);
    Ok(())
}

/// A timer, by which the reactor shows that its thread runs.
struct Question {
    _timer: Timer,
    answer: Receiver<()>,
}

struct Answer(SyncSender<()>);

impl Wake for Answer {
    fn wake(self: Arc<Self>) {
        let _ = self.0.try_send(());
    }
}

impl Question {
    /// Starts the reactor, unless it runs.
    ///
    /// # Panics
    /// The reactor cannot start.
    fn ask() -> Question {
        let (sender, answer) = sync_channel(1);
        let waker = Waker::from(Arc::new(Answer(sender)));
        let mut timer = Timer::after(Duration::from_millis(1));
        if Pin::new(&mut timer).poll(&mut Context::from_waker(&waker)).is_ready() {
            // So late that it was not registered.
            timer.set_after(Duration::from_secs(1));
            let _ = Pin::new(&mut timer).poll(&mut Context::from_waker(&waker));
        }
        Question { _timer: timer, answer }
    }

    fn is_answered(&self, wait: Duration) -> bool {
        self.answer.recv_timeout(wait).is_ok()
    }
}

/// An epoll instance in the reactor, with the one waker that the reactor wakes when it becomes readable.
#[derive(Debug)]
pub(crate) struct Registration {
    epoll: Mutex<Registered<Arc<OwnedFd>>>,
    waker: Waker,
}

impl Registration {
    pub(crate) fn new(epoll: &Arc<OwnedFd>, waker: Waker) -> io::Result<Registration> {
        let epoll = Registered::new(Arc::clone(epoll));
        epoll.source()?;
        Ok(Registration { epoll: Mutex::new(epoll), waker })
    }

    /// Has the waker woken once the epoll instance is readable, at once if it is already.
    pub(crate) fn arm(&self) -> io::Result<()> {
        let mut epoll = lock(&self.epoll);
        let mut context = Context::from_waker(&self.waker);
        // Ready reports an event for which the waker was woken before. Asking again registers anew.
        while let Poll::Ready(event) = epoll.source()?.poll_readable(&mut context) {
            if let Err(error) = event {
                // async-io has kept the waker, and would not ask the kernel again.
                epoll.unregister();
                return Err(error);
            }
        }
        Ok(())
    }
}
