//! Starting a service so that it never runs unknown: its process waits, before it becomes the service, until its identity
//! is in the state file.
//!
//! The process runs `supervise` itself first, as the user that the service has, with a socket as its standard input. A
//! byte comes, or the end of the socket, if we were killed. Then it looks into the file: whether its identity is
//! there is all that counts. So there is one moment from which on it is a service, that of our write, and nothing that we
//! could be killed in the middle of.
//!
//! A successor may write the page while the process reads it, though only with the same name and identity: they come
//! first, and their bytes stay as they are.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};

use childset::Pidfd;
use rustix::io::Errno;
use rustix::net::{
    recvmsg, sendmsg, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};

use super::{text, StateFile, PAGE};

/// The first argument of a process that waits.
pub(crate) const ARGUMENT: &str = "--hold";

/// Our end of the socket.
#[derive(Debug)]
pub(crate) struct Gate(UnixStream);

impl Gate {
    /// With the end that is to be the standard input of the process.
    pub(crate) fn new(state: &StateFile) -> io::Result<(Gate, OwnedFd)> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let reader = state.reader()?;
        let fds = [reader.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        control.push(SendAncillaryMessage::ScmRights(&fds));
        sendmsg(&ours, &[IoSlice::new(b"s")], &mut control, SendFlags::NOSIGNAL)?;
        Ok((Gate(ours), theirs.into()))
    }

    /// After its identity was written. One that has ended meanwhile is heard of otherwise.
    pub(crate) fn open(&self) {
        let _ = rustix::net::send(&self.0, b"g", SendFlags::NOSIGNAL);
    }

    /// Once the process has ended: why its program could not be run, if that was so.
    pub(crate) fn error(mut self) -> Option<io::Error> {
        let mut errno = [0; 4];
        self.0.read_exact(&mut errno).ok()?;
        Some(io::Error::from_raw_os_error(i32::from_ne_bytes(errno)))
    }
}

/// What the process does: `--hold PAGE PROGRAM ARGUMENT…`. Returns where it is not to become the service.
pub(crate) fn hold(mut args: impl Iterator<Item = OsString>) -> ExitCode {
    let page = args.next().and_then(|page| page.to_str()?.parse().ok());
    let (Some(page), Some(program)) = (page, args.next()) else {
        return ExitCode::from(2);
    };
    // The program gets another standard input.
    let Ok(socket) = io::stdin().as_fd().try_clone_to_owned() else {
        return ExitCode::from(2);
    };
    if !is_known(&socket, page).unwrap_or(false) {
        return ExitCode::from(2);
    }
    let error = Command::new(program).args(args).stdin(Stdio::null()).exec();
    let errno = error.raw_os_error().unwrap_or(libc::EINVAL);
    let _ = rustix::net::send(&socket, &errno.to_ne_bytes(), SendFlags::NOSIGNAL);
    ExitCode::from(match errno {
        libc::ENOENT => 127,
        _ => 126,
    })
}

/// Waits until there is nothing more to come.
fn is_known(socket: &OwnedFd, page: usize) -> io::Result<bool> {
    let me = Pidfd::open(std::process::id())?.identity()?;
    let file = receive(socket)?;
    while rustix::io::read(socket, &mut [0]) == Err(Errno::INTR) {}
    let mut bytes = [0; PAGE];
    let read = file.read_at(&mut bytes, ((page + 1) * PAGE) as u64)?;
    let identity = format!("\"identity\":\"{me}\",");
    Ok(text(&bytes[..read]).contains(&identity))
}

fn receive(socket: &OwnedFd) -> io::Result<File> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    while let Err(error) =
        recvmsg(socket, &mut [IoSliceMut::new(&mut [0])], &mut control, RecvFlags::CMSG_CLOEXEC)
    {
        if error != Errno::INTR {
            return Err(error.into());
        }
    }
    let fds = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    fds.map(File::from).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}
