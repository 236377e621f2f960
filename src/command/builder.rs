use std::ffi::OsStr;
use std::ops::{Bound, RangeBounds};
use std::os::fd::{OwnedFd, RawFd};
use std::path::Path;
use std::sync::Arc;

use super::stdio::Stdio;
use super::Command;

/// What Linux offers to a new process. The order in which these are done does not depend on that of the calls:
/// session and process group, limits, priority, file mode mask, root directory, groups, group, user, working
/// directory, `no_new_privs`, parent death signal, signal dispositions and mask. All work with a spawn of flat
/// cost, but for [`pre_exec`](Command::pre_exec).
impl Command {
    /// Where to look for a program whose name has no slash, instead of the `PATH` in the child's environment:
    /// directories with `:` between them, of which an empty one is the child's working directory.
    ///
    /// ```
    /// use childset::Command;
    ///
    /// // The environment of this process is not that of the child.
    /// let path = std::env::var_os("PATH").unwrap();
    /// let child = Command::new("true").env_clear().env("PATH", "/nowhere").search_path(path).spawn()?;
    /// assert!(child.wait()?.success());
    ///
    /// // Nothing is searched: `true` in the working directory.
    /// assert!(Command::new("true").search_path("").current_dir("/").spawn().is_err());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn search_path<S: AsRef<OsStr>>(&mut self, path: S) -> &mut Command {
        self.options.search_path = Some(path.as_ref().to_owned());
        self
    }

    /// Whether `/bin/sh` runs a file that the kernel does not know how to execute (`ENOEXEC`), such as a script
    /// without `#!`; true unless set. execvp(3) does so, and posix_spawn(3) does not.
    ///
    /// ```
    /// use std::os::unix::fs::PermissionsExt;
    ///
    /// # let dir = std::env::temp_dir().join(format!("childset-shell-{}", std::process::id()));
    /// # std::fs::create_dir_all(&dir)?;
    /// let script = dir.join("script");
    /// std::fs::write(&script, "exit 7")?;
    /// std::fs::set_permissions(&script, PermissionsExt::from_mode(0o755))?;
    ///
    /// let mut command = childset::Command::new(&script);
    /// assert_eq!(command.spawn()?.wait()?.code(), Some(7));
    /// let error = command.shell_fallback(false).spawn().unwrap_err();
    /// # std::fs::remove_dir_all(&dir)?;
    /// assert_eq!(childset::SpawnError::of(&error).unwrap().errno(), libc::ENOEXEC);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn shell_fallback(&mut self, fall_back: bool) -> &mut Command {
        self.options.no_shell = !fall_back;
        self
    }

    /// Sets the user id, and drops all supplementary groups if this process runs as root and
    /// [`groups`](Command::groups) are not set. See setuid(2).
    pub fn uid(&mut self, id: u32) -> &mut Command {
        self.options.uid = Some(id);
        self
    }

    /// Sets the group id. See setgid(2).
    pub fn gid(&mut self, id: u32) -> &mut Command {
        self.options.gid = Some(id);
        self
    }

    /// Sets the supplementary groups. See setgroups(2).
    pub fn groups(&mut self, groups: &[u32]) -> &mut Command {
        self.options.groups = Some(groups.to_vec());
        self
    }

    /// Makes the process the leader of a new session and process group, without a terminal. See setsid(2).
    ///
    /// ```
    /// let child = childset::Command::new("true").setsid(true).spawn()?;
    /// child.wait()?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn setsid(&mut self, setsid: bool) -> &mut Command {
        self.options.session = setsid;
        self
    }

    /// Puts the process into a process group: 0 for a new one, which it leads. See setpgid(2).
    ///
    /// ```
    /// let child = childset::Command::new("sleep").arg("60").process_group(0).spawn()?;
    /// # const SIGTERM: i32 = 15;
    /// // Also reaches what the child has spawned (Linux 6.9).
    /// # if let Err(_) =
    /// child.signal_group(SIGTERM)
    /// # { child.kill()?; }
    /// # ; child.wait()?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn process_group(&mut self, group: i32) -> &mut Command {
        self.options.process_group = Some(group);
        self
    }

    /// Sets the file mode mask. See umask(2).
    pub fn umask(&mut self, mask: u32) -> &mut Command {
        self.options.umask = Some(mask);
        self
    }

    /// Changes the root directory; the working directory is then its `/`, unless it is set. See chroot(2).
    pub fn chroot<P: AsRef<Path>>(&mut self, directory: P) -> &mut Command {
        self.options.chroot = Some(directory.as_ref().to_owned());
        self
    }

    /// Sets a resource limit: one of `libc::RLIMIT_*`, with its soft and its hard limit. See setrlimit(2).
    ///
    /// ```
    /// let child = childset::Command::new("sh")
    ///     .args(["-c", "test $(ulimit -n) = 20"])
    ///     .rlimit(libc::RLIMIT_NOFILE as u32, 20, 20)
    ///     .spawn()?;
    /// assert!(child.wait()?.success());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn rlimit(&mut self, resource: u32, soft: u64, hard: u64) -> &mut Command {
        self.options.rlimits.retain(|&(known, _)| known != resource);
        self.options.rlimits.push((resource, libc::rlimit64 { rlim_cur: soft, rlim_max: hard }));
        self
    }

    /// Sets the nice value, from -20 (most favoured) to 19. See setpriority(2).
    pub fn nice(&mut self, nice: i32) -> &mut Command {
        self.options.nice = Some(nice);
        self
    }

    /// Sets the scheduling policy, one of `libc::SCHED_*`, and the static priority, which is 0 but for the
    /// real-time policies. See sched_setscheduler(2).
    pub fn scheduler(&mut self, policy: i32, priority: i32) -> &mut Command {
        self.options.scheduler = Some((policy, priority));
        self
    }

    /// Blocks the signals from the start, and no others; none is blocked unless set. See sigprocmask(2).
    pub fn signal_mask(&mut self, signals: &[i32]) -> &mut Command {
        let bit = |&signal: &i32| 1u64.checked_shl(signal.wrapping_sub(1) as u32).unwrap_or(0);
        self.options.signal_mask = signals.iter().map(bit).fold(0, |mask, bit| mask | bit);
        self
    }

    /// Resets ignored signals to their defaults, and no others; `SIGPIPE` alone unless set, as `std` does.
    ///
    /// Signals that this process handles have their defaults in the child in any case.
    pub fn default_signals(&mut self, signals: &[i32]) -> &mut Command {
        self.options.default_dispositions = signals.to_vec();
        self
    }

    /// Gives the child a descriptor, under this number. 0, 1 and 2 are its standard input, output and error.
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
            0..=2 => self.stdio[number as usize] = Some(Stdio::from(fd)),
            _ => {
                self.options.fds.retain(|&(known, _)| known != number);
                self.options.fds.push((number, Arc::new(fd)));
            }
        }
        self
    }

    /// Whether the child inherits all descriptors of this process that are not close-on-exec; false unless set.
    ///
    /// Without it the child gets 0, 1, 2 and those of [`fd`](Command::fd). Who needs more (a jobserver of make,
    /// `LISTEN_FDS`) is better served by `fd` with just those: inheriting copies the descriptor table, so that
    /// each spawn costs the more, the more descriptors are open, those of outstanding children included.
    pub fn inherit_fds(&mut self, inherit: bool) -> &mut Command {
        self.options.inherit_fds = inherit;
        self
    }

    /// Closes descriptors in the child, but for those that it is given by [`fd`](Command::fd) and its kin. For
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

    /// Forbids the process, for good, to gain privileges by `execve`. See prctl(2), `PR_SET_NO_NEW_PRIVS`.
    pub fn no_new_privs(&mut self, forbid: bool) -> &mut Command {
        self.options.no_new_privs = forbid;
        self
    }

    /// Makes the process in the cgroup whose directory in the cgroup v2 file system this is. See clone(2),
    /// `CLONE_INTO_CGROUP`.
    pub fn cgroup<F: Into<OwnedFd>>(&mut self, directory: F) -> &mut Command {
        self.options.cgroup = Some(Arc::new(directory.into()));
        self
    }

    /// Has the kernel send the process a signal when its parent dies. See prctl(2), `PR_SET_PDEATHSIG`.
    ///
    /// "Parent" is the **thread** that spawns it: when that thread ends, the signal comes, though this process
    /// lives on. Spawn from a thread that stays.
    pub fn parent_death_signal(&mut self, signal: i32) -> &mut Command {
        self.options.parent_death_signal = Some(signal);
        self
    }

    /// Has the process killed when this one ends, however it ends.
    ///
    /// Where the kernel can (Linux 7.1, `CLONE_PIDFD_AUTOKILL`), it kills the process when the last descriptor
    /// of it is closed: when this process has ended, but also when the [`Child`](crate::Child) is dropped. It
    /// then reaps it too, and there is a status but no resource use. Without privilege, that needs
    /// [`no_new_privs`](Command::no_new_privs). Elsewhere it is [`parent_death_signal`](Command::parent_death_signal)
    /// with `SIGKILL`, with its caveats: it comes at the end of the spawning thread, and a program that changes
    /// its user (set-user-ID) escapes it.
    pub fn kill_with_parent(&mut self, kill: bool) -> &mut Command {
        self.options.kill_with_parent = kill;
        self
    }

    /// Leaves it to the kernel to reap the process, if it can (Linux 7.1, `CLONE_AUTOREAP`): there is never a
    /// zombie, and a status but no resource use. Elsewhere a detached child is like any other, which is reaped
    /// after it was dropped.
    ///
    /// ```
    /// // Started and forgotten.
    /// drop(childset::Command::new("true").detach(true).spawn()?);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn detach(&mut self, detach: bool) -> &mut Command {
        self.options.detach = detach;
        self
    }
}
