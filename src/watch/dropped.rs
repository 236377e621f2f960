//! Children that were dropped before they ended: reaped without a thread and without a task.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

#[cfg(feature = "async-io")]
use {
    std::sync::OnceLock,
    std::task::{Wake, Waker},
};

#[cfg(feature = "async-io")]
use super::reactor::{self, Registration};
use super::{Watch, Watched};
use crate::pidfd::{collect, Collected, Pidfd};
use crate::sync::lock;

static DROPPED: Mutex<Dropped> = Mutex::new(Dropped { watch: None, unwatched: Vec::new() });

/// How many dropped children the reactor does not look after: lets every call of the crate ask for free.
static UNATTENDED: AtomicUsize = AtomicUsize::new(0);

struct Dropped {
    watch: Option<Watch<Orphan>>,
    /// Those for which no epoll registration was to be had; looked at one by one.
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

/// Reaps the dropped children that have ended, and returns how many are still outstanding. Never blocks.
///
/// Dropping a [`Child`](crate::Child) or a [`ChildSet`](crate::ChildSet) never waits for a process. A child that
/// still runs is reaped when it ends: by async-io's reactor, once this program has awaited anything of this
/// crate; else by the next call of this crate that spawns, watches, takes or drops a child, or by this function.
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
    let mut dropped = lock(&DROPPED);
    dropped.reap();
    dropped.len()
}

/// Reaps what is due, unless the reactor does: called by whatever spawns, watches, takes or drops a child.
pub(crate) fn sweep() {
    if UNATTENDED.load(Ordering::Acquire) > 0 {
        lock(&DROPPED).reap();
    }
}

/// Reaps the child now if it has ended, else takes care of it.
pub(crate) fn hand_over(orphan: Orphan) {
    sweep();
    // On an error the process is gone (`StatusUnknown`), or the descriptor is no pidfd.
    let Ok(Collected::Running | Collected::Foreign) = orphan.collect() else {
        return;
    };
    let mut dropped = lock(&DROPPED);
    dropped.insert(orphan);
    dropped.settle();
}

impl Dropped {
    fn insert(&mut self, orphan: Orphan) {
        if self.watch.is_none() {
            self.watch = Watch::new().ok();
        }
        let unwatched = match &mut self.watch {
            Some(watch) => watch.insert(orphan).err().map(|(_, orphan)| orphan),
            None => Some(orphan),
        };
        self.unwatched.extend(unwatched);
    }

    fn reap(&mut self) {
        for orphan in std::mem::take(&mut self.unwatched) {
            if let Ok(Collected::Running | Collected::Foreign) = orphan.collect() {
                self.insert(orphan);
            }
        }
        if let Some(watch) = &mut self.watch {
            while let Ok(Some(_)) = watch.take_ended() {}
        }
        self.settle();
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

/// The epoll instance of `DROPPED` in the reactor. Set under its lock.
#[cfg(feature = "async-io")]
static ATTENDED: OnceLock<Registration> = OnceLock::new();

/// The reactor wakes this when a dropped child has ended, and the waker itself reaps.
#[cfg(feature = "async-io")]
struct Reaper;

#[cfg(feature = "async-io")]
impl Wake for Reaper {
    fn wake(self: Arc<Self>) {
        lock(&DROPPED).reap();
    }
}

/// Called before anything of the crate registers with async-io's reactor, which from then on looks after dropped
/// children, too.
///
/// # Errors
/// Where the reactor would panic, for want of its descriptors: `EMFILE`, `ENFILE`, `ENOMEM`.
#[cfg(feature = "async-io")]
pub(crate) fn start_reactor() -> io::Result<()> {
    if reactor::start()? {
        lock(&DROPPED).settle();
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
        if ATTENDED.get().is_none() {
            if let Ok(registration) = Registration::new(watch.epoll(), Waker::from(Arc::new(Reaper))) {
                let _ = ATTENDED.set(registration);
            }
        }
        match ATTENDED.get() {
            Some(registration) if registration.arm().is_ok() => watch.len(),
            _ => 0,
        }
    }
}
