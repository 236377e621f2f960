use std::ffi::OsString;
use std::io;
use std::os::fd::{OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::{c_string, SpawnError};
use crate::sys::plan::{Life, Step};

/// What Linux offers beyond program, arguments, environment and the three standard descriptors.
#[derive(Clone, Debug, Default)]
pub(super) struct Options {
    /// Instead of the `PATH` in the child's environment.
    pub(super) search_path: Option<OsString>,
    /// A file that the kernel cannot execute stays an error.
    pub(super) no_shell: bool,
    pub(super) session: bool,
    pub(super) process_group: Option<i32>,
    pub(super) rlimits: Vec<(u32, libc::rlimit64)>,
    pub(super) nice: Option<i32>,
    pub(super) scheduler: Option<(i32, i32)>,
    pub(super) umask: Option<u32>,
    pub(super) chroot: Option<PathBuf>,
    pub(super) groups: Option<Vec<u32>>,
    pub(super) gid: Option<u32>,
    pub(super) uid: Option<u32>,
    pub(super) no_new_privs: bool,
    pub(super) parent_death_signal: Option<i32>,
    pub(super) kill_with_parent: bool,
    pub(super) autoreap: bool,
    pub(super) default_dispositions: Vec<i32>,
    pub(super) signal_mask: Vec<i32>,
    pub(super) cgroup: Option<Arc<OwnedFd>>,
    pub(super) fds: Vec<(RawFd, Arc<OwnedFd>)>,
    pub(super) inherit_fds: bool,
    /// Ranges to close, both ends included, but for what is installed in them.
    pub(super) close: Vec<(u32, u32)>,
}

impl Options {
    /// In the order in which they are taken: privileges are dropped only when they are no longer needed, and
    /// the directory is entered with those of the child, as `std` does it.
    pub(super) fn steps(&self, directory: Option<&Path>) -> io::Result<Vec<Step>> {
        let mut steps = Vec::new();
        if self.session {
            steps.push(Step::SetSid);
        }
        steps.extend(self.process_group.map(Step::SetPgid));
        steps.extend(self.rlimits.iter().map(|&(resource, limit)| Step::SetRlimit(resource, limit)));
        steps.extend(self.nice.map(Step::SetNice));
        steps.extend(self.scheduler.map(|(policy, priority)| Step::SetScheduler(policy, priority)));
        steps.extend(self.umask.map(Step::Umask));
        if let Some(root) = &self.chroot {
            steps.push(Step::Chroot(c_string(root.as_os_str().as_bytes(), "the root directory")?));
        }
        // A process that gives up root must not keep root's groups.
        let drops_root = self.uid.is_some() && rustix::process::geteuid().is_root();
        let groups = self.groups.clone().or(drops_root.then(Vec::new));
        steps.extend(groups.map(Step::SetGroups));
        steps.extend(self.gid.map(Step::SetGid));
        steps.extend(self.uid.map(Step::SetUid));
        match (directory, &self.chroot) {
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
        steps.extend(self.default_dispositions.iter().map(|&signal| Step::DefaultDisposition(signal)));
        steps.push(Step::SignalMask(mask(&self.signal_mask)?));
        // Last, since it is left out where the kernel does better.
        let killed = self.kill_with_parent.then_some(libc::SIGKILL);
        if let Some(signal) = killed.or(self.parent_death_signal) {
            steps.push(Step::ParentDeathSignal(signal, std::process::id() as i32));
        }
        Ok(steps)
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

    /// Whether the credentials change on memory that is still ours, which makes the kernel mark it.
    pub(super) fn changes_user(&self) -> bool {
        self.uid.is_some() || self.gid.is_some()
    }
}

/// One bit a signal, the first for signal 1.
fn mask(signals: &[i32]) -> io::Result<u64> {
    signals.iter().try_fold(0, |mask, &signal| match signal {
        1..=64 => Ok(mask | 1 << (signal - 1)),
        _ => Err(SpawnError::new(format!("block signal {signal}"), libc::EINVAL).into()),
    })
}

/// What a step that failed was to do.
pub(super) fn describe(step: &Step) -> String {
    let path = |path: &std::ffi::CString| String::from_utf8_lossy(path.to_bytes()).into_owned();
    match step {
        Step::SetSid => "start a session (setsid)".into(),
        Step::SetPgid(group) => format!("join process group {group} (setpgid)"),
        Step::SetRlimit(resource, limit) => {
            format!("set resource limit {resource} to {} and {} (setrlimit)", limit.rlim_cur, limit.rlim_max)
        }
        Step::SetNice(nice) => format!("set the nice value to {nice} (setpriority)"),
        Step::SetScheduler(policy, priority) => {
            format!("set scheduling policy {policy} with priority {priority} (sched_setscheduler)")
        }
        Step::Umask(mask) => format!("set the file mode mask to {mask:o} (umask)"),
        Step::Chroot(root) => format!("make {:?} the root directory (chroot)", path(root)),
        Step::SetGroups(groups) => format!("set the supplementary groups to {groups:?} (setgroups)"),
        Step::SetGid(gid) => format!("set the group id to {gid} (setgid)"),
        Step::SetUid(uid) => format!("set the user id to {uid} (setuid)"),
        Step::Chdir(directory) => format!("enter the working directory {:?} (chdir)", path(directory)),
        Step::NoNewPrivs => "give up new privileges (PR_SET_NO_NEW_PRIVS)".into(),
        Step::ParentDeathSignal(signal, _) => {
            format!("ask for signal {signal} at the parent's death (PR_SET_PDEATHSIG)")
        }
        Step::DefaultDisposition(signal) => format!("reset signal {signal} to its default (sigaction)"),
        Step::SignalMask(_) => "set the signal mask (sigprocmask)".into(),
    }
}
