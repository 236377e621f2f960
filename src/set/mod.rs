//! Any number of children, and their exits as they end.

// The first one has the methods that the page of `ChildSet` begins with.
mod children;

mod bell;
mod blocked;
mod each;
mod events;
mod insert;
mod member;
#[cfg(feature = "async-io")]
mod poll_exit;
mod reading;
mod sessions;
mod shutdown;
#[cfg(feature = "async-io")]
mod stream;
mod timer;
#[cfg(feature = "async-io")]
mod turns;
mod until;
mod wait;
#[cfg(feature = "async-io")]
mod waiters;

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;

use slotmap::DefaultKey;

use crate::pidfd::{Forked, Gone};
use crate::sync::{lock, Mutex, MutexGuard};
use crate::sys::origin::Origin;
use crate::watch::dropped::sweep;
use crate::watch::{Ended, Watch};
use bell::Bell;
use blocked::Blocked;
use events::Place;
use member::{Member, SetId};
use until::Until;

pub use events::{SetEvent, SetEvents};
pub use insert::{InsertError, IntoChild};
pub use member::{Exited, Key};
pub use shutdown::Shutdown;
#[cfg(feature = "async-io")]
pub use stream::{Exits, IntoExits, Next};
pub use wait::WaitExits;

/// Any number of children, whose exits come out one by one as they end, each with the tag it went in with.
///
/// ```
/// use childset::ChildSet;
/// use std::process::Command;
///
/// let set = ChildSet::new()?;
/// for code in [3, 1, 2] {
///     set.insert(Command::new("sh").arg("-c").arg(format!("exit {code}")).spawn()?, code)?;
/// }
/// while let Some(exited) = set.wait(None)? {
///     assert_eq!(exited.exit?.code(), Some(exited.tag));
/// }
/// # std::io::Result::Ok(())
/// ```
///
/// There are three ways to take an exit, and a program may mix them: [`try_wait`](ChildSet::try_wait) never blocks,
/// [`wait`](ChildSet::wait) blocks the calling thread, and `next()` or the `Stream` awaits. The first two start no
/// thread and use no reactor.
///
/// Every child that was inserted comes out exactly once, unless it is [removed](ChildSet::remove). That holds even if
/// its status cannot be known. Where several wait, each exit goes to one of them. It wakes one, and others if that one
/// does not take it within some milliseconds. So a future that was polled and then left alone holds up nobody.
///
/// # What they write
///
/// The pipes of a child stay with it, and come out with its exit. A child that writes more than a pipe holds (64 KiB) ends
/// only if somebody reads before: [`events`](ChildSet::events) gives the lines of all children and their ends as one stream;
/// [`take_stdout`](ChildSet::take_stdout) gives out one pipe. [`SetEvents`] says which to use when.
///
/// # A time limit for each child
///
/// ```
/// use childset::{ChildSet, Signal};
/// use std::collections::VecDeque;
/// use std::process::Command;
/// use std::time::{Duration, Instant};
///
/// let set = ChildSet::new()?;
/// // The earliest first.
/// let mut limits = VecDeque::new();
/// for seconds in ["0", "60"] {
///     let key = set.insert(Command::new("sleep").arg(seconds).spawn()?, seconds)?;
///     limits.push_back((Instant::now() + Duration::from_secs(2), key));
/// }
/// while !set.is_empty() {
///     let left = limits.front().map(|(limit, _)| limit.saturating_duration_since(Instant::now()));
///     match (set.wait(left)?, limits.front()) {
///         (Some(exited), _) => assert_eq!(exited.exit?.signal().is_some(), exited.tag == "60"),
///         (None, Some(&(_, key))) => {
///             limits.pop_front();
///             if set.contains(key) {
///                 set.send_signal(key, Signal::KILL)?;
///             }
///         }
///         (None, None) => {}
///     }
/// }
/// # std::io::Result::Ok(())
/// ```
///
/// # In another event loop
///
/// A set is one descriptor ([`AsFd`]) however many children it holds. It is readable while an exit can be taken. When
/// the loop reports it, call [`try_wait`](ChildSet::try_wait), a bounded number of times or until it returns `None`. In
/// an edge-triggered loop, go on until `None`. [`embedding`](crate::embedding) has more.
///
/// # Dropping
///
/// Dropping the set drops its children as [`Child`](crate::Child) describes: none is waited for, and none stays a zombie.
/// In a copy of this process, made by `fork()`, the set is inert: it seems to be empty, closing or dropping it does
/// nothing, and its calls fail with [`Forked`]. See [Forking](crate#forking).
pub struct ChildSet<T> {
    id: SetId,
    /// The process that made it. A copy of that process must not use it.
    origin: Origin,
    members: Mutex<Members<T>>,
    /// The one of `members.watch`, for use without the lock.
    epoll: Arc<OwnedFd>,
    blocked: Blocked,
    /// What is read of its children.
    reading: Mutex<Place<T>>,
    #[cfg(feature = "async-io")]
    consumers: std::sync::OnceLock<Arc<stream::Consumers>>,
}

struct Members<T> {
    watch: Watch<Member<T>>,
    closed: bool,
    /// While their events are taken.
    newcomers: Option<Newcomers>,
}

/// The children whose pipes are yet to be taken up.
struct Newcomers {
    slots: Vec<DefaultKey>,
    bell: Bell,
}

/// A child that was taken. It becomes an `Exited` once its taker no longer waits.
struct Taken<T> {
    child: Ended<Member<T>>,
    /// For whom there is nothing to wait for any more: they are yet to be woken.
    ended: Option<Until>,
}

impl<T> Members<T> {
    fn insert(&mut self, member: Member<T>) -> Result<DefaultKey, (io::Error, Member<T>)> {
        match self.check_open() {
            Err(error) => Err((error, member)),
            Ok(()) => {
                let slot = self.watch.insert(member)?;
                if let Some(newcomers) = &mut self.newcomers {
                    newcomers.slots.push(slot);
                    newcomers.bell.ring();
                }
                Ok(slot)
            }
        }
    }

    fn check_open(&self) -> io::Result<()> {
        match self.closed {
            true => Err(io::Error::new(io::ErrorKind::BrokenPipe, "the set is closed")),
            false => Ok(()),
        }
    }

    /// For whom there is nothing to wait for any more.
    fn ended(&self) -> Option<Until> {
        match (self.watch.len(), self.closed) {
            (0, true) => Some(Until::Closed),
            (0, false) => Some(Until::Empty),
            _ => None,
        }
    }
}

impl<T> Drop for Members<T> {
    fn drop(&mut self) {
        sessions::drop_all(self.watch.values());
    }
}

impl<T> ChildSet<T> {
    /// The members, for the process that made the set. Another one might find them locked for good.
    fn members(&self) -> io::Result<MutexGuard<'_, Members<T>>> {
        Forked::check(self.origin)?;
        Ok(lock(&self.members))
    }

    fn has_ended(&self, until: Until) -> bool {
        self.members()
            .map_or(Some(Until::Closed), |members| members.ended())
            .is_some_and(|ended| until <= ended)
    }

    fn with<R>(&self, key: Key, act: impl FnOnce(&Member<T>) -> io::Result<R>) -> io::Result<R> {
        let members = self.members()?;
        match self.slot(key).and_then(|slot| members.watch.get(slot).map(act)) {
            Some(result) => result,
            None => Err(Gone::NotInSet.into()),
        }
    }

    /// What a key names in this set: nothing, if it is of another one.
    fn slot(&self, key: Key) -> Option<DefaultKey> {
        (key.set == self.id).then_some(key.slot)
    }

    fn key(&self, slot: DefaultKey) -> Key {
        Key { set: self.id, slot }
    }

    fn take(&self) -> io::Result<Option<Taken<T>>> {
        sweep();
        let mut members = self.members()?;
        match members.watch.take_ended() {
            Ok(Some(child)) => Ok(Some(Taken { child, ended: members.ended() })),
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn exited(&self, taken: Taken<T>) -> Exited<T> {
        taken.ended.into_iter().for_each(|ended| self.end(ended));
        Exited::new(self.id, taken.child)
    }

    /// Wakes those who have nothing to wait for any more: by the one who has emptied the set, or closed it.
    fn end(&self, ended: Until) {
        self.blocked.end(ended);
        #[cfg(feature = "async-io")]
        if let Some(consumers) = self.consumers.get() {
            consumers.end(ended);
        }
        if ended == Until::Closed {
            let members = self.members();
            let newcomers = members.iter().find_map(|members| members.newcomers.as_ref());
            newcomers.into_iter().for_each(|newcomers| newcomers.bell.ring());
        }
    }
}

/// The one descriptor of the set. Only wait for it: do not add anything to it, and do not change it.
impl<T> AsFd for ChildSet<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

impl<T> AsRawFd for ChildSet<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.epoll.as_raw_fd()
    }
}

impl<T> fmt::Debug for ChildSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildSet").field("len", &self.len()).finish_non_exhaustive()
    }
}
