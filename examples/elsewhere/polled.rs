//! The set's names over `std::process::Child`, for systems without pidfds. It polls: each look asks for every child.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::process::{Child, ExitStatus};
use std::sync::{Mutex, MutexGuard};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a wait sleeps between two looks: an exit is seen that late.
const PAUSE: Duration = Duration::from_millis(10);

pub type Key = u64;
type Members<T> = BTreeMap<Key, (Child, T)>;

pub struct ChildSet<T>(Mutex<(Key, Members<T>)>);

pub struct Exited<T> {
    pub key: Key,
    pub tag: T,
    pub exit: io::Result<ExitStatus>,
    pub child: Child,
}

impl<T> ChildSet<T> {
    pub fn new() -> io::Result<ChildSet<T>> {
        Ok(ChildSet(Mutex::new((0, BTreeMap::new()))))
    }

    pub fn insert(&self, child: Child, tag: T) -> io::Result<Key> {
        let (last, members) = &mut *self.lock();
        *last += 1;
        members.insert(*last, (child, tag));
        Ok(*last)
    }

    pub fn try_wait(&self) -> io::Result<Option<Exited<T>>> {
        let (_, members) = &mut *self.lock();
        let looks = members.iter_mut().map(|(&key, (child, _))| Some((key, child.try_wait().transpose()?)));
        let Some((key, exit)) = looks.flatten().next() else { return Ok(None) };
        Ok(members.remove(&key).map(|(child, tag)| Exited { key, tag, exit, child }))
    }

    pub fn wait(&self, timeout: Option<Duration>) -> io::Result<Option<Exited<T>>> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            let exited = self.try_wait()?;
            let left = deadline.map_or(PAUSE, |deadline| deadline.saturating_duration_since(Instant::now()));
            if exited.is_some() || self.is_empty() || left.is_zero() {
                return Ok(exited);
            }
            sleep(left.min(PAUSE));
        }
    }

    pub fn remove(&self, key: Key) -> Option<(Child, T)> {
        self.lock().1.remove(&key)
    }

    /// Kills the child alone: what it has started lives on.
    pub fn kill_tree(&self, key: Key) -> io::Result<()> {
        self.lock().1.get_mut(&key).ok_or(ErrorKind::NotFound)?.0.kill()
    }

    pub fn len(&self) -> usize {
        self.lock().1.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, (Key, Members<T>)> {
        self.0.lock().expect("nothing panics while it is locked")
    }
}
