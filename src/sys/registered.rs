//! A descriptor that registers with async-io's reactor at its first await.

#[cfg(feature = "async-io")]
use {
    async_io::Async,
    std::io,
    std::os::fd::BorrowedFd,
    std::sync::{Mutex, OnceLock},
};

use std::os::fd::{AsFd, OwnedFd};

use crate::process::Process;

/// What owns one descriptor and keeps it open, the same one, until it is dropped or moved.
pub(crate) trait Owner: AsFd {}

impl Owner for OwnedFd {}
impl Owner for Process {}

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
        crate::dropped::reactor::start()?;
        let _registering = crate::sync::lock(&REGISTERING);
        if let Some(source) = self.source.get() {
            return Ok(source);
        }
        // SAFETY: the descriptor is not closed before the source is dropped: `owner` keeps it open (`Owner`) and
        // is neither replaced nor lent mutably, and both `into_inner` and dropping `self` drop the source first.
        let fd = unsafe { std::mem::transmute::<BorrowedFd<'_>, BorrowedFd<'static>>(self.owner.as_fd()) };
        let source = Async::new_nonblocking(fd)?;
        Ok(self.source.get_or_init(|| source))
    }
}
