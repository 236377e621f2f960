#![allow(unsafe_code)]

use std::fmt;
use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;

/// What a child's standard input, output or error is: by default, that of this process.
///
/// Files, sockets, pipes and what else owns a descriptor become one with `Stdio::from` or `into()`. For other types
/// an [`OwnedFd`] stands between: `OwnedFd::from(reader)` for an end of `std::io::pipe` (Rust 1.87).
///
/// ```
/// use childset::{Command, Stdio};
/// use std::fs::File;
///
/// let mut command = Command::new("wc");
/// command.arg("-c").stdin(File::open("/dev/null")?).stdout(Stdio::piped()).stderr(Stdio::inherit());
/// assert_eq!(command.spawn()?.wait_with_output()?.stdout, b"0\n");
/// command.stdin(Stdio::null());
/// assert_eq!(command.spawn()?.wait_with_output()?.stdout, b"0\n");
/// # std::io::Result::Ok(())
/// ```
pub struct Stdio(pub(crate) Kind);

pub(crate) enum Kind {
    Inherit,
    Null,
    Piped,
    /// The same as the child's standard output.
    Stdout,
    Fd(Arc<OwnedFd>),
    /// None could be had: the errno, for the spawn.
    None(i32),
    /// Opaque, so that only `std` can spawn with it, and only once: `None` afterwards.
    Std(Option<std::process::Stdio>),
}

impl Kind {
    /// Whether it is a descriptor of the caller's.
    pub(crate) fn is_fd(&self) -> bool {
        matches!(self, Kind::Fd(_))
    }

    /// The same once more, for another spawn. A `Stdio` of `std` cannot be had twice.
    pub(crate) fn share(&self) -> Option<Kind> {
        Some(match self {
            Kind::Inherit => Kind::Inherit,
            Kind::Null => Kind::Null,
            Kind::Piped => Kind::Piped,
            Kind::Stdout => Kind::Stdout,
            Kind::Fd(fd) => Kind::Fd(Arc::clone(fd)),
            Kind::None(errno) => Kind::None(*errno),
            Kind::Std(_) => return None,
        })
    }
}

impl Stdio {
    /// A new pipe, whose other end the [`Child`](crate::Child) gets. See [`Stdio`].
    pub fn piped() -> Stdio {
        Stdio(Kind::Piped)
    }

    /// The same as this process has. See [`Stdio`].
    pub fn inherit() -> Stdio {
        Stdio(Kind::Inherit)
    }

    /// `/dev/null`. See [`Stdio`].
    pub fn null() -> Stdio {
        Stdio(Kind::Null)
    }
}

/// `inherit`, `null`, `piped`, `descriptor 5`, or `std's Stdio`.
impl fmt::Debug for Stdio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Inherit => f.write_str("inherit"),
            Kind::Null => f.write_str("null"),
            Kind::Piped => f.write_str("piped"),
            Kind::Stdout => f.write_str("the child's standard output"),
            Kind::Fd(fd) => write!(f, "descriptor {}", fd.as_raw_fd()),
            Kind::None(_) => f.write_str("a descriptor that could not be copied"),
            Kind::Std(Some(_)) => f.write_str("std's Stdio"),
            Kind::Std(None) => f.write_str("std's Stdio, which has served"),
        }
    }
}

impl FromRawFd for Stdio {
    unsafe fn from_raw_fd(fd: RawFd) -> Stdio {
        // SAFETY: the caller owns the descriptor, which is open, and gives it away.
        Stdio::from(unsafe { OwnedFd::from_raw_fd(fd) })
    }
}

impl From<OwnedFd> for Stdio {
    fn from(fd: OwnedFd) -> Stdio {
        Stdio(Kind::Fd(Arc::new(fd)))
    }
}

/// Nobody can look into one of `std`. `std` makes the process then, at its cost, and only once: the next spawn is an
/// [`InvalidInput`](std::io::ErrorKind::InvalidInput) error, until it is set anew.
impl From<std::process::Stdio> for Stdio {
    fn from(stdio: std::process::Stdio) -> Stdio {
        Stdio(Kind::Std(Some(stdio)))
    }
}

macro_rules! from_owner {
    ($($owner:ty),* $(,)?) => {$(
        impl From<$owner> for Stdio {
            fn from(owner: $owner) -> Stdio {
                Stdio::from(OwnedFd::from(owner))
            }
        }
    )*};
}

from_owner!(
    File,
    std::net::TcpListener,
    std::net::TcpStream,
    std::os::unix::net::UnixDatagram,
    std::os::unix::net::UnixListener,
    std::os::unix::net::UnixStream,
    std::process::ChildStdin,
    std::process::ChildStdout,
    std::process::ChildStderr,
);

macro_rules! from_stream {
    ($($stream:ty),*) => {$(
        /// A copy of this process's own. Where there is no descriptor left for the copy, spawning fails with `EMFILE`.
        impl From<$stream> for Stdio {
            fn from(stream: $stream) -> Stdio {
                use std::os::fd::AsFd;
                let copy = stream.as_fd().try_clone_to_owned();
                copy.map_or_else(|error| Stdio(Kind::None(error.raw_os_error().unwrap_or(libc::EMFILE))), Stdio::from)
            }
        }
    )*};
}

from_stream!(std::io::Stdin, std::io::Stdout, std::io::Stderr);
