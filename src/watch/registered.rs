//! A descriptor that registers with async-io's reactor at its first await.

#![allow(unsafe_code)]

#[cfg(feature = "async-io")]
use {
    async_io::Async,
    std::io,
    std::os::fd::{AsRawFd, BorrowedFd},
    std::sync::{Mutex, OnceLock},
};

use std::os::fd::{AsFd, OwnedFd};

#[cfg(feature = "async-io")]
use super::dropped::start_reactor;
#[cfg(feature = "async-io")]
use crate::sync::lock;

/// What owns one descriptor.
///
/// # Safety
/// `as_fd` gives the same descriptor at each call, and it stays open as long as the owner is neither dropped nor
/// changed.
pub(crate) unsafe trait Owner: AsFd {}

// SAFETY: it owns the one descriptor that it lends.
unsafe impl Owner for OwnedFd {}

/// An owner of a descriptor and, once that was awaited, its source in the reactor.
#[derive(Debug)]
pub(crate) struct Registered<F> {
    /// Borrows from `owner`: declared before it, and so dropped before it.
    #[cfg(feature = "async-io")]
    source: OnceLock<Async<BorrowedFd<'static>>>,
    owner: F,
}

impl<F: Owner> Registered<F> {
    pub(crate) fn new(owner: F) -> Registered<F> {
        Registered {
            #[cfg(feature = "async-io")]
            source: OnceLock::new(),
            owner,
        }
    }

    pub(crate) fn get(&self) -> &F {
        &self.owner
    }

    pub(crate) fn into_inner(self) -> F {
        #[cfg(feature = "async-io")]
        drop(self.source);
        self.owner
    }

    /// Whether it was awaited.
    #[cfg(feature = "async-io")]
    pub(crate) fn is_registered(&self) -> bool {
        self.source.get().is_some()
    }

    /// The source in the reactor. The descriptor's flags stay as they are.
    #[cfg(feature = "async-io")]
    pub(crate) fn source(&self) -> io::Result<&Async<BorrowedFd<'static>>> {
        /// The reactor takes a descriptor only once; this happens rarely enough for one lock.
        static REGISTERING: Mutex<()> = Mutex::new(());
        if let Some(source) = self.source.get() {
            return Ok(source);
        }
        start_reactor()?;
        let _registering = lock(&REGISTERING);
        if let Some(source) = self.source.get() {
            return Ok(source);
        }
        // SAFETY: the descriptor is not closed before the source is dropped: `owner` keeps it open (`Owner`) and
        // is neither replaced nor lent mutably, and both `into_inner` and dropping `self` drop the source first.
        let fd = unsafe { BorrowedFd::borrow_raw(self.owner.as_fd().as_raw_fd()) };
        let source = Async::new_nonblocking(fd)?;
        Ok(self.source.get_or_init(|| source))
    }
}
