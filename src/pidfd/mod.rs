//! One process, of anybody's: its pidfd, its exit, and what the kernel reports about it.

// The page of `Pidfd` shows the methods of these in their order.
mod open;
mod peer;
mod send;
mod take;
mod thread;

mod core_dump;
mod edge;
mod exit;
mod forked;
mod gone;
mod identity;
mod info;
mod memory;
mod namespace;
mod signal;
mod stat;
mod state;
mod usage;

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};

pub(crate) use edge::Edge;
pub(crate) use stat::{check_proc, field};
pub(crate) use take::{call_before_taking, can_be_collected, collect, Collected};

pub use core_dump::CoreDump;
pub use exit::{Exit, StatusUnknown};
pub use forked::Forked;
pub use gone::Gone;
pub use identity::Identity;
pub use info::Info;
pub use namespace::Namespace;
pub use signal::Signal;
pub use state::{State, StateChange};
pub use usage::Usage;

/// A descriptor that refers to one process, and never to another that got the same pid later.
///
/// ```
/// use childset::{Pidfd, Signal, State};
/// use std::process::{Command, Stdio};
///
/// let child = Command::new("cat").stdin(Stdio::piped()).spawn()?;
/// let pidfd = Pidfd::from_child(&child)?;
/// assert_eq!(pidfd.state()?, State::Running);
///
/// pidfd.kill()?;
/// assert_eq!(pidfd.wait()?.signal(), Some(Signal::KILL));
/// assert_eq!(pidfd.state()?, State::Reaped);
/// # std::io::Result::Ok(())
/// ```
///
/// # Event loops
/// The descriptor becomes readable when the process ends, so any event loop can watch it: a `polling::Poller`, an
/// `async_io::Async<Pidfd>` (with `AsyncPidfdExt`), or a [`ChildSet`](crate::ChildSet).
///
/// # Dropping
/// Dropping a `Pidfd` closes the descriptor. It does nothing to the process.
///
/// # Kernels
/// Waiting needs Linux 5.4. See pidfd_open(2).
///
#[doc = include_str!("interface.md")]
#[derive(Debug)]
pub struct Pidfd(OwnedFd);

impl Pidfd {
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

pub(crate) fn unsupported(message: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, message)
}

/// The descriptor, for poll(2) and epoll(7). Those of children may have numbers of 1,024 and more, which select(2) cannot
/// take.
impl AsFd for Pidfd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Pidfd {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl IntoRawFd for Pidfd {
    fn into_raw_fd(self) -> RawFd {
        self.0.into_raw_fd()
    }
}

impl From<Pidfd> for OwnedFd {
    fn from(pidfd: Pidfd) -> OwnedFd {
        pidfd.0
    }
}

/// Takes a descriptor for a pidfd, for instance one that came over a socket. Nothing is checked.
///
/// ```
/// use childset::Pidfd;
/// use std::os::fd::OwnedFd;
///
/// let null = Pidfd::from(OwnedFd::from(std::fs::File::open("/dev/null")?));
/// assert_eq!(null.wait().unwrap_err().raw_os_error(), Some(9)); // EBADF
/// # std::io::Result::Ok(())
/// ```
///
/// On a descriptor of another kind, most calls fail with `EBADF`, and [`info`](Pidfd::info) with
/// [`Unsupported`](io::ErrorKind::Unsupported). [`state`](Pidfd::state) succeeds, and says only whether the descriptor is
/// readable.
impl From<OwnedFd> for Pidfd {
    fn from(fd: OwnedFd) -> Pidfd {
        Pidfd(fd)
    }
}
