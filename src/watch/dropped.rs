//! Children that were dropped before they ended: reaped without a thread and without a task.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
#[cfg(feature = "async-io")]
use std::task::{Wake, Waker};

#[cfg(feature = "async-io")]
use super::reactor::{self, Registration};
use super::{Watch, Watched};
use crate::pidfd::{call_before_taking, collect, Collected, Pidfd, StatusUnknown};
use crate::sync::lock;
use crate::sys::origin::PerProcess;

static STATE: PerProcess<State> = PerProcess::new(|| State {
    dropped: Mutex::new(Dropped { watch: None, unwatched: Vec::new() }),
    epoll: OnceLock::new(),
    #[cfg(feature = "async-io")]
    attended: OnceLock::new(),
});

/// Of one process. A copy of it has children of its own, and must not touch the epoll instance that both share.
struct State {
    dropped: Mutex<Dropped>,
    /// The epoll instance of `dropped`, for those who block, without the lock. Made by the first of them.
    epoll: OnceLock<Arc<OwnedFd>>,
    /// The epoll instance of `dropped` in the reactor. Set under its lock.
    #[cfg(feature = "async-io")]
    attended: OnceLock<Registration>,
}

/// How many dropped children the reactor does not look after. With this, every call of the crate can ask at no cost.
///
/// A copy of this process may find a number that is not its own. It has it set right by looking once.
static UNATTENDED: AtomicUsize = AtomicUsize::new(0);

struct Dropped {
    watch: Option<Watch<Orphan>>,
    /// Those that could not be registered with epoll. They are looked at one by one.
    unwatched: Vec<Orphan>,
}

/// A child of ours that nobody waits for.
#[derive(Debug)]
pub(crate) enum Orphan {
    Alone(Pidfd),
    /// Somebody still looks at it, and would know its exit.
    Shared(Arc<dyn Watched + Send + Sync>),
}

impl Watched for Orphan {
    fn pidfd(&self) -> &Pidfd {
        match self {
            Orphan::Alone(pidfd) => pidfd,
            Orphan::Shared(shared) => shared.pidfd(),
        }
    }

    fn is_our_child(&self) -> bool {
        true
    }

    fn collect(&self) -> io::Result<Collected> {
        match self {
            Orphan::Alone(pidfd) => collect(pidfd, libc::WNOHANG),
            Orphan::Shared(shared) => shared.collect(),
        }
    }
}

/// Reaps the dropped children that have ended, and returns how many are left. Never blocks.
///
/// Dropping a [`Child`](crate::Child) or a [`ChildSet`](crate::ChildSet) never waits for a process. A child that still
/// runs is reaped when it ends. If this program has awaited anything of this crate, async-io's reactor does that.
/// Otherwise the next call of this crate that spawns, watches, takes or drops a child does it, or this function. Calls
/// that block on a [`Child`](crate::Child) or a [`ChildSet`](crate::ChildSet) reap while they block;
/// [`Pidfd::wait`](crate::Pidfd::wait) and [`Pidfd::wait_state`](crate::Pidfd::wait_state) reap before they do.
///
/// A copy of this process, made by `fork()`, starts with none: see [Forking](crate#forking).
///
/// ```
/// use childset::{reap_dropped, Child};
/// use std::process::{Command, Stdio};
///
/// let mut child = Child::try_from(Command::new("cat").stdin(Stdio::piped()).spawn()?)?;
/// child.set_kill_on_drop(true);
/// drop(child);
/// while reap_dropped() > 0 {
///     std::thread::yield_now();
/// }
/// # std::io::Result::Ok(())
/// ```
pub fn reap_dropped() -> usize {
    let left = {
        let mut dropped = lock(&STATE.get().dropped);
        dropped.reap();
        dropped.len()
    };
    // Those that were just reaped need nothing any more.
    settle_made();
    left
}

/// Reaps what is due, unless the reactor does: called by whatever spawns, watches, takes or drops a child.
#[inline]
pub(crate) fn sweep() {
    settle_made();
    if UNATTENDED.load(Ordering::Acquire) > 0 {
        lock(&STATE.get().dropped).reap();
    }
}

/// Gives up what children on their way to `execve` no longer need, and the cgroups of those that have ended.
#[inline]
fn settle_made() {
    #[cfg(feature = "command")]
    {
        crate::sys::launch::settle();
        super::cgroup::remove_left();
    }
}

/// What becomes readable when a dropped child has ended, for calls that block: they [`sweep`] then. `None` if the
/// reactor looks after them, or if there is no descriptor left.
///
/// It is asked for at each block, and polled also where no child was ever dropped: another thread may drop one meanwhile.
pub(crate) fn wakes_sweepers() -> Option<&'static OwnedFd> {
    #[cfg(feature = "async-io")]
    if reactor::runs() {
        return None;
    }
    let state = STATE.get();
    if state.epoll.get().is_none() {
        let _ = state.epoll.set(Arc::clone(lock(&state.dropped).watch()?.epoll()));
    }
    state.epoll.get().map(|epoll| &**epoll)
}

/// Reaps the child now if it has ended, else takes care of it.
pub(crate) fn hand_over(orphan: Orphan) {
    call_before_taking(sweep);
    sweep();
    if is_over(orphan.collect()) {
        return;
    }
    let mut dropped = lock(&STATE.get().dropped);
    dropped.insert(orphan);
    dropped.settle();
}

/// Whether nothing is left to reap. A call that failed says nothing of the child, and is made again.
fn is_over(collected: io::Result<Collected>) -> bool {
    match collected {
        Ok(Collected::Exit(_)) => true,
        Ok(Collected::Running | Collected::Foreign) => false,
        Err(error) => StatusUnknown::from_io_error(&error).is_some(),
    }
}

impl Dropped {
    /// Where dropped children are watched; `None` if there is no descriptor left to do it by.
    fn watch(&mut self) -> Option<&mut Watch<Orphan>> {
        if self.watch.is_none() {
            self.watch = Watch::new().ok();
        }
        self.watch.as_mut()
    }

    fn insert(&mut self, orphan: Orphan) {
        let unwatched = match self.watch() {
            Some(watch) => watch.insert(orphan).err().map(|(_, orphan)| orphan),
            None => Some(orphan),
        };
        self.unwatched.extend(unwatched);
    }

    /// Reaps all that have ended.
    fn reap(&mut self) {
        for orphan in std::mem::take(&mut self.unwatched) {
            if !is_over(orphan.collect()) {
                self.insert(orphan);
            }
        }
        self.reap_watched(usize::MAX);
        self.settle();
    }

    /// Reaps up to so many of those in the epoll instance that have ended; returns how many children are left.
    fn reap_watched(&mut self, most: usize) -> usize {
        if let Some(watch) = &mut self.watch {
            let ended = std::iter::from_fn(|| watch.take_ended().ok().flatten()).take(most);
            let left = ended.filter(|ended| match &ended.exit {
                Ok(_) => false,
                Err(error) => StatusUnknown::from_io_error(error).is_none(),
            });
            self.unwatched.extend(left.map(|ended| ended.value));
        }
        self.len()
    }

    /// Leaves those in the epoll instance to the reactor, if it runs, and the others to [`sweep`].
    fn settle(&self) {
        #[cfg(feature = "async-io")]
        let attended = self.attach();
        #[cfg(not(feature = "async-io"))]
        let attended = 0;
        UNATTENDED.store(self.len() - attended, Ordering::Release);
    }

    fn len(&self) -> usize {
        self.watch.as_ref().map_or(0, Watch::len) + self.unwatched.len()
    }
}

/// The reactor wakes this when a dropped child has ended, and the waker itself reaps.
///
/// It must not be empty: a pointer to an empty value in an `Arc` points past the memory of that, and leak checkers
/// report the one that is kept for good.
#[cfg(feature = "async-io")]
struct Reaper {
    /// How many it reaps before timers and other sources of the reactor get their turn.
    at_once: usize,
}

#[cfg(feature = "async-io")]
impl Wake for Reaper {
    fn wake(self: Arc<Self>) {
        // If more are due, the reactor wakes us again at once.
        let mut dropped = lock(&STATE.get().dropped);
        dropped.reap_watched(self.at_once);
        dropped.settle();
    }
}

/// Called before anything of the crate registers with async-io's reactor. From then on the reactor looks after dropped
/// children, too.
///
/// # Errors
/// Where the reactor would panic, for want of its descriptors or its thread; or where it runs in the process that this
/// one is a copy of.
#[cfg(feature = "async-io")]
pub(crate) fn start_reactor() -> io::Result<()> {
    if reactor::start()? {
        lock(&STATE.get().dropped).settle();
    }
    Ok(())
}

#[cfg(feature = "async-io")]
impl Dropped {
    /// Has the reactor wake us at the next end of a dropped child; returns how many children that covers.
    fn attach(&self) -> usize {
        let Some(watch) = &self.watch else {
            return 0;
        };
        if watch.len() == 0 || !reactor::runs() {
            return 0;
        }
        let attended = &STATE.get().attended;
        if attended.get().is_none() {
            let reaper = Waker::from(Arc::new(Reaper { at_once: 64 }));
            if let Ok(registration) = Registration::new(watch.epoll(), reaper) {
                let _ = attended.set(registration);
            }
        }
        match attended.get() {
            // Once more, since nobody else may call for long.
            Some(registration) if registration.arm().or_else(|_| registration.arm()).is_ok() => watch.len(),
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_batch_is_bounded() {
        let mut dropped = Dropped { watch: None, unwatched: Vec::new() };
        for _ in 0..5 {
            let pidfd = Pidfd::from_child(&Command::new("true").spawn().unwrap()).unwrap();
            while !pidfd.has_ended().unwrap() {
                std::thread::yield_now();
            }
            dropped.insert(Orphan::Alone(pidfd));
        }
        assert_eq!(dropped.reap_watched(3), 2);
        assert_eq!(dropped.reap_watched(3), 0);
    }
}
