use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use super::Command;

/// What the process is to be: its user, group, limits, signals.
///
/// The order in which these are done does not depend on that of the calls: session and process group, limits,
/// priority, file mode mask, root directory, groups, group, user, working directory, `no_new_privs`, signal
/// dispositions and mask, parent death signal. All work with a spawn of flat cost, but for
/// [`pre_exec`](Command::pre_exec), which comes last.
impl Command {
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
}
