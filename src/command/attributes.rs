use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

#[cfg(doc)]
use super::unix::CommandExt;
use super::{Command, Resource};
use crate::pidfd::Signal;
use crate::watch::cgroup::Cgroup;

/// What the process is to be: its user, group, limits, signals.
///
/// The order in which these are done does not depend on that of the calls: session and process group, limits,
/// priority, file mode mask, namespaces, root directory, groups, group, user, working directory, `no_new_privs`, signal
/// dispositions, parent death signal, signal mask. A closure of [`pre_exec`](CommandExt::pre_exec) comes last.
impl Command {
    /// Sets the supplementary groups: see [`uid`](CommandExt::uid) and setgroups(2).
    pub fn groups(&mut self, groups: &[u32]) -> &mut Command {
        self.options.groups = Some(groups.to_vec());
        self
    }

    /// Makes the process the leader of a new session and process group, without a terminal. See setsid(2).
    ///
    /// Together with a [`process_group`](Command::process_group), spawning fails with `EPERM`.
    ///
    /// ```
    /// # use childset::{Command, Stdio};
    /// # use rustix::process::{getsid, Pid};
    /// let child = Command::new("cat").stdin(Stdio::piped()).setsid(true).spawn()?;
    /// let pid = Pid::from_raw(child.id() as i32);
    /// assert_eq!(Some(getsid(pid)?), pid);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn setsid(&mut self, setsid: bool) -> &mut Command {
        self.options.session = setsid;
        self
    }

    /// Puts the process into a process group: 0 for a new one, which it leads. See setpgid(2).
    ///
    /// ```
    /// # use childset::{Command, Signal};
    /// let leader = Command::new("sleep").arg("60").process_group(0).spawn()?;
    /// let member = Command::new("sleep").arg("60").process_group(leader.id() as i32).spawn()?;
    /// leader.send_signal_to_group(Signal::TERM)?;
    /// assert_eq!(leader.wait()?.signal(), Some(Signal::TERM));
    /// assert_eq!(member.wait()?.signal(), Some(Signal::TERM));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn process_group(&mut self, group: i32) -> &mut Command {
        self.options.process_group = Some(group);
        self
    }

    /// Sets the file mode mask. See umask(2).
    ///
    /// ```
    /// # use childset::{Command, Stdio};
    /// let mut command = Command::new("sh");
    /// command.args(["-c", "umask"]).umask(0o027).stdout(Stdio::piped());
    /// assert_eq!(command.spawn()?.wait_with_output()?.stdout, b"0027\n");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn umask(&mut self, mask: u32) -> &mut Command {
        self.options.umask = Some(mask);
        self
    }

    /// Changes the root directory; the working directory is then its `/`, unless it is set. See chroot(2).
    ///
    /// The program is looked up below the new root.
    ///
    /// ```
    /// # use childset::Command;
    /// # use std::io::ErrorKind;
    /// let empty = tempfile::tempdir()?;
    /// match Command::new("sh").chroot(empty.path()).spawn().unwrap_err().kind() {
    ///     ErrorKind::NotFound => println!("there is no shell"),
    ///     kind => assert_eq!(kind, ErrorKind::PermissionDenied, "only root may"),
    /// }
    /// # std::io::Result::Ok(())
    /// ```
    pub fn chroot<P: AsRef<Path>>(&mut self, directory: P) -> &mut Command {
        self.options.chroot = Some(directory.as_ref().to_owned());
        self
    }

    /// Sets the soft and the hard limit of a resource; `u64::MAX` is no limit. See setrlimit(2).
    ///
    /// ```
    /// # use childset::{Command, Resource};
    /// let mut command = Command::new("sh");
    /// command.args(["-c", "test $(ulimit -n) = 20"]).rlimit(Resource::NOFILE, 20, 20);
    /// assert!(command.spawn()?.wait()?.success());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn rlimit(&mut self, resource: impl Into<Resource>, soft: u64, hard: u64) -> &mut Command {
        let resource = resource.into();
        self.options.rlimits.retain(|&(known, ..)| known != resource);
        self.options.rlimits.push((resource, soft, hard));
        self
    }

    /// Sets the nice value, from -20 (most favoured) to 19. For a number outside, the nearest of these is taken. See
    /// setpriority(2).
    ///
    /// ```
    /// # use childset::{Command, Stdio};
    /// let child = Command::new("nice").nice(19).stdout(Stdio::piped()).spawn()?;
    /// assert_eq!(child.wait_with_output()?.stdout, b"19\n");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn nice(&mut self, nice: i32) -> &mut Command {
        self.options.nice = Some(nice);
        self
    }

    /// Sets the scheduling policy, one of `libc::SCHED_*`, and the static priority, which is 0 except for the real-time
    /// policies. See sched_setscheduler(2).
    ///
    /// ```
    /// # use childset::{Command, Stdio};
    /// // The 41st field is the policy.
    /// let mut command = Command::new("cut");
    /// command.args(["-d ", "-f41", "/proc/self/stat"]).scheduler(libc::SCHED_BATCH, 0);
    /// let output = command.stdout(Stdio::piped()).spawn()?.wait_with_output()?;
    /// assert_eq!(output.stdout, format!("{}\n", libc::SCHED_BATCH).into_bytes());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn scheduler(&mut self, policy: i32, priority: i32) -> &mut Command {
        self.options.scheduler = Some((policy, priority));
        self
    }

    /// Blocks the signals from the start, and no others; none is blocked unless set. See sigprocmask(2).
    ///
    /// A number that is no signal fails the spawn with `EINVAL`.
    ///
    /// ```
    /// # use childset::{Command, Signal, Stdio};
    /// let mut command = Command::new("grep");
    /// command.args(["SigBlk", "/proc/self/status"]).signal_mask(&[Signal::INT]);
    /// let output = command.stdout(Stdio::piped()).spawn()?.wait_with_output()?;
    /// assert_eq!(output.stdout, b"SigBlk:\t0000000000000002\n");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn signal_mask(&mut self, signals: &[Signal]) -> &mut Command {
        self.options.signal_mask = signals.to_vec();
        self
    }

    /// Resets ignored signals to their defaults, and no others; `SIGPIPE` alone unless set, as `std` does.
    ///
    /// Signals that this process handles have their defaults in the child in any case.
    ///
    /// ```
    /// # use childset::{Command, Signal};
    /// // A program in Rust ignores SIGPIPE.
    /// let mut command = Command::new("sh");
    /// command.args(["-c", "kill -PIPE $$; exit 3"]);
    /// assert_eq!(command.spawn()?.wait()?.signal(), Some(Signal::PIPE));
    /// assert_eq!(command.default_signals(&[]).spawn()?.wait()?.code(), Some(3));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn default_signals(&mut self, signals: &[Signal]) -> &mut Command {
        self.options.default_dispositions = signals.to_vec();
        self
    }

    /// Forbids the process, for good, to gain privileges by `execve`. See prctl(2), `PR_SET_NO_NEW_PRIVS`.
    ///
    /// ```
    /// # use childset::Command;
    /// let mut command = Command::new("grep");
    /// command.args(["-q", "NoNewPrivs:\t1", "/proc/self/status"]).no_new_privs(true);
    /// assert!(command.spawn()?.wait()?.success());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn no_new_privs(&mut self, forbid: bool) -> &mut Command {
        self.options.no_new_privs = forbid;
        self
    }

    /// Makes the process in the cgroup whose directory in the cgroup v2 file system this is. See clone(2),
    /// `CLONE_INTO_CGROUP`.
    ///
    /// Spawning fails with `EBADF` if it is no such directory, and with `EACCES` if it may not be written.
    ///
    /// [`Unit::Cgroup`](crate::Unit::Cgroup) makes it the child's [`unit`](Command::unit). With or without that,
    /// [`Child::kill_tree`](crate::Child::kill_tree) kills everything in it.
    ///
    /// ```
    /// # use childset::{Command, Stdio};
    /// # use std::fs::{create_dir, remove_dir, File};
    /// # let name = format!("childset-{}", std::process::id());
    /// # let path = std::path::Path::new("/sys/fs/cgroup").join(&name);
    /// # if create_dir(&path).is_err() { return Ok(()); } // Not root, or read-only.
    /// # if !path.join("cgroup.procs").exists() { return remove_dir(path); } // No cgroup v2.
    /// let mut command = Command::new("cat");
    /// command.arg("/proc/self/cgroup").cgroup(File::open(&path)?).stdout(Stdio::piped());
    /// let output = command.spawn()?.wait_with_output()?;
    /// # remove_dir(path)?;
    /// assert!(String::from_utf8_lossy(&output.stdout).ends_with(&format!("/{name}\n")));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn cgroup<F: Into<OwnedFd>>(&mut self, directory: F) -> &mut Command {
        self.options.cgroup = Some(Arc::new(Cgroup::given(directory.into())));
        self
    }
}
