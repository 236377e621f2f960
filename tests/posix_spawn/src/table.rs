use std::collections::BTreeMap;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::rc::Rc;

use childset::Command;

use crate::parent;

/// The child's descriptors as the actions leave them: those of this process, with changes.
pub(crate) struct Table {
    changed: BTreeMap<RawFd, Slot>,
    /// From here on, none is inherited.
    closed_from: Option<RawFd>,
    /// Above every number that an action names. What we open meanwhile is kept above it, so that it is never
    /// taken for one of the child's.
    pub(crate) floor: RawFd,
}

enum Slot {
    Closed,
    Open { source: Rc<OwnedFd>, close_on_exec: bool },
}

impl Table {
    pub(crate) fn new(floor: RawFd) -> Table {
        Table { changed: BTreeMap::new(), closed_from: None, floor }
    }

    fn inherits(&self, fd: RawFd) -> bool {
        !matches!(self.closed_from, Some(from) if fd >= from)
    }

    /// The file under this number, or `EBADF`.
    pub(crate) fn get(&self, fd: RawFd) -> Result<Rc<OwnedFd>, i32> {
        match self.changed.get(&fd) {
            Some(Slot::Open { source, .. }) => Ok(Rc::clone(source)),
            Some(Slot::Closed) => Err(libc::EBADF),
            None if self.inherits(fd) => parent::copy_of(fd, self.floor).map(Rc::new),
            None => Err(libc::EBADF),
        }
    }

    /// Under which number this process has the file.
    pub(crate) fn number_of(&self, fd: RawFd) -> Option<RawFd> {
        match self.changed.get(&fd) {
            Some(Slot::Open { source, .. }) => Some(source.as_raw_fd()),
            Some(Slot::Closed) => None,
            None => (self.inherits(fd) && parent::has(fd)).then_some(fd),
        }
    }

    /// The number that the child's next open would get, if no action names a lower one.
    pub(crate) fn lowest_free(&self) -> RawFd {
        let is_free = |fd: &RawFd| match self.changed.get(fd) {
            Some(Slot::Open { .. }) => false,
            Some(Slot::Closed) => true,
            None => !self.inherits(*fd) || !parent::has(*fd),
        };
        (0..).find(is_free).unwrap_or(RawFd::MAX)
    }

    pub(crate) fn set(&mut self, fd: RawFd, source: Rc<OwnedFd>, close_on_exec: bool) {
        self.changed.insert(fd, Slot::Open { source, close_on_exec });
    }

    pub(crate) fn close(&mut self, fd: RawFd) {
        self.changed.insert(fd, Slot::Closed);
    }

    pub(crate) fn close_from(&mut self, from: RawFd) {
        self.changed.retain(|&fd, _| fd < from);
        self.closed_from = Some(self.closed_from.map_or(from, |before| from.min(before)));
    }

    /// Has the builder make the table so.
    pub(crate) fn apply(self, command: &mut Command) -> Result<(), i32> {
        command.inherit_fds(true);
        if let Some(from) = self.closed_from {
            command.close_fds(from..);
        }
        for (fd, slot) in self.changed {
            match slot {
                Slot::Open { source, close_on_exec: false } => {
                    let source = match Rc::try_unwrap(source) {
                        Ok(source) => source,
                        Err(shared) => parent::copy_of(shared.as_raw_fd(), self.floor)?,
                    };
                    command.fd(fd, source);
                }
                Slot::Closed | Slot::Open { close_on_exec: true, .. } => drop(command.close_fds(fd..=fd)),
            }
        }
        Ok(())
    }
}
