//! The namespaces of a process.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;

use super::gone::Gone;
use super::{unsupported, Pidfd};
use crate::sys::low::above_stdio;
use crate::sys::namespace;

/// A kind of namespace. See namespaces(7).
///
/// ```
/// use childset::{Namespace, Pidfd};
/// use std::io::ErrorKind;
///
/// match Pidfd::open(std::process::id())?.namespace(Namespace::Net) {
///     Ok(descriptor) => println!("{descriptor:?}"),
///     Err(error) => assert_eq!(error.kind(), ErrorKind::Unsupported),
/// }
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Namespace {
    /// The root of the cgroups that it sees.
    Cgroup,
    /// System V IPC, and POSIX message queues.
    Ipc,
    /// Mounts.
    Mount,
    /// Devices, addresses and ports of the network.
    Net,
    /// The one in which the process has its pid.
    Pid,
    /// The one in which its children will have theirs.
    PidForChildren,
    /// The clocks that count from the start of the machine.
    Time,
    /// As [`Time`](Namespace::Time), for its children.
    TimeForChildren,
    /// Users, groups and capabilities.
    User,
    /// The names of host and domain.
    Uts,
}

impl Namespace {
    /// The number of the call that opens it: `PIDFD_GET_*_NAMESPACE`.
    fn number(self) -> u8 {
        match self {
            Namespace::Cgroup => 1,
            Namespace::Ipc => 2,
            Namespace::Mount => 3,
            Namespace::Net => 4,
            Namespace::Pid => 5,
            Namespace::PidForChildren => 6,
            Namespace::Time => 7,
            Namespace::TimeForChildren => 8,
            Namespace::User => 9,
            Namespace::Uts => 10,
        }
    }

    /// The `CLONE_NEW…` by which setns(2) names it. `None` for those that a process only has for its children.
    #[cfg(feature = "command")]
    pub(crate) fn flag(self) -> Option<i32> {
        match self {
            Namespace::Cgroup => Some(libc::CLONE_NEWCGROUP),
            Namespace::Ipc => Some(libc::CLONE_NEWIPC),
            Namespace::Mount => Some(libc::CLONE_NEWNS),
            Namespace::Net => Some(libc::CLONE_NEWNET),
            Namespace::Pid => Some(libc::CLONE_NEWPID),
            Namespace::Time => Some(libc::CLONE_NEWTIME),
            Namespace::User => Some(libc::CLONE_NEWUSER),
            Namespace::Uts => Some(libc::CLONE_NEWUTS),
            Namespace::PidForChildren | Namespace::TimeForChildren => None,
        }
    }

    /// Those that are named by these flags, in the order in which the kernel joins them.
    #[cfg(feature = "command")]
    pub(crate) fn of_flags(flags: i32) -> impl Iterator<Item = Namespace> {
        use Namespace::*;
        let all = [User, Mount, Uts, Ipc, Pid, Cgroup, Net, Time];
        all.into_iter().filter(move |kind| kind.flag().is_some_and(|flag| flags & flag != 0))
    }
}

/// Its name in `/proc/<pid>/ns`: `net`, `pid_for_children`.
impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Namespace::Cgroup => "cgroup",
            Namespace::Ipc => "ipc",
            Namespace::Mount => "mnt",
            Namespace::Net => "net",
            Namespace::Pid => "pid",
            Namespace::PidForChildren => "pid_for_children",
            Namespace::Time => "time",
            Namespace::TimeForChildren => "time_for_children",
            Namespace::User => "user",
            Namespace::Uts => "uts",
        })
    }
}

impl Pidfd {
    /// Opens a namespace of the process, as a file of `/proc/<pid>/ns`, without `/proc`. See ioctl_pidfd(2),
    /// `PIDFD_GET_NET_NAMESPACE` and the like.
    ///
    /// ```
    /// # use childset::{Namespace, Pidfd};
    /// # use std::os::unix::fs::MetadataExt;
    /// let me = Pidfd::open(std::process::id())?;
    /// if let Ok(namespace) = me.namespace(Namespace::Uts) {
    ///     // The inode number is that of the namespace.
    ///     let inode = std::fs::File::from(namespace).metadata()?.ino();
    ///     assert_eq!(inode, std::fs::metadata("/proc/self/ns/uts")?.ino());
    /// }
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// Needs Linux 6.11, and the right to inspect the process: ptrace(2), `PTRACE_MODE_READ_FSCREDS`.
    /// `Command::join_namespaces_of` starts a child in them without either.
    ///
    /// # Errors
    /// - [`Gone`]: the process has ended (`ESRCH`).
    /// - `EPERM`, `EACCES`: it may not be inspected.
    /// - [`Unsupported`](io::ErrorKind::Unsupported): the kernel is older than 6.11, or the descriptor is no pidfd
    ///   (`ENOTTY`); or the kernel was built without this kind (`EOPNOTSUPP`).
    /// - `EMFILE`: out of descriptors.
    #[doc(alias = "PIDFD_GET_CGROUP_NAMESPACE")]
    #[doc(alias = "PIDFD_GET_IPC_NAMESPACE")]
    #[doc(alias = "PIDFD_GET_MNT_NAMESPACE")]
    #[doc(alias = "PIDFD_GET_NET_NAMESPACE")]
    #[doc(alias = "PIDFD_GET_PID_NAMESPACE")]
    #[doc(alias = "PIDFD_GET_TIME_NAMESPACE")]
    #[doc(alias = "PIDFD_GET_USER_NAMESPACE")]
    #[doc(alias = "PIDFD_GET_UTS_NAMESPACE")]
    pub fn namespace(&self, kind: Namespace) -> io::Result<OwnedFd> {
        let opened = namespace::open(self.fd(), kind.number());
        above_stdio(opened.map_err(|error| match error.raw_os_error() {
            Some(libc::ENOTTY) => {
                unsupported("namespaces by a pidfd need Linux 6.11, or it is no pidfd (ENOTTY)")
            }
            Some(libc::EOPNOTSUPP) => {
                unsupported("the kernel was built without this kind of namespace (EOPNOTSUPP)")
            }
            _ => Gone::explain(error),
        })?)
    }
}
