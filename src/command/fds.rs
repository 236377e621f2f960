use std::ops::{Bound, RangeBounds};
use std::os::fd::{OwnedFd, RawFd};
use std::sync::Arc;

use super::Command;
use crate::child::{Kind, Stdio};

/// Which descriptors the child has.
impl Command {
    /// Sets standard input.
    ///
    /// ```
    /// # use childset::{Command, Stdio};
    /// # use std::io::Seek;
    /// let mut log = tempfile::tempfile()?;
    /// let mut command = Command::new("sh");
    /// command.args(["-c", "cat; echo out; echo err >&2"]);
    /// command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log.try_clone()?);
    /// command.spawn()?.wait()?;
    /// log.rewind()?;
    /// assert_eq!(std::io::read_to_string(log)?, "out\nerr\n");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn stdin<T: Into<Stdio>>(&mut self, stdio: T) -> &mut Command {
        self.set_stdio(0, stdio.into());
        self
    }

    /// Sets standard output: see [`stdin`](Command::stdin).
    pub fn stdout<T: Into<Stdio>>(&mut self, stdio: T) -> &mut Command {
        self.set_stdio(1, stdio.into());
        self
    }

    /// Sets standard error: see [`stdin`](Command::stdin).
    pub fn stderr<T: Into<Stdio>>(&mut self, stdio: T) -> &mut Command {
        self.set_stdio(2, stdio.into());
        self
    }

    /// Makes standard error the same as the child's standard output, whatever that is when it is spawned: `2>&1` of a
    /// shell. So both come through one pipe, in the order in which they were written.
    ///
    /// ```
    /// # use childset::{Command, Stdio};
    /// let mut command = Command::new("sh");
    /// command.args(["-c", "echo 1; echo 2 >&2; echo 3"]).stdout(Stdio::piped()).stderr_to_stdout();
    /// assert_eq!(command.wait_with_output()?.stdout, b"1\n2\n3\n");
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// Spawning fails with `EBADF` if the child has no standard output.
    pub fn stderr_to_stdout(&mut self) -> &mut Command {
        self.set_stdio(2, Stdio(Kind::Stdout));
        self
    }

    /// Gives the child a descriptor, under this number. 0, 1 and 2 are its standard input, output and error.
    ///
    /// Spawning fails with `EMFILE` if the limit of this process (`RLIMIT_NOFILE`) does not allow the number, and
    /// with `EBADF` if it is negative.
    ///
    /// ```
    /// use childset::Command;
    /// use std::fs::File;
    ///
    /// let null = File::open("/dev/null")?;
    /// let child = Command::new("sh").args(["-c", "cat <&9"]).fd(9, null).spawn()?;
    /// assert!(child.wait()?.success());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn fd<F: Into<OwnedFd>>(&mut self, number: RawFd, fd: F) -> &mut Command {
        let fd = fd.into();
        match number {
            0..=2 => self.set_stdio(number as usize, Stdio::from(fd)),
            _ => {
                self.before_closing();
                self.options.fds.retain(|&(known, _)| known != number);
                self.options.fds.push((number, Arc::new(fd)));
            }
        }
        self
    }

    fn set_stdio(&mut self, number: usize, stdio: Stdio) {
        self.before_closing();
        self.stdio[number] = Some(stdio);
    }

    /// Whether the child inherits all descriptors of this process that are not close-on-exec; false unless set.
    ///
    /// Without it the child gets 0, 1, 2 and those of [`fd`](Command::fd). To pass a few more, such as those of a
    /// jobserver of make or of `LISTEN_FDS`, name them by `fd`. Inheriting copies the descriptor table, so that each
    /// spawn gets slower as more descriptors are open, those of children that still run included.
    ///
    /// ```
    /// # use childset::Command;
    /// # use std::{fs::File, os::fd::AsRawFd};
    /// // Rust opens all close-on-exec, but this does not.
    /// let null = rustix::io::dup(File::open("/dev/null")?)?;
    /// let mut command = Command::new("test");
    /// command.arg("-e").arg(format!("/proc/self/fd/{}", null.as_raw_fd()));
    /// assert!(!command.spawn()?.wait()?.success());
    /// assert!(command.inherit_fds(true).spawn()?.wait()?.success());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn inherit_fds(&mut self, inherit: bool) -> &mut Command {
        self.options.inherit_fds = inherit;
        self
    }

    /// Closes descriptors in the child, except those that it is given by [`fd`](Command::fd) and its kin. For
    /// a child that inherits all others ([`inherit_fds`](Command::inherit_fds)), or without standard input.
    ///
    /// ```
    /// use childset::Command;
    ///
    /// let mut command = Command::new("sh");
    /// command.args(["-c", "test ! -e /proc/self/fd/0"]);
    /// assert!(command.close_fds(0..=0).spawn()?.wait()?.success());
    ///
    /// // closefrom(3)
    /// # use std::os::fd::AsRawFd;
    /// # let inherited = rustix::io::dup(std::fs::File::open("/dev/null")?)?;
    /// # let number = inherited.as_raw_fd();
    /// let mut command = Command::new("test");
    /// command.args(["!", "-e", &format!("/proc/self/fd/{number}")]).inherit_fds(true);
    /// assert!(!command.spawn()?.wait()?.success());
    /// assert!(command.close_fds(3..).spawn()?.wait()?.success());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn close_fds<R: RangeBounds<RawFd>>(&mut self, numbers: R) -> &mut Command {
        // In a wider type, in which neither end can overflow.
        let first = match numbers.start_bound() {
            Bound::Included(&first) => i64::from(first),
            Bound::Excluded(&before) => i64::from(before) + 1,
            Bound::Unbounded => 0,
        };
        let last = match numbers.end_bound() {
            Bound::Included(&last) => i64::from(last),
            Bound::Excluded(&after) => i64::from(after) - 1,
            Bound::Unbounded => i64::from(u32::MAX),
        };
        let first = first.max(0);
        if first <= last {
            self.options.close.push((first as u32, last as u32));
        }
        self
    }
}
