//! Pidfds over a Unix socket: one message for each, with the process's name.

use std::error::Error;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use childset::Pidfd;
use rustix::fs::{flock, FlockOperation};
use rustix::io::{retry_on_intr, Errno};
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use shared::printable;

pub(crate) const LONGEST_NAME: usize = 4096;

/// What a peer may do wrong.
#[derive(Debug)]
pub(crate) enum Refused {
    Closed,
    NoDescriptor,
    /// More than one, or more than this process may open.
    TooMany,
    NotAPidfd,
    TooLong,
    Io(io::Error),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refused::Closed => "the peer closed the connection without a process",
            Refused::NoDescriptor => "the peer sent no descriptor",
            Refused::TooMany => "the peer sent more descriptors than the one that is taken",
            Refused::NotAPidfd => "what the peer sent is no pidfd",
            Refused::TooLong => "the peer sent a name that is too long",
            Refused::Io(error) => return error.fmt(f),
        })
    }
}

impl Error for Refused {}

impl From<rustix::io::Errno> for Refused {
    fn from(error: rustix::io::Errno) -> Refused {
        Refused::Io(error.into())
    }
}

/// Sockets that keep messages apart, and tell of a truncated one.
fn socket(flags: SocketFlags) -> io::Result<OwnedFd> {
    Ok(socket_of(SocketType::SEQPACKET, flags)?)
}

fn socket_of(kind: SocketType, flags: SocketFlags) -> rustix::io::Result<OwnedFd> {
    net::socket_with(AddressFamily::UNIX, kind, flags | SocketFlags::CLOEXEC, None)
}

/// Makes the socket. One that a starter left behind, so that nobody listens to it, is replaced.
pub(crate) fn listen(path: &Path) -> io::Result<OwnedFd> {
    let socket = socket(SocketFlags::empty())?;
    let address = SocketAddrUnix::new(path)?;
    // Of several who do this at once, one is first, and the others see that it listens.
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(".".as_ref());
    let directory = File::open(directory)?;
    retry_on_intr(|| flock(&directory, FlockOperation::LockExclusive))?;
    match net::bind(&socket, &address) {
        Err(Errno::ADDRINUSE) if is_stale(path) => {
            fs::remove_file(path)?;
            net::bind(&socket, &address)?;
        }
        bound => bound?,
    }
    net::listen(&socket, 128)?;
    Ok(socket)
}

/// Whether it is a socket that belongs to no process. Nobody is disturbed by the look: a datagram socket connects to none
/// of another type.
fn is_stale(path: &Path) -> bool {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
    let look =
        || net::connect(&socket_of(SocketType::DGRAM, SocketFlags::empty())?, &SocketAddrUnix::new(path)?);
    is_socket && look() == Err(Errno::CONNREFUSED)
}

pub(crate) fn accept(listener: &OwnedFd) -> io::Result<OwnedFd> {
    Ok(retry_on_intr(|| net::accept_with(listener, SocketFlags::CLOEXEC))?)
}

/// The error is `WouldBlock` while the other side has too many to accept. The socket does not block either.
pub(crate) fn connect(path: &Path) -> io::Result<OwnedFd> {
    let socket = socket(SocketFlags::NONBLOCK)?;
    let address = SocketAddrUnix::new(path)?;
    retry_on_intr(|| net::connect(&socket, &address))?;
    Ok(socket)
}

/// Sends one message. Takes any descriptors, so that the tests can send wrong ones.
pub(crate) fn send(socket: impl AsFd, name: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    retry_on_intr(|| net::sendmsg(&socket, &[IoSlice::new(name)], &mut control, SendFlags::NOSIGNAL))?;
    Ok(())
}

/// Receives one process and its name, which is fit to be printed.
///
/// Whatever descriptors come with a message that is refused are closed.
pub(crate) fn receive(socket: impl AsFd) -> Result<(Pidfd, String), Refused> {
    let mut name = vec![0; LONGEST_NAME];
    // The kernel pads it, so that two may come; those that find no place it closes, and says so.
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let message = retry_on_intr(|| {
        let parts = &mut [IoSliceMut::new(&mut name)];
        net::recvmsg(&socket, parts, &mut control, RecvFlags::CMSG_CLOEXEC)
    })?;
    let mut descriptors = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            descriptors.extend(received);
        }
    }
    if message.flags.contains(ReturnFlags::CTRUNC) || descriptors.len() > 1 {
        return Err(Refused::TooMany);
    }
    if message.flags.contains(ReturnFlags::TRUNC) {
        return Err(Refused::TooLong);
    }
    let pidfd = match descriptors.pop() {
        Some(descriptor) => Pidfd::from(descriptor),
        None if message.bytes == 0 => return Err(Refused::Closed),
        None => return Err(Refused::NoDescriptor),
    };
    // Each kernel says first whether it is a pidfd, and only then that the process is not our child (ECHILD).
    if matches!(pidfd.try_wait_state(), Err(error) if error.raw_os_error() == Some(libc::EBADF)) {
        return Err(Refused::NotAPidfd);
    }
    name.truncate(message.bytes);
    Ok((pidfd, printable(&name)))
}
