//! What the children of a set write: their pipes in one epoll instance, together with the set's own descriptor, a bell
//! and a timer. So that one is readable exactly while there is something to do.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use slotmap::{DefaultKey, Key as _, KeyData};

use super::bell::Bell;
use super::events::SetEvent;
use super::member::{Exited, Key, SetId};
use super::timer::Timer;
use super::{ChildSet, Newcomers, Until};
use crate::child::{Drain, Room, Shared};
use crate::sys::low::above_stdio;
use crate::sys::poll::NO_TIME;
use crate::watch::delete;
use crate::watch::registered::Registered;

pub(super) struct Reading<T> {
    pub(super) epoll: Registered<Arc<OwnedFd>>,
    /// Rung for newcomers, after each event, and at the end.
    bell: Bell,
    /// By this one, for those who wait on the descriptor.
    is_rung: bool,
    timer: Timer,
    id: SetId,
    /// By child.
    streams: BTreeMap<DefaultKey, Stream<T>>,
    /// Those that are not in the epoll instance yet, or not wholly. They are not read: that might block.
    unwatched: BTreeSet<DefaultKey>,
    /// Those with something that epoll does not take, such as a file: it can be read at any time.
    always_ready: BTreeSet<DefaultKey>,
    /// Those whose child has ended.
    ending: BTreeSet<DefaultKey>,
    queue: VecDeque<SetEvent<T>>,
}

/// What one child writes.
struct Stream<T> {
    tag: T,
    drain: Drain,
    /// `None` at the end if somebody else has taken it.
    exited: Option<Exited<T>>,
}

/// The events that are not of a pipe: no key of a slot is so small.
const SET: u64 = 0;
const BELL: u64 = 1;
const TIMER: u64 = 2;

/// How many events are fetched, and exits are taken, before what has come is given out.
const AT_ONCE: usize = 16;

/// For how many events memory is kept.
const FEW: usize = 1024;

impl<T> Reading<T> {
    /// Of a set whose children are all to be taken up.
    pub(super) fn new(set: &ChildSet<T>) -> io::Result<Reading<T>> {
        let epoll = Arc::new(above_stdio(epoll::create(CreateFlags::CLOEXEC)?)?);
        let (bell, timer) = (Bell::new()?, Timer::new()?);
        for (fd, data) in [(set.as_fd(), SET), (bell.as_fd(), BELL), (timer.as_fd(), TIMER)] {
            epoll::add(&epoll, fd, EventData::new_u64(data), EventFlags::IN)?;
        }
        Ok(Reading {
            epoll: Registered::new(epoll),
            bell,
            is_rung: false,
            timer,
            id: set.id,
            streams: BTreeMap::new(),
            unwatched: BTreeSet::new(),
            always_ready: BTreeSet::new(),
            ending: BTreeSet::new(),
            queue: VecDeque::new(),
        })
    }

    /// From now on whoever comes into the set is a newcomer, as all are that are in it.
    pub(super) fn begin(&self, set: &ChildSet<T>) -> io::Result<()> {
        let mut members = set.members()?;
        let slots = members.watch.keys().collect();
        self.bell.ring();
        members.newcomers = Some(Newcomers { slots, bell: self.bell.clone() });
        Ok(())
    }

    fn ring(&mut self) {
        if !self.is_rung {
            self.bell.ring();
            self.is_rung = true;
        }
    }

    /// Puts pipes into the epoll instance, as far as it takes them.
    fn watch(&mut self) -> io::Result<()> {
        let mut result = Ok(());
        for slot in std::mem::take(&mut self.unwatched) {
            if let Err(error) = self.watch_one(slot) {
                self.unwatched.insert(slot);
                result = result.and(Err(error));
            }
        }
        result
    }

    fn watch_one(&mut self, slot: DefaultKey) -> io::Result<()> {
        let data = EventData::new_u64(slot.data().as_ffi());
        for pipe in self.streams.get(&slot).into_iter().flat_map(|stream| stream.drain.pipes()) {
            pipe.set_nonblocking(true)?;
            match epoll::add(self.epoll.get(), pipe, data, EventFlags::IN) {
                // The other pipe had failed.
                Ok(()) | Err(Errno::EXIST) => {}
                Err(Errno::PERM) => drop(self.always_ready.insert(slot)),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// When there is something to do even if nothing comes.
    fn next_deadline(&self) -> Option<Instant> {
        let ending = self.ending.iter().filter_map(|slot| self.streams.get(slot));
        ending.filter_map(|stream| stream.drain.next_deadline()).min()
    }
}

impl<T: Clone> Reading<T> {
    /// The next event; `None` at the end. Pending if there is nothing to do now.
    pub(super) fn next(
        &mut self,
        set: &ChildSet<T>,
        longest: usize,
    ) -> io::Result<Poll<Option<SetEvent<T>>>> {
        // What was not done is to be tried again, also by those who wait on the descriptor.
        self.find_next(set, longest).inspect_err(|_| self.ring())
    }

    fn find_next(&mut self, set: &ChildSet<T>, longest: usize) -> io::Result<Poll<Option<SetEvent<T>>>> {
        loop {
            if let Some(event) = self.queue.pop_front() {
                // Only a look that finds nothing lets the descriptor rest.
                self.ring();
                return Ok(Poll::Ready(Some(event)));
            }
            if self.step(set, longest)? {
                continue;
            }
            if !set.has_ended(Until::Closed) {
                break;
            }
            if self.streams.is_empty() {
                self.ring();
                return Ok(Poll::Ready(None));
            }
            // Nobody takes an exit any more: what is left was taken by others.
            let left: Vec<_> =
                self.streams.keys().filter(|slot| !self.ending.contains(slot)).copied().collect();
            if left.is_empty() {
                break;
            }
            left.into_iter().for_each(|slot| self.end(slot, Shared::DRAIN_TIMES));
        }
        self.timer.set(self.next_deadline())?;
        Ok(Poll::Pending)
    }

    /// Moves some of what can be moved now. False if there was nothing.
    fn step(&mut self, set: &ChildSet<T>, longest: usize) -> io::Result<bool> {
        let event = epoll::Event { flags: EventFlags::empty(), data: EventData::new_u64(0) };
        let mut events = [event; AT_ONCE];
        // A child that writes empty lines fills it with very many.
        self.queue.shrink_to(FEW);
        let fetched = epoll::wait(self.epoll.get(), &mut events, Some(&NO_TIME))?;
        let came: Vec<u64> = events[..fetched].iter().map(|event| event.data.u64()).collect();
        if came.contains(&BELL) {
            self.bell.silence();
            self.is_rung = false;
            self.take_up(set)?;
        }
        if came.contains(&TIMER) {
            self.timer.silence();
        }
        // The exits first: what was written before them is in the pipes now.
        if came.contains(&SET) {
            for _ in 0..AT_ONCE {
                let Some(taken) = set.take()? else {
                    break;
                };
                self.exited(set.exited(taken));
            }
        }
        // Where that fails, the others are still read.
        let watched = self.watch();
        self.always_ready.retain(|slot| self.streams.contains_key(slot));
        let ready = came.iter().map(|&data| DefaultKey::from(KeyData::from_ffi(data)));
        let mut moved = Vec::new();
        for slot in Vec::from_iter(ready.chain(self.always_ready.iter().copied())) {
            if self.read(slot, longest)? {
                moved.push(slot);
            }
        }
        let is_any_over = self.finish(&moved, longest)?;
        watched?;
        Ok(fetched > 0 || !moved.is_empty() || is_any_over)
    }

    /// Takes the pipes of those that have come into the set.
    fn take_up(&mut self, set: &ChildSet<T>) -> io::Result<()> {
        let mut members = set.members()?;
        let members = &mut *members;
        let Some(newcomers) = &mut members.newcomers else {
            return Ok(());
        };
        while let Some(slot) = newcomers.slots.pop() {
            if let Some((tag, stdout, stderr)) =
                members.watch.get_mut(slot).and_then(|member| member.take_outputs())
            {
                self.add(slot, Stream { tag, drain: Drain::new(stdout, stderr), exited: None });
            }
        }
        Ok(())
    }

    fn add(&mut self, slot: DefaultKey, stream: Stream<T>) {
        self.streams.insert(slot, stream);
        self.unwatched.insert(slot);
    }

    fn exited(&mut self, mut exited: Exited<T>) {
        let slot = exited.key.slot;
        let (stdout, stderr) = (exited.child.stdout.take(), exited.child.stderr.take());
        // It was not taken up before.
        if stdout.is_some() || stderr.is_some() {
            self.add(
                slot,
                Stream { tag: exited.tag.clone(), drain: Drain::new(stdout, stderr), exited: None },
            );
        }
        let times = (exited.child.shared.drain_grace(), exited.child.shared.drain_limit());
        match self.streams.get_mut(&slot) {
            Some(stream) => {
                stream.exited = Some(exited);
                self.end(slot, times);
            }
            None => {
                self.queue.push_back(SetEvent::Exited { exited: Box::new(exited), pipe_open: false });
            }
        }
    }

    fn end(&mut self, slot: DefaultKey, (grace, limit): (Duration, Duration)) {
        if let Some(stream) = self.streams.get_mut(&slot) {
            stream.drain.end(grace, limit);
            self.ending.insert(slot);
        }
    }

    /// Reads of one child. True if something had come.
    fn read(&mut self, slot: DefaultKey, longest: usize) -> io::Result<bool> {
        let Some(stream) = self.streams.get_mut(&slot).filter(|_| !self.unwatched.contains(&slot)) else {
            return Ok(false);
        };
        let epoll = self.epoll.get();
        let moved = stream.drain.read(&mut Room::new(usize::MAX), |pipe| delete(epoll, &pipe));
        let [stdout, stderr] = stream.drain.outputs();
        let (tag, key) = (&stream.tag, Key { set: self.id, slot });
        let queue = &mut self.queue;
        stdout.take_come(longest, |line| queue.push_back(SetEvent::Stdout { key, tag: tag.clone(), line }));
        stderr.take_come(longest, |line| queue.push_back(SetEvent::Stderr { key, tag: tag.clone(), line }));
        // Thousands of them would keep much memory.
        stdout.buffer.shrink_to_fit();
        stderr.buffer.shrink_to_fit();
        // The exit may go to others.
        if stream.drain.pipes().next().is_none() && stream.exited.is_none() {
            self.streams.remove(&slot);
            self.ending.remove(&slot);
        }
        moved
    }

    /// Gives out the exits of those whose pipes are waited for no longer. True if there was one.
    fn finish(&mut self, moved: &[DefaultKey], longest: usize) -> io::Result<bool> {
        let now = Instant::now();
        let mut is_any_over = false;
        let ending = self.ending.iter().copied().filter(|slot| !self.unwatched.contains(slot));
        for slot in Vec::from_iter(ending) {
            let mut has_moved = moved.contains(&slot);
            let deadline = self.streams.get(&slot).and_then(|stream| stream.drain.next_deadline());
            // What was written before the exit, or while others kept us from reading.
            if !has_moved && deadline.is_none_or(|deadline| deadline <= now) {
                has_moved = self.read(slot, longest)?;
            }
            if self.streams.get_mut(&slot).is_some_and(|stream| stream.drain.is_over(has_moved)) {
                self.finish_one(slot);
                is_any_over = true;
            }
        }
        Ok(is_any_over)
    }

    fn finish_one(&mut self, slot: DefaultKey) {
        self.ending.remove(&slot);
        let Some(Stream { tag, mut drain, exited }) = self.streams.remove(&slot) else {
            return;
        };
        drain.pipes().for_each(|pipe| delete(self.epoll.get(), pipe));
        let key = Key { set: self.id, slot };
        let pipe_open = drain.pipes().next().is_some();
        let [stdout, stderr] = drain.outputs();
        let line = stdout.take_rest().map(|line| SetEvent::Stdout { key, tag: tag.clone(), line });
        self.queue.extend(line);
        let line = stderr.take_rest().map(|line| SetEvent::Stderr { key, tag, line });
        self.queue.extend(line);
        if let Some(mut exited) = exited {
            exited.child.stdout = stdout.pipe.take().map(Into::into);
            exited.child.stderr = stderr.pipe.take().map(Into::into);
            self.queue.push_back(SetEvent::Exited { exited: Box::new(exited), pipe_open });
        }
    }
}
