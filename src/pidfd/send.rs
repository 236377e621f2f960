//! Signals to a process, and to the group that it leads.

use std::io;

use super::gone::Gone;
use super::signal::Signal;
use super::{unsupported, Pidfd};
use crate::sys::signal::{pidfd_send_signal, PROCESS_GROUP};

impl Pidfd {
    /// Sends a signal to the process. Signal 0 only checks that this would be possible. See pidfd_send_signal(2).
    ///
    /// ```
    /// # use childset::{Pidfd, Signal};
    /// let child = std::process::Command::new("sleep").arg("60").spawn()?;
    /// let pidfd = Pidfd::from_child(&child)?;
    /// pidfd.send_signal(Signal::TERM)?;
    /// assert_eq!(pidfd.wait()?.signal(), Some(Signal::TERM));
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// A zombie accepts signals, without effect.
    ///
    /// # Errors
    /// - [`Gone`]: the process was reaped (`ESRCH`).
    /// - `EPERM`: it belongs to another user.
    /// - `EINVAL`: there is no such signal, or the process lies outside the pid namespace of this process.
    #[doc(alias = "pidfd_send_signal")]
    pub fn send_signal(&self, signal: impl Into<Signal>) -> io::Result<()> {
        pidfd_send_signal(self.fd(), signal.into().as_raw(), 0).map_err(Gone::explain)
    }

    /// Sends a signal to the process group that the process leads or led. See pidfd_send_signal(2).
    ///
    /// ```
    /// # use childset::{Pidfd, Signal};
    /// # use std::io::ErrorKind;
    /// # use std::os::unix::process::CommandExt;
    /// let child = std::process::Command::new("sleep").arg("60").process_group(0).spawn()?;
    /// let pidfd = Pidfd::from_child(&child)?;
    /// match pidfd.send_signal_to_group(Signal::TERM) {
    ///     Ok(()) => {}
    ///     Err(error) if error.kind() == ErrorKind::Unsupported => pidfd.send_signal(Signal::TERM)?,
    ///     Err(error) => return Err(error),
    /// }
    /// assert_eq!(pidfd.wait()?.signal(), Some(Signal::TERM));
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// The signal reaches the group even after its leader was reaped, as long as a member lives. It never reaches
    /// another group that got the same number later. Needs Linux 6.9.
    ///
    /// # Errors
    /// - [`Gone`]: the process leads no group, or no member lives (`ESRCH`).
    /// - `EPERM`: no member may be signalled.
    /// - `EINVAL`: there is no such signal.
    /// - [`Unsupported`](io::ErrorKind::Unsupported): the kernel is older than 6.9.
    #[doc(alias = "PIDFD_SIGNAL_PROCESS_GROUP")]
    pub fn send_signal_to_group(&self, signal: impl Into<Signal>) -> io::Result<()> {
        match pidfd_send_signal(self.fd(), signal.into().as_raw(), PROCESS_GROUP) {
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) && !group_signals_known()? => {
                Err(unsupported("a signal to the process group of a pidfd needs Linux 6.9 (EINVAL)"))
            }
            result => result.map_err(Gone::explain),
        }
    }

    /// Sends `SIGKILL`.
    ///
    /// ```
    /// # use childset::{Pidfd, Signal};
    /// let child = std::process::Command::new("sleep").arg("60").spawn()?;
    /// let pidfd = Pidfd::from_child(&child)?;
    /// pidfd.kill()?;
    /// assert_eq!(pidfd.wait()?.signal(), Some(Signal::KILL));
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// As [`send_signal`](Pidfd::send_signal).
    pub fn kill(&self) -> io::Result<()> {
        self.send_signal(Signal::KILL)
    }
}

/// Tries a group signal to ourselves: whether the kernel knows them, whatever made another one fail.
fn group_signals_known() -> io::Result<bool> {
    let me = Pidfd::open(std::process::id())?;
    Ok(pidfd_send_signal(me.fd(), 0, PROCESS_GROUP)
        .map_or_else(|error| error.raw_os_error() != Some(libc::EINVAL), |()| true))
}
