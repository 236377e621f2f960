//! Unix sockets that know the process at their other end: `SO_PEERPIDFD`, `SO_PASSPIDFD`, and messages with `SCM_PIDFD`.

use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use libc::{c_int, socklen_t};

/// The kind of control message that has a pidfd: the kernel's number, which libc lacks.
const SCM_PIDFD: c_int = 4;

/// Larger than the most that comes with one message: credentials, 253 descriptors, a security label, and the pidfd last.
const CONTROL: usize = 4096;

/// Room for control messages, aligned as their headers are.
#[repr(C, align(8))]
struct Control([u8; CONTROL]);

/// A new pidfd of the process that the kernel noted when the socket was connected.
pub(crate) fn peer(socket: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let (mut fd, mut size): (c_int, _) = (-1, size_of::<c_int>() as socklen_t);
    // SAFETY: the kernel writes at most one integer, and its size.
    let result = unsafe {
        let value = (&raw mut fd).cast();
        libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_PEERPIDFD, value, &mut size)
    };
    super::check(result.into())?;
    // SAFETY: a new descriptor, which nobody else knows.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Whether a pidfd is to come with each message.
pub(crate) fn set_passing(socket: BorrowedFd<'_>, on: bool) -> io::Result<()> {
    let on = c_int::from(on);
    // SAFETY: the kernel reads one integer.
    let result = unsafe {
        let (value, size) = ((&raw const on).cast(), size_of::<c_int>() as socklen_t);
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_PASSPIDFD, value, size)
    };
    super::check(result.into()).map(drop)
}

/// Receives bytes, and the pidfd that came with them, or why the kernel could not make one. Other descriptors that
/// came are closed.
pub(crate) fn receive(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
) -> io::Result<(usize, io::Result<Option<OwnedFd>>)> {
    let mut control = Control([0; CONTROL]);
    let mut bytes = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: integers and null pointers are valid for it.
    let mut message: libc::msghdr = unsafe { zeroed() };
    message.msg_iov = &mut bytes;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    let length = loop {
        message.msg_controllen = CONTROL as _;
        // SAFETY: the header leads to the two buffers, which are as large as it says, and live until the call returns.
        let result = unsafe { libc::recvmsg(socket.as_raw_fd(), &mut message, libc::MSG_CMSG_CLOEXEC) };
        match result {
            0.. => break result as usize,
            _ => match io::Error::last_os_error() {
                error if error.raw_os_error() == Some(libc::EINTR) => {}
                error => return Err(error),
            },
        }
    };
    // SAFETY: the kernel has filled the header and what it leads to.
    Ok((length, unsafe { take_pidfd(&message) }))
}

/// # Safety
/// `message` is as `recvmsg` left it. Its descriptors are nobody's yet.
#[allow(clippy::unnecessary_cast, reason = "C libraries have different types for these lengths")]
unsafe fn take_pidfd(message: &libc::msghdr) -> io::Result<Option<OwnedFd>> {
    let mut pidfd = Ok(None);
    // SAFETY: the caller's promise: the headers lie in the buffer, each with its data behind it.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(message);
        while let Some(found) = header.as_ref() {
            let length = found.cmsg_len as usize - libc::CMSG_LEN(0) as usize;
            let numbers = libc::CMSG_DATA(header).cast::<c_int>();
            for index in 0..length / size_of::<c_int>() {
                match (found.cmsg_level, found.cmsg_type) {
                    (libc::SOL_SOCKET, SCM_PIDFD) => {
                        pidfd = match numbers.add(index).read_unaligned() {
                            number @ 0.. => Ok(Some(OwnedFd::from_raw_fd(number))),
                            errno => Err(io::Error::from_raw_os_error(-errno)),
                        }
                    }
                    (libc::SOL_SOCKET, libc::SCM_RIGHTS) => {
                        drop(OwnedFd::from_raw_fd(numbers.add(index).read_unaligned()));
                    }
                    _ => break,
                }
            }
            header = libc::CMSG_NXTHDR(message, header);
        }
    }
    pidfd
}
