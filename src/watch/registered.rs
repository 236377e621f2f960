//! A descriptor that registers with async-io's reactor at its first await.

#![allow(unsafe_code)]

#[cfg(feature = "async-io")]
use {
    async_io::Async,
    std::io,
    std::ops::Deref,
    std::os::fd::AsRawFd,
    std::sync::{Arc, Mutex, OnceLock},
};

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::AtomicU32;

#[cfg(feature = "async-io")]
use super::dropped::start_reactor;
#[cfg(feature = "async-io")]
use crate::pidfd::Forked;
#[cfg(feature = "async-io")]
use crate::sync::lock;
#[cfg(feature = "async-io")]
use crate::sys::origin::{Origin, PerProcess};

/// What owns one descriptor.
///
/// # Safety
/// `as_fd` gives the same descriptor at each call, and it stays open as long as the owner is neither dropped nor
/// changed.
pub(crate) unsafe trait Owner: AsFd {}

/// A descriptor, and a number in the space that would be padding.
#[derive(Debug)]
pub(crate) struct Numbered {
    pub(crate) fd: OwnedFd,
    pub(crate) number: AtomicU32,
}

impl AsFd for Numbered {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

// SAFETY: it owns the one descriptor that it lends, and nobody changes that: a `Registered` lends no mutable reference.
unsafe impl Owner for Numbered {}

// SAFETY: as for `OwnedFd`, of which it never lends a mutable reference (`Arc::get_mut` needs it itself).
#[cfg(feature = "async-io")]
unsafe impl Owner for Arc<OwnedFd> {}

/// A source in the reactor. A copy of this process that drops it leaves the reactor alone: it shares its epoll instance
/// with us, and would take out what is ours.
#[cfg(feature = "async-io")]
#[derive(Debug)]
pub(crate) struct Source<S> {
    /// `None` only while being dropped.
    source: Option<Async<S>>,
    origin: Origin,
}

#[cfg(feature = "async-io")]
impl<S> Source<S> {
    pub(crate) fn new(source: Async<S>) -> Source<S> {
        Source { source: Some(source), origin: Origin::here() }
    }
}

#[cfg(feature = "async-io")]
impl<S> Deref for Source<S> {
    type Target = Async<S>;

    fn deref(&self) -> &Async<S> {
        self.source.as_ref().expect("taken only by drop")
    }
}

#[cfg(feature = "async-io")]
impl<S> Drop for Source<S> {
    fn drop(&mut self) {
        if !self.origin.is_here() {
            std::mem::forget(self.source.take());
        }
    }
}

/// An owner of a descriptor and, after that was awaited, its source in the reactor.
#[derive(Debug)]
pub(crate) struct Registered<F> {
    /// Borrows from `owner`: declared before it, and so dropped before it.
    #[cfg(feature = "async-io")]
    source: OnceLock<Source<BorrowedFd<'static>>>,
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

    /// Takes it out of the reactor; the next `source` registers it anew.
    #[cfg(feature = "async-io")]
    pub(crate) fn unregister(&mut self) {
        drop(self.source.take());
    }

    /// The source in the reactor. The descriptor's flags stay as they are.
    #[cfg(feature = "async-io")]
    pub(crate) fn source(&self) -> io::Result<&Async<BorrowedFd<'static>>> {
        /// The reactor takes a descriptor only once; this happens rarely enough for one lock.
        static REGISTERING: PerProcess<Mutex<()>> = PerProcess::new(|| Mutex::new(()));
        if let Some(source) = self.source.get() {
            return match source.origin.is_here() {
                true => Ok(source),
                false => Err(Forked::Reactor.into()),
            };
        }
        start_reactor()?;
        let _registering = lock(REGISTERING.get());
        if let Some(source) = self.source.get() {
            return Ok(source);
        }
        // SAFETY: the descriptor is not closed before the source is dropped: `owner` keeps it open (`Owner`) and
        // is neither replaced nor lent mutably, and both `into_inner` and dropping `self` drop the source first.
        let fd = unsafe { BorrowedFd::borrow_raw(self.owner.as_fd().as_raw_fd()) };
        let source = Source::new(Async::new_nonblocking(fd)?);
        Ok(self.source.get_or_init(|| source))
    }
}
