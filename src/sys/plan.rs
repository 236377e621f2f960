//! What a child is to do between its birth and `execve`, as data; [`clone`](super::clone) has the code.

use std::ffi::CString;
use std::os::fd::{BorrowedFd, RawFd};

use super::strings::CStrings;

/// What the child is to do. The order of its steps is the order of the fields.
pub(crate) struct Plan<'a> {
    pub(crate) life: Life,
    /// The cgroup in which to make the child.
    pub(crate) cgroup: Option<BorrowedFd<'a>>,
    /// Share the descriptor table, and leave it for a copy of the descriptors below this one.
    pub(crate) first_unneeded: Option<u32>,
    pub(crate) stdio: [Source<'a>; 3],
    /// Descriptors to install: number, and source. No source has a number that is to be installed.
    pub(crate) fds: &'a [(RawFd, BorrowedFd<'a>)],
    /// Ranges of descriptors to close, both ends included.
    pub(crate) close: &'a [(u32, u32)],
    /// Close them one by one, without `close_range`: those that `/proc/self/fd` lists.
    pub(crate) close_singly: bool,
    pub(crate) steps: &'a [Step],
    /// Paths to try, as execvp(3) does, and the index of the one to try first.
    pub(crate) programs: &'a CStrings,
    pub(crate) likely: usize,
    pub(crate) argv: &'a CStrings,
    pub(crate) envp: &'a CStrings,
}

/// Who reaps the child, and who ends it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Life {
    /// Its parent reaps it.
    Child,
    /// The kernel does (Linux 7.1).
    Autoreap,
    /// The kernel reaps it, and kills it when the last descriptor of it is closed (Linux 7.1). Without privilege,
    /// that is allowed only for a child that can gain none either.
    Autokill { no_new_privs: bool },
}

/// Where one of the child's three standard descriptors comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source<'a> {
    Inherit,
    /// `/dev/null`, opened by the child.
    Null,
    /// A descriptor above 2.
    Fd(BorrowedFd<'a>),
}

/// One thing to do before `execve`.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    SetSid,
    SetPgid(i32),
    SetRlimit(u32, libc::rlimit64),
    SetNice(i32),
    SetScheduler(i32, i32),
    Umask(u32),
    Chroot(CString),
    SetGroups(Vec<u32>),
    SetGid(u32),
    SetUid(u32),
    Chdir(CString),
    NoNewPrivs,
    /// The signal, and the pid of the parent: if it is another's by now, the signal is sent at once.
    ParentDeathSignal(i32, i32),
    DefaultDisposition(i32),
    SignalMask(u64),
}

/// Where a spawn failed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Stage {
    /// `clone3` itself: there was no child.
    Clone,
    /// Leaving the shared descriptor table; nothing was done to it.
    Unshare,
    Stdio(usize),
    Fd(RawFd),
    CloseFds,
    /// The step with this index.
    Step(usize),
    /// The last program that was tried.
    Exec(usize),
}

/// A failed spawn. No process is left of it.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) stage: Stage,
    pub(crate) errno: i32,
}
