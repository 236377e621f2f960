use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use rustix::pty::{grantpt, ioctl_tiocgptpeer, openpt, unlockpt, OpenptFlags};
use rustix::termios::{tcsetwinsize, Winsize};

use super::Command;
use crate::sys::low::above_stdio;

/// The child's terminal.
impl Command {
    /// Makes the process the leader of a new session, as [`setsid`](Command::setsid) does, and this terminal the session's
    /// controlling one. See ioctl_tty(2), `TIOCSCTTY`.
    ///
    /// From then on, the keys `^C`, `^\\` and `^Z` of the terminal act on the session's foreground group, which at first
    /// is the child's. To read and write the terminal the child needs it as standard input, output and error, too.
    ///
    /// Spawning fails with `EPERM` if the terminal is that of another session, and with `ENOTTY` if it is none.
    ///
    /// ```
    /// # use childset::{Command, Pty, Signal};
    /// # use std::fs::File;
    /// # use std::io::Write;
    /// let Pty { controller, terminal } = Pty::open()?;
    /// let mut command = Command::new("cat");
    /// command.stdin(terminal.try_clone()?).controlling_terminal(terminal);
    /// // A program that was started in the background of a shell ignores it, and so would its children.
    /// command.default_signals(&[Signal::INT]);
    /// let child = command.spawn()?;
    /// File::from(controller.try_clone()?).write_all(b"\x03")?;
    /// assert_eq!(child.wait()?.signal(), Some(Signal::INT));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn controlling_terminal<F: Into<OwnedFd>>(&mut self, terminal: F) -> &mut Command {
        self.before_closing();
        self.options.controlling_terminal = Some(Arc::new(terminal.into()));
        self
    }

    /// Makes the child's process group the foreground group of this terminal, before the program runs, so that it may
    /// read it at once. See tcsetpgrp(3).
    ///
    /// A shell with job control gives it to each job, which it puts into a [group](Command::process_group) of its own,
    /// and takes the terminal back itself when the job stops or ends.
    ///
    /// Spawning fails with `ENOTTY` if it is not the controlling terminal of the child's session.
    ///
    /// ```no_run
    /// # use childset::Command;
    /// # use std::os::fd::AsFd;
    /// let terminal = std::io::stdin().as_fd().try_clone_to_owned()?;
    /// let child = Command::new("less").arg("README.md").process_group(0).foreground(terminal).spawn()?;
    /// child.wait()?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn foreground<F: Into<OwnedFd>>(&mut self, terminal: F) -> &mut Command {
        self.before_closing();
        self.options.foreground = Some(Arc::new(terminal.into()));
        self
    }
}

/// A new pseudoterminal: a terminal for a child, and the end that stands for its screen and keys. See pty(7).
///
/// ```
/// use childset::{Command, Pty};
/// use std::fs::File;
/// use std::io::Read;
///
/// let pty = Pty::open()?;
/// pty.set_size(25, 80)?;
/// let mut command = Command::new("stty");
/// command.arg("size").stdin(pty.terminal.try_clone()?).stdout(pty.terminal.try_clone()?);
/// command.controlling_terminal(pty.terminal).spawn()?.wait()?;
/// // Else this would be one more who holds the terminal open.
/// drop(command);
///
/// let mut screen = Vec::new();
/// // The end is an error: `EIO`.
/// let _ = File::from(pty.controller).read_to_end(&mut screen);
/// assert_eq!(screen, b"25 80\r\n");
/// # std::io::Result::Ok(())
/// ```
pub struct Pty {
    /// What is written here are keys, and what is read is what the screen shows. Reading fails with `EIO` once nobody has
    /// the terminal open.
    pub controller: OwnedFd,
    /// The terminal, which is not this process's controlling one.
    pub terminal: OwnedFd,
}

impl Pty {
    /// Opens a new one, both ends close-on-exec. See [`Pty`].
    ///
    /// # Errors
    /// `EMFILE`, `ENFILE`, `ENOMEM`: no descriptor or memory; `ENOSPC`: no pseudoterminal is left
    /// (`/proc/sys/kernel/pty/max`); `ENOENT`: there is no `/dev/ptmx`.
    pub fn open() -> io::Result<Pty> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let controller = above_stdio(openpt(flags)?)?;
        grantpt(&controller)?;
        unlockpt(&controller)?;
        let terminal = above_stdio(ioctl_tiocgptpeer(&controller, flags)?)?;
        Ok(Pty { controller, terminal })
    }

    /// Sets the size of the screen, in characters; the foreground group gets `SIGWINCH` if that changes it. See [`Pty`].
    ///
    /// # Errors
    /// None that a pseudoterminal can cause.
    pub fn set_size(&self, rows: u16, columns: u16) -> io::Result<()> {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        Ok(tcsetwinsize(&self.controller, size)?)
    }
}

impl fmt::Debug for Pty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pty")
            .field("controller", &self.controller.as_raw_fd())
            .field("terminal", &self.terminal.as_raw_fd())
            .finish()
    }
}
