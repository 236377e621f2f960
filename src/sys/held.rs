//! A descriptor that a child is to get, for as long as the child may need it from us.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::{Arc, Mutex};

use crate::sync::lock;

/// Open until it is released or dropped. A child that has a table of its own by then has it in there.
#[derive(Debug)]
pub(crate) struct Held {
    number: RawFd,
    owner: Mutex<Option<Owner>>,
}

#[derive(Debug)]
enum Owner {
    Alone(#[allow(dead_code, reason = "it closes the descriptor")] OwnedFd),
    Shared(#[allow(dead_code, reason = "as above")] Arc<OwnedFd>),
}

impl Held {
    pub(crate) fn alone(fd: OwnedFd) -> Held {
        Held { number: fd.as_raw_fd(), owner: Mutex::new(Some(Owner::Alone(fd))) }
    }

    pub(crate) fn shared(fd: &Arc<OwnedFd>) -> Held {
        Held { number: fd.as_raw_fd(), owner: Mutex::new(Some(Owner::Shared(Arc::clone(fd)))) }
    }

    /// The number that it has, or had.
    pub(crate) fn number(&self) -> RawFd {
        self.number
    }

    /// Closes it, unless others share it.
    pub(crate) fn release(&self) {
        drop(lock(&self.owner).take());
    }
}
