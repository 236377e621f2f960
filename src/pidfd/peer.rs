//! The process at the other end of a Unix socket.

use std::io;
use std::os::fd::AsFd;

use super::gone::Gone;
use super::{unsupported, Pidfd};
use crate::sys::low::above_stdio;
use crate::sys::peer;

/// Who is at the other end.
impl Pidfd {
    /// Opens the process at the other end of a connected Unix socket. See unix(7), `SO_PEERPIDFD`.
    ///
    /// ```
    /// use childset::Pidfd;
    /// use std::io::ErrorKind;
    /// use std::os::unix::net::UnixStream;
    ///
    /// let (socket, _other) = UnixStream::pair()?;
    /// match Pidfd::from_peer(&socket) {
    ///     // Both ends are ours.
    ///     Ok(peer) => assert_eq!(peer.pid()?, Some(std::process::id())),
    ///     Err(error) => assert_eq!(error.kind(), ErrorKind::Unsupported),
    /// }
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// It is the process that called connect(2), listen(2) or socketpair(2). The socket may have been passed on to
    /// another one since, and the process may have called execve(2): [`recv`](Pidfd::recv) gives the sender of a
    /// message.
    ///
    /// [`info`](Pidfd::info) has its user and group as they are now. It may have run a program like sudo since, which
    /// has those of another user. To decide by user and group what the process may do, use those of the moment of the
    /// connection: `SO_PEERCRED` has them.
    ///
    /// Needs Linux 6.5. There is no fallback by the pid of `SO_PEERCRED`: another process may have that pid by now, and
    /// a server would trust it in place of its client.
    ///
    /// # Errors
    /// - [`Unsupported`](io::ErrorKind::Unsupported): the kernel is older than 6.5 (`ENOPROTOOPT`).
    /// - [`Gone`]: the process was reaped. Linux 6.16 and later open it still, for its exit status.
    /// - `ENODATA`: the socket is not connected, or is no Unix socket.
    /// - `ENOTSOCK`: it is no socket.
    /// - `EMFILE`: out of descriptors.
    #[doc(alias = "SO_PEERPIDFD")]
    pub fn from_peer(socket: impl AsFd) -> io::Result<Pidfd> {
        match peer::peer(socket.as_fd()) {
            Ok(fd) => Ok(Pidfd(above_stdio(fd)?)),
            Err(error) => Err(match error.raw_os_error() {
                // Before `ESRCH` was said of it; nothing else about the call can be invalid.
                Some(libc::EINVAL) => Gone::Reaped.into(),
                _ => explain(error),
            }),
        }
    }

    /// Has a pidfd of its sender come with each message to this Unix socket, for [`recv`](Pidfd::recv), or ends that. See
    /// unix(7), `SO_PASSPIDFD`.
    ///
    /// What was sent before has none.
    ///
    /// # Errors
    /// - [`Unsupported`](io::ErrorKind::Unsupported): the kernel is older than 6.5 (`ENOPROTOOPT`), or this is no
    ///   Unix socket.
    /// - `ENOTSOCK`: it is no socket.
    #[doc(alias = "SO_PASSPIDFD")]
    pub fn set_passing(socket: impl AsFd, on: bool) -> io::Result<()> {
        peer::set_passing(socket.as_fd(), on).map_err(explain)
    }

    /// Receives a message from a Unix socket, or a part of a stream, and the process that sent it. See recv(2).
    ///
    /// ```
    /// use childset::Pidfd;
    /// use std::io::Write;
    /// use std::os::unix::net::UnixStream;
    ///
    /// let (socket, mut other) = UnixStream::pair()?;
    /// if Pidfd::set_passing(&socket, true).is_ok() {
    ///     other.write_all(b"hello")?;
    ///     let mut buffer = [0; 16];
    ///     let (length, sender) = Pidfd::recv(&socket, &mut buffer)?;
    ///     assert_eq!(&buffer[..length], b"hello");
    ///     assert_eq!(sender?.unwrap().pid()?, Some(std::process::id()));
    /// }
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// Returns the number of bytes, which is 0 at the end, and the sender: `None` if no pidfd came, because
    /// [`set_passing`](Pidfd::set_passing) was off when the message was sent. Bytes of two processes never come
    /// together. Other descriptors that come with the message are closed. An interrupted call goes on.
    ///
    /// # Errors
    /// Those of recv(2). The bytes count also where the sender is an error:
    /// - [`Gone`]: it was reaped. Linux 6.16 and later open it still, for its exit status.
    /// - `EMFILE`: out of descriptors.
    #[doc(alias = "SCM_PIDFD")]
    pub fn recv(socket: impl AsFd, buffer: &mut [u8]) -> io::Result<(usize, io::Result<Option<Pidfd>>)> {
        let (length, sender) = peer::receive(socket.as_fd(), buffer)?;
        let sender = sender.and_then(|fd| fd.map(above_stdio).transpose());
        Ok((
            length,
            sender.map(|fd| fd.map(Pidfd)).map_err(|error| match error.raw_os_error() {
                // As of a peer.
                Some(libc::EINVAL) => Gone::Reaped.into(),
                _ => Gone::explain(error),
            }),
        ))
    }
}

fn explain(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(libc::ENOPROTOOPT) => unsupported("pidfds of Unix sockets need Linux 6.5 (ENOPROTOOPT)"),
        Some(libc::EOPNOTSUPP) => {
            unsupported("a pidfd comes with messages to Unix sockets alone (EOPNOTSUPP)")
        }
        _ => Gone::explain(error),
    }
}
