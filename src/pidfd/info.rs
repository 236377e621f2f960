use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use super::core_dump::CoreDump;
use super::stat::check_proc;
use super::unsupported;
use crate::sys::info::{self, LaterInfo, RawInfo};

/// What the kernel reports about a process, at the moment of [`Pidfd::info`](crate::Pidfd::info).
///
/// ```no_run
/// # let pidfd = childset::Pidfd::open(1)?;
/// let info = pidfd.info()?;
/// println!("{:?}, child of {:?}, user {:?}", info.pid(), info.parent(), info.real_uid());
/// # std::io::Result::Ok(())
/// ```
///
/// A field is `None` where the kernel did not fill it in. After the reaping, only the exit, the cgroup and the core
/// dump are left.
///
/// | field | Linux |
/// |---|---|
/// | pid, thread, parent, credentials, cgroup | 6.13 |
/// | exit status | 6.15 |
/// | core dump: [`CoreDump`] | 6.16 |
/// | core dump: signal; supported fields | 6.19 |
/// | core dump: code | 7.1 |
///
/// Two are equal if all their fields are. `Debug` prints what is known of the process. See ioctl_pidfd(2), `PIDFD_GET_INFO`.
#[derive(Clone, Copy)]
pub struct Info(RawInfo, LaterInfo);

impl Info {
    pub(crate) fn of(pidfd: BorrowedFd<'_>) -> io::Result<Info> {
        match info::get_all(pidfd) {
            Ok((raw, later)) => Ok(Info(raw, later)),
            Err(error) if is_unknown_ioctl(&error) => {
                Err(unsupported("PIDFD_GET_INFO needs Linux 6.13, or a filter refuses it"))
            }
            Err(error) => Err(error),
        }
    }

    /// The pid, as the pid namespace of this process numbers it. `None` also if the process lies outside of it.
    pub fn pid(&self) -> Option<u32> {
        self.field(info::PID, self.0.tgid).and_then(known)
    }

    /// The thread, if the descriptor refers to one (`PIDFD_THREAD`). Otherwise it is the pid.
    pub fn thread(&self) -> Option<u32> {
        self.field(info::PID, self.0.pid).and_then(known)
    }

    /// The parent's pid. `None` also if the parent lies outside the pid namespace of this process.
    pub fn parent(&self) -> Option<u32> {
        self.field(info::PID, self.0.ppid).and_then(known)
    }

    /// The real user id.
    pub fn real_uid(&self) -> Option<u32> {
        self.field(info::CREDS, self.0.ruid)
    }

    /// The real group id.
    pub fn real_gid(&self) -> Option<u32> {
        self.field(info::CREDS, self.0.rgid)
    }

    /// The effective user id.
    pub fn effective_uid(&self) -> Option<u32> {
        self.field(info::CREDS, self.0.euid)
    }

    /// The effective group id.
    pub fn effective_gid(&self) -> Option<u32> {
        self.field(info::CREDS, self.0.egid)
    }

    /// The saved user id.
    pub fn saved_uid(&self) -> Option<u32> {
        self.field(info::CREDS, self.0.suid)
    }

    /// The saved group id.
    pub fn saved_gid(&self) -> Option<u32> {
        self.field(info::CREDS, self.0.sgid)
    }

    /// The user id for access to files.
    pub fn fs_uid(&self) -> Option<u32> {
        self.field(info::CREDS, self.0.fsuid)
    }

    /// The group id for access to files.
    pub fn fs_gid(&self) -> Option<u32> {
        self.field(info::CREDS, self.0.fsgid)
    }

    /// The id of the cgroup: the inode number of its directory in the cgroup v2 file system.
    pub fn cgroup_id(&self) -> Option<u64> {
        self.field(info::CGROUP, self.0.cgroup)
    }

    /// How the process ended, once it was reaped. A zombie has no exit status here. Needs Linux 6.15.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        self.field(info::EXIT, ExitStatus::from_raw(self.0.exit_code))
    }

    /// Whether a core dump of the process is made, or was made. Needs Linux 6.16.
    ///
    /// `None` also for a process that has ended without one.
    pub fn core_dump(&self) -> Option<CoreDump> {
        CoreDump::of(self.0.mask, &self.1)
    }

    /// The fields that this kernel knows: the `PIDFD_INFO_*` bits of `<linux/pidfd.h>`. Needs Linux 6.19.
    pub fn supported_mask(&self) -> Option<u64> {
        self.field(info::SUPPORTED, self.1.supported(self.0.mask))
    }

    fn numbers(&self) -> [(&'static str, Option<u32>); 11] {
        [
            ("pid", self.pid()),
            ("thread", self.thread()),
            ("parent", self.parent()),
            ("real_uid", self.real_uid()),
            ("real_gid", self.real_gid()),
            ("effective_uid", self.effective_uid()),
            ("effective_gid", self.effective_gid()),
            ("saved_uid", self.saved_uid()),
            ("saved_gid", self.saved_gid()),
            ("fs_uid", self.fs_uid()),
            ("fs_gid", self.fs_gid()),
        ]
    }

    fn field<F>(&self, bit: u64, value: F) -> Option<F> {
        (self.0.mask & bit != 0).then_some(value)
    }
}

impl PartialEq for Info {
    fn eq(&self, other: &Info) -> bool {
        let rest =
            |info: &Info| (info.cgroup_id(), info.exit_status(), info.core_dump(), info.supported_mask());
        self.numbers() == other.numbers() && rest(self) == rest(other)
    }
}

impl Eq for Info {}

impl fmt::Debug for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Info");
        for (name, number) in self.numbers() {
            if let Some(number) = number {
                out.field(name, &number);
            }
        }
        if let Some(cgroup_id) = self.cgroup_id() {
            out.field("cgroup_id", &cgroup_id);
        }
        if let Some(status) = self.exit_status() {
            out.field("exit_status", &format_args!("{status}"));
        }
        if let Some(core_dump) = self.core_dump() {
            out.field("core_dump", &core_dump);
        }
        out.finish()
    }
}

/// The pid behind a pidfd, `None` if it lies outside this process's pid namespace: from the kernel or, before Linux
/// 6.13, from `/proc`.
pub(super) fn pid(pidfd: BorrowedFd<'_>) -> io::Result<Option<u32>> {
    match info::get(pidfd, info::PID) {
        Ok(raw) => Ok(known(raw.tgid)),
        Err(error) if is_unknown_ioctl(&error) => {
            let path = format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd());
            match check_proc().and_then(|()| std::fs::read_to_string(path)) {
                // Not mounted, or with other numbers; or not ours to read, since we have changed our user.
                Err(error) if matches!(error.raw_os_error(), None | Some(libc::ENOENT | libc::EACCES)) => {
                    let what =
                        "the pid behind a pidfd needs Linux 6.13, or a readable /proc of this pid namespace";
                    Err(unsupported(what))
                }
                text => pid_in_fdinfo(&text?),
            }
        }
        Err(error) => Err(error),
    }
}

/// 0 stands for a process that has no number here.
fn known(pid: u32) -> Option<u32> {
    (pid != 0).then_some(pid)
}

/// Whether the kernel answers for this process: it does from Linux 6.13 on, until the process is reaped and,
/// from 6.15 on, after that too.
pub(crate) fn tells_exits(pidfd: BorrowedFd<'_>) -> bool {
    info::get(pidfd, info::EXIT).is_ok()
}

/// Finds the `Pid:` line: -1 stands for a process that was reaped.
fn pid_in_fdinfo(text: &str) -> io::Result<Option<u32>> {
    let pid = text.lines().find_map(|line| line.strip_prefix("Pid:"));
    match pid.and_then(|pid| pid.trim().parse::<i32>().ok()) {
        Some(-1) => Err(io::Error::from_raw_os_error(libc::ESRCH)),
        Some(pid) => Ok(known(pid as u32)),
        None => Err(io::Error::from_raw_os_error(libc::EBADF)),
    }
}

/// Before 6.13 the ioctl is not known (`ENOTTY`, `EINVAL`); a filter may refuse it.
fn is_unknown_ioctl(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOTTY | libc::EINVAL | libc::ENOSYS | libc::EPERM))
}

#[cfg(test)]
mod tests {
    use super::pid_in_fdinfo;

    #[test]
    fn fdinfo_of_each_kind_of_process() {
        let of =
            |pid| format!("pos:\t0\nflags:\t02000002\nmnt_id:\t15\nino:\t2\nPid:\t{pid}\nNSpid:\t{pid}\n");
        assert_eq!(pid_in_fdinfo(&of("4711")).unwrap(), Some(4711));
        assert_eq!(pid_in_fdinfo(&of("0")).unwrap(), None);
        assert_eq!(pid_in_fdinfo(&of("-1")).unwrap_err().raw_os_error(), Some(libc::ESRCH));
        assert_eq!(pid_in_fdinfo("pos:\t0\n").unwrap_err().raw_os_error(), Some(libc::EBADF));
    }
}
