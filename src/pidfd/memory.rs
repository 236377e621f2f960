//! The memory of a process.

use std::io;

use super::{unsupported, Pidfd};
use crate::sys::memory::process_mrelease;

impl Pidfd {
    /// Frees the memory of a process that was [killed](Pidfd::kill), before the process itself gets to that. See
    /// process_mrelease(2).
    ///
    /// ```
    /// # use childset::Pidfd;
    /// # use std::io::ErrorKind;
    /// let child = std::process::Command::new("sleep").arg("60").spawn()?;
    /// let pidfd = Pidfd::from_child(&child)?;
    /// pidfd.kill()?;
    /// match pidfd.release_memory() {
    ///     Err(error) if error.kind() == ErrorKind::Unsupported => {}
    ///     result => result?,
    /// }
    /// # pidfd.wait()?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// A process may take long to end: it may be in a system call that nothing interrupts, or wait for a processor. Succeeds
    /// also if it has no memory any more, because it has ended. Needs Linux 5.15.
    ///
    /// # Errors
    /// - `EINVAL`: the process was not killed, or another one that was not shares its memory. Its parent may do so for a moment
    ///   after a spawn, also after one by `std`: until the new program has taken over.
    /// - `EAGAIN` ([`WouldBlock`](io::ErrorKind::WouldBlock)): some of the memory is in use at the moment. Try again.
    /// - [`Unsupported`](io::ErrorKind::Unsupported): the kernel is older than 5.15, or a filter refuses the call
    ///   (`ENOSYS`).
    #[doc(alias = "process_mrelease")]
    pub fn release_memory(&self) -> io::Result<()> {
        loop {
            return match process_mrelease(self.fd()) {
                Err(error) => match error.raw_os_error() {
                    Some(libc::EINTR) => continue,
                    Some(libc::ESRCH) => Ok(()),
                    Some(libc::ENOSYS) => {
                        Err(unsupported("process_mrelease needs Linux 5.15, or a filter refuses it (ENOSYS)"))
                    }
                    _ => Err(error),
                },
                Ok(()) => Ok(()),
            };
        }
    }
}
