//! The one who takes.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;

use childset::Pidfd;
use rustix::net::sockopt::socket_peercred;

/// Who is at the other end.
pub(crate) struct Taker {
    /// Where the kernel reports it (Linux 6.5), and it has not gone since.
    pid: Option<u32>,
    /// Who connected. The process itself may have become another user's since, by running sudo.
    pub(crate) user: u32,
}

impl fmt::Display for Taker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "user {}", self.user)?;
        self.pid.map_or(Ok(()), |pid| write!(f, " (pid {pid})"))
    }
}

pub(crate) fn taker(peer: &OwnedFd) -> io::Result<Taker> {
    let user = socket_peercred(peer)?.uid.as_raw();
    Ok(Taker { pid: Pidfd::from_peer(peer).and_then(|peer| peer.pid()).ok().flatten(), user })
}
