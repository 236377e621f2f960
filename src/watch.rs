use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::Timespec;
use slotmap::{DefaultKey, Key as _, KeyData, SlotMap};

use crate::exit::{collect, Collected, Exit, StatusUnknown};
use crate::pidfd::Pidfd;

/// A private epoll instance and the processes registered in it, found by keys that carry a generation.
///
/// Each pidfd is registered level-triggered, so that the epoll descriptor stays readable as long as an exit
/// can be taken, however few of them a caller takes at a time. A readable pidfd whose status cannot be taken
/// yet (the zombie of a traced child) would keep it readable too: that one is changed to edge-triggered,
/// once, and the kernel raises an edge when the tracer lets go. Events are fetched one by one and each is
/// acted upon before the lock that guards the `Watch` is released, so no fetched edge can get lost, and no
/// event can refer to a process that was removed meanwhile.
#[derive(Debug)]
pub(crate) struct Watch<V> {
    epoll: Arc<OwnedFd>,
    slots: SlotMap<DefaultKey, Slot<V>>,
}

#[derive(Debug)]
struct Slot<V> {
    edge: bool,
    value: V,
}

/// What a `Watch` can hold.
pub(crate) trait Watched {
    fn pidfd(&self) -> &Pidfd;

    /// Whether the process is our child, so that its status will be told sooner or later.
    fn is_our_child(&self) -> bool;

    /// The exit, if it was taken before the process was registered.
    fn kept(&self) -> Option<Exit>;
}

/// A process that has ended, no longer in the `Watch`.
pub(crate) struct Ended<V> {
    pub(crate) key: DefaultKey,
    pub(crate) value: V,
    pub(crate) exit: io::Result<Exit>,
}

impl<V: Watched> Watch<V> {
    pub(crate) fn new() -> io::Result<Watch<V>> {
        Ok(Watch { epoll: Arc::new(epoll::create(CreateFlags::CLOEXEC)?), slots: SlotMap::new() })
    }

    pub(crate) fn epoll(&self) -> &Arc<OwnedFd> {
        &self.epoll
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn get(&self, key: DefaultKey) -> Option<&V> {
        self.slots.get(key).map(|slot| &slot.value)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.slots.values().map(|slot| &slot.value)
    }

    pub(crate) fn insert(&mut self, value: V) -> Result<DefaultKey, (io::Error, V)> {
        let mut added = Ok(());
        let epoll = &self.epoll;
        let key = self.slots.insert_with_key(|key| {
            added = epoll::add(epoll, value.pidfd(), event_data(key), EventFlags::IN);
            Slot { edge: false, value }
        });
        match added {
            Ok(()) => Ok(key),
            Err(error) => Err((error.into(), self.slots.remove(key).expect("inserted above").value)),
        }
    }

    pub(crate) fn remove(&mut self, key: DefaultKey) -> Option<V> {
        let slot = self.slots.remove(key)?;
        // Before the descriptor is closed: a copy of it may live on for a moment in a child that is being
        // spawned, and keep the registration alive. It fails only if the descriptor is not registered.
        let _ = epoll::delete(&self.epoll, slot.value.pidfd());
        Some(slot.value)
    }

    /// Takes one process that has ended, or `None` when no exit can be taken now. Never blocks.
    pub(crate) fn take_ended(&mut self) -> io::Result<Option<Ended<V>>> {
        // Of each process at most two events come in one call: its level, and the one that the change to
        // edge-triggered queues.
        for _ in 0..=2 * self.slots.len() {
            let Some(key) = self.fetch()? else {
                return Ok(None);
            };
            let Some(slot) = self.slots.get_mut(key) else {
                continue;
            };
            let exit = match slot.value.kept() {
                Some(exit) => Ok(exit),
                None => match collect(slot.value.pidfd(), libc::WNOHANG) {
                    Ok(Collected::Exit(exit)) => Ok(exit),
                    Ok(Collected::Foreign) if !slot.value.is_our_child() => Err(StatusUnknown::Zombie.into()),
                    Ok(Collected::Foreign | Collected::Running) => {
                        if !slot.edge {
                            epoll::modify(
                                &self.epoll,
                                slot.value.pidfd(),
                                event_data(key),
                                EventFlags::IN | EventFlags::ET,
                            )?;
                            slot.edge = true;
                        }
                        continue;
                    }
                    Err(error) => Err(error),
                },
            };
            return Ok(self.remove(key).map(|value| Ended { key, value, exit }));
        }
        Ok(None)
    }

    fn fetch(&self) -> io::Result<Option<DefaultKey>> {
        let mut events = [Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let fetched = epoll::wait(&self.epoll, &mut events, Some(&now))?;
        let data = events[0].data;
        Ok((fetched == 1).then(|| KeyData::from_ffi(data.u64()).into()))
    }
}

fn event_data(key: DefaultKey) -> EventData {
    EventData::new_u64(key.data().as_ffi())
}
