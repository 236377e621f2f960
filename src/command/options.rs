use std::ffi::OsString;
use std::io;
use std::os::fd::{OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::{c_string, SpawnError};
use super::resource::Resource;
use crate::child::Unit;
use crate::pidfd::{Namespace, Signal};
use crate::sys::plan::{Life, Memory, Step};
use crate::watch::cgroup::Cgroup;

/// What Linux offers beyond program, arguments, environment and the three standard descriptors.
#[derive(Clone, Default)]
pub(super) struct Options {
    /// Instead of the `PATH` in the child's environment.
    pub(super) search_path: Option<OsString>,
    /// A file that the kernel cannot execute stays an error.
    pub(super) no_shell: bool,
    pub(super) session: bool,
    pub(super) controlling_terminal: Option<Arc<OwnedFd>>,
    pub(super) process_group: Option<i32>,
    pub(super) foreground: Option<Arc<OwnedFd>>,
    /// Soft and hard.
    pub(super) rlimits: Vec<(Resource, u64, u64)>,
    pub(super) nice: Option<i32>,
    pub(super) scheduler: Option<(i32, i32)>,
    pub(super) umask: Option<u32>,
    pub(super) chroot: Option<PathBuf>,
    pub(super) groups: Option<Vec<u32>>,
    pub(super) gid: Option<u32>,
    pub(super) uid: Option<u32>,
    /// Whose to join, and which.
    pub(super) namespaces: Option<(Arc<OwnedFd>, Vec<Namespace>)>,
    /// Instead of a path.
    pub(super) directory_fd: Option<Arc<OwnedFd>>,
    /// Instead of a path.
    pub(super) program_fd: Option<Arc<OwnedFd>>,
    pub(super) no_new_privs: bool,
    pub(super) parent_death_signal: Option<Signal>,
    pub(super) kill_with_parent: bool,
    pub(super) autoreap: bool,
    pub(super) default_dispositions: Vec<Signal>,
    pub(super) signal_mask: Vec<Signal>,
    /// As it was given.
    pub(super) cgroup: Option<Arc<Cgroup>>,
    pub(super) unit: Unit,
    pub(super) fds: Vec<(RawFd, Arc<OwnedFd>)>,
    pub(super) inherit_fds: bool,
    /// Ranges to close, both ends included, except what is installed in them.
    pub(super) close: Vec<(u32, u32)>,
}

impl Options {
    /// In the order in which they are taken: privileges are dropped only when they are no longer needed, and
    /// the directory is entered with those of the child, as `std` does it.
    pub(super) fn steps(&self, directory: Option<&Path>) -> io::Result<Vec<Step>> {
        let mut steps = Vec::new();
        if self.starts_session() {
            steps.push(Step::SetSid);
        }
        steps.extend(self.controlling_terminal.as_ref().map(|_| Step::ControllingTerminal));
        steps.extend(self.group().map(Step::SetPgid));
        steps.extend(self.foreground.as_ref().map(|_| Step::Foreground));
        steps.extend(self.rlimits.iter().map(|&(resource, soft, hard)| {
            Step::SetRlimit(resource.as_raw(), libc::rlimit64 { rlim_cur: soft, rlim_max: hard })
        }));
        steps.extend(self.nice.map(Step::SetNice));
        steps.extend(self.scheduler.map(|(policy, priority)| Step::SetScheduler(policy, priority)));
        steps.extend(self.umask.map(Step::Umask));
        if let Some((_, kinds)) = &self.namespaces {
            steps.push(Step::JoinNamespaces(flags(kinds)?));
        }
        if let Some(root) = &self.chroot {
            steps.push(Step::Chroot(c_string(root.as_os_str().as_bytes(), "the root directory")?));
        }
        // A process of another user must not keep the groups of this one.
        let groups = self.groups.clone().map(Step::SetGroups);
        steps.extend(groups.or(self.uid.map(Step::DropGroups)));
        steps.extend(self.gid.map(Step::SetGid));
        steps.extend(self.uid.map(Step::SetUid));
        match (directory, &self.chroot) {
            _ if self.directory_fd.is_some() => steps.push(Step::Fchdir),
            (Some(directory), _) => {
                let directory = c_string(directory.as_os_str().as_bytes(), "the working directory")?;
                steps.push(Step::Chdir(directory));
            }
            (None, Some(_)) => steps.push(Step::Chdir(c_string(b"/", "the root directory")?)),
            (None, None) => {}
        }
        if self.no_new_privs {
            steps.push(Step::NoNewPrivs);
        }
        // Those that cannot be changed are at their defaults already.
        let dispositions = self.default_dispositions.iter();
        let dispositions = dispositions.filter(|&&signal| signal != Signal::KILL && signal != Signal::STOP);
        steps.extend(dispositions.map(|signal| Step::DefaultDisposition(signal.as_raw())));
        steps.push(Step::SignalMask(mask(&self.signal_mask)?));
        Ok(steps)
    }

    /// A terminal can only become that of a session which the child leads.
    pub(super) fn starts_session(&self) -> bool {
        self.session || self.controlling_terminal.is_some() || self.unit == Unit::Session
    }

    /// The group that it is to join, or 0 for one of its own.
    fn group(&self) -> Option<i32> {
        // The leader of a session leads a group.
        let own = self.unit == Unit::ProcessGroup && !self.starts_session();
        self.process_group.or(own.then_some(0))
    }

    pub(super) fn leads_group(&self) -> bool {
        self.starts_session() || self.group() == Some(0)
    }

    /// The cgroup to make a child in.
    #[inline]
    pub(super) fn cgroup_of_child(&self) -> io::Result<Option<Arc<Cgroup>>> {
        match &self.cgroup {
            None if self.unit != Unit::Cgroup => Ok(None),
            None => Options::new_cgroup().map(Some),
            given => Ok(given.clone()),
        }
    }

    #[cold]
    fn new_cgroup() -> io::Result<Arc<Cgroup>> {
        let made = Cgroup::create().map_err(|error| match error.raw_os_error() {
            Some(errno) => SpawnError::new("make a cgroup (mkdir)", errno).into(),
            None => error,
        });
        Ok(Arc::new(made?))
    }

    /// Whether the caller gave descriptors, which others may wait for the end of.
    pub(super) fn has_descriptors(&self) -> bool {
        !self.fds.is_empty() || self.has_needs()
    }

    /// Whether it gave some that the child uses itself.
    #[inline]
    pub(super) fn has_needs(&self) -> bool {
        self.controlling_terminal.is_some()
            || self.foreground.is_some()
            || self.namespaces.is_some()
            || self.directory_fd.is_some()
            || self.program_fd.is_some()
    }

    /// The signal to ask for at the parent's death.
    pub(super) fn parent_death(&self) -> Option<i32> {
        let killed = self.kill_with_parent.then_some(Signal::KILL);
        killed.or(self.parent_death_signal).map(Signal::as_raw)
    }

    pub(super) fn life(&self) -> Life {
        match (self.kill_with_parent, self.autoreap) {
            (true, _) => Life::Autokill { no_new_privs: self.no_new_privs },
            (false, true) => Life::Autoreap,
            (false, false) => Life::Child,
        }
    }

    /// Whether the child is to have something of its own under this number.
    pub(super) fn is_wanted(&self, number: RawFd) -> bool {
        number <= 2 || self.fds.iter().any(|&(wanted, _)| wanted == number)
    }

    /// On what memory the child may run.
    ///
    /// One that changes its user makes the memory undumpable, and its new user may stop it there for as long as he
    /// likes. One in a cgroup that was given may be killed for want of memory with all of its cgroup (`memory.oom.group`),
    /// and then the kernel kills all who share its memory. One that was made for it lies below ours and has no limit: what
    /// is killed around it was around us, too. One that joins namespaces must be alone on its memory to join that of the
    /// clocks, and makes it undumpable by joining that of the users.
    pub(super) fn memory(&self) -> Memory {
        let identity = self.uid.is_some() || self.gid.is_some() || self.namespaces.is_some();
        match identity || self.cgroup.is_some() {
            true => Memory::Copied,
            false => Memory::Shared,
        }
    }
}

/// As setns(2) has them.
fn flags(kinds: &[Namespace]) -> io::Result<i32> {
    kinds.iter().try_fold(0, |flags, kind| match kind.flag() {
        Some(flag) => Ok(flags | flag),
        None => Err(SpawnError::new(format!("join a {kind} namespace (setns)"), libc::EINVAL).into()),
    })
}

/// One bit a signal, the first for signal 1.
fn mask(signals: &[Signal]) -> io::Result<u64> {
    signals.iter().try_fold(0, |mask, signal| match signal.as_raw() {
        number @ 1..=64 => Ok(mask | 1 << (number - 1)),
        _ => Err(SpawnError::new(format!("block {signal}"), libc::EINVAL).into()),
    })
}
