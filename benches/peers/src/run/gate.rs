use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// What holds children: their standard input, which has no end yet.
#[derive(Debug)]
pub(super) struct Gate(OwnedFd);

impl Gate {
    /// For the children that are spawned from now on.
    pub(super) fn new() -> io::Result<Gate> {
        let mut ends = [0; 2];
        // SAFETY: there is room for both descriptors.
        if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) } < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: pipe2 has made both, and nobody else has them.
        let [reader, writer] = ends.map(|end| unsafe { OwnedFd::from_raw_fd(end) });
        // SAFETY: no memory is involved.
        if unsafe { libc::dup2(reader.as_raw_fd(), libc::STDIN_FILENO) } < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Gate(writer))
    }

    /// Releases them all at once.
    pub(super) fn open(self) {
        drop(self.0);
    }
}
