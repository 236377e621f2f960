//! Many processes in one epoll instance; those that were dropped; and async-io's reactor, which is met here.

#[cfg(feature = "command")]
pub(crate) mod cgroup;
pub(crate) mod dropped;
mod members;
#[cfg(feature = "async-io")]
pub(crate) mod reactor;
pub(crate) mod registered;
pub(crate) mod session;

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use slotmap::{DefaultKey, Key as _, KeyData, SlotMap};

use crate::pidfd::{can_be_collected, collect, Collected, Exit, Pidfd, StatusUnknown};
use crate::sys::low::above_stdio;
use crate::sys::poll::NO_TIME;

/// A private epoll instance and the processes registered in it, found by keys that carry a generation.
///
/// Each pidfd is registered level-triggered, so that the epoll descriptor stays readable as long as an exit
/// can be taken, however few of them a caller takes at a time. A readable pidfd whose status cannot be taken
/// yet (the zombie of a traced child) would keep it readable too: that one is changed to edge-triggered,
/// once, and the kernel raises an edge when the tracer lets go: then it is level-triggered again.
#[derive(Debug)]
pub(crate) struct Watch<V> {
    epoll: Arc<OwnedFd>,
    slots: SlotMap<DefaultKey, V>,
    /// Those that are edge-triggered: few, and so not a part of each slot.
    edges: BTreeSet<DefaultKey>,
    /// Fetched events that are yet to be acted upon. All are of pidfds that are level-triggered, so that the
    /// epoll descriptor stays readable; those of processes that were removed meanwhile name no slot.
    fetched: VecDeque<DefaultKey>,
}

/// How many events are fetched at once.
const FETCHED_AT_ONCE: usize = 16;

/// What a `Watch` can hold.
pub(crate) trait Watched: fmt::Debug {
    fn pidfd(&self) -> &Pidfd;

    /// Whether the process is our child, so that its status will be told sooner or later.
    fn is_our_child(&self) -> bool;

    /// Called before each `collect`, with all that are watched.
    fn prepare<'m>(&'m self, _all: impl Iterator<Item = &'m Self>)
    where
        Self: Sized + 'm,
    {
    }

    /// Tries to take the exit. Never blocks.
    fn collect(&self) -> io::Result<Collected> {
        collect(self.pidfd(), libc::WNOHANG)
    }
}

/// A process that has ended, no longer in the `Watch`.
pub(crate) struct Ended<V> {
    pub(crate) key: DefaultKey,
    pub(crate) value: V,
    pub(crate) exit: io::Result<Exit>,
}

impl<V: Watched> Watch<V> {
    pub(crate) fn new() -> io::Result<Watch<V>> {
        let epoll = Arc::new(above_stdio(epoll::create(CreateFlags::CLOEXEC)?)?);
        Ok(Watch { epoll, slots: SlotMap::new(), edges: BTreeSet::new(), fetched: VecDeque::new() })
    }

    pub(crate) fn epoll(&self) -> &Arc<OwnedFd> {
        &self.epoll
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn get(&self, key: DefaultKey) -> Option<&V> {
        self.slots.get(key)
    }

    pub(crate) fn get_mut(&mut self, key: DefaultKey) -> Option<&mut V> {
        self.slots.get_mut(key)
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = DefaultKey> + '_ {
        self.slots.keys()
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.slots.values()
    }

    pub(crate) fn insert(&mut self, value: V) -> Result<DefaultKey, (io::Error, V)> {
        let mut added = Ok(());
        let epoll = &self.epoll;
        let key = self.slots.insert_with_key(|key| {
            added = epoll::add(epoll, value.pidfd(), event_data(key), EventFlags::IN);
            value
        });
        match added {
            Ok(()) => Ok(key),
            Err(error) => Err((error.into(), self.slots.remove(key).expect("inserted above"))),
        }
    }

    pub(crate) fn remove(&mut self, key: DefaultKey) -> Option<V> {
        let value = self.slots.remove(key)?;
        self.edges.remove(&key);
        // Before the descriptor is closed: a copy of it may live on for a moment in a child that is being
        // spawned, and keep the registration alive.
        delete(&self.epoll, value.pidfd());
        Some(value)
    }

    /// Takes one process that has ended, or `None` when no exit can be taken now. Never blocks.
    ///
    /// `None` is a promise: the epoll descriptor is not readable, and will be when there is an exit. Those who wait on
    /// it rely on both halves. So this goes on until the kernel has no event left, and a process that is readable but
    /// cannot be had becomes edge-triggered first. That change itself makes one more event, which `fetch` passes over
    /// unless the tracer has let go in the meantime; so it cannot have let go unseen.
    ///
    /// An event stays in `fetched` until its process is collected. The processes there are level-triggered, so the
    /// descriptor stays readable for them, although the kernel has reported them already.
    pub(crate) fn take_ended(&mut self) -> io::Result<Option<Ended<V>>> {
        loop {
            let Some(key) = self.fetched.pop_front() else {
                match self.fetch()? {
                    true => continue,
                    false => return Ok(None),
                }
            };
            let Some(value) = self.slots.get(key) else {
                continue;
            };
            value.prepare(self.slots.values());
            let exit = match value.collect() {
                Ok(Collected::Exit(exit)) => Ok(exit),
                Ok(Collected::Foreign) if !value.is_our_child() => Err(StatusUnknown::Zombie.into()),
                Ok(Collected::Foreign | Collected::Running) => {
                    // The kernel queues an event at once.
                    epoll::modify(
                        &self.epoll,
                        value.pidfd(),
                        event_data(key),
                        EventFlags::IN | EventFlags::ET,
                    )?;
                    self.edges.insert(key);
                    continue;
                }
                Err(error) => Err(error),
            };
            return Ok(self.remove(key).map(|value| Ended { key, value, exit }));
        }
    }

    /// Fetches events; false if there are none of processes that are in here.
    fn fetch(&mut self) -> io::Result<bool> {
        let mut events = [Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }; FETCHED_AT_ONCE];
        let fetched = epoll::wait(&self.epoll, &mut events, Some(&NO_TIME))?;
        let mut known = false;
        for event in &events[..fetched] {
            let data = event.data;
            let key = KeyData::from_ffi(data.u64()).into();
            // Of one that could not be deleted there may be an event at each call.
            let Some(value) = self.slots.get(key) else {
                continue;
            };
            known = true;
            if self.edges.contains(&key) {
                if !can_be_collected(value.pidfd()) {
                    continue;
                }
                if epoll::modify(&self.epoll, value.pidfd(), event_data(key), EventFlags::IN).is_err() {
                    // The edge is used up: it must be the next to be taken.
                    self.fetched.push_front(key);
                    continue;
                }
                self.edges.remove(&key);
            }
            self.fetched.push_back(key);
        }
        Ok(known)
    }
}

/// Only a passing failure matters, after which a descriptor that lives on would be reported without end: a descriptor that
/// is not registered is none.
pub(crate) fn delete(epoll: &OwnedFd, fd: impl AsFd) {
    for _ in 0..3 {
        match epoll::delete(epoll, &fd) {
            Ok(()) | Err(Errno::NOENT | Errno::BADF) => return,
            Err(_) => {}
        }
    }
}

fn event_data(key: DefaultKey) -> EventData {
    EventData::new_u64(key.data().as_ffi())
}
