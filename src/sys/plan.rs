//! What a child is to do between its birth and `execve`, as data; [`child`](super::child) has the code.

use std::ffi::{c_char, CString};
use std::fmt;
use std::io;
use std::os::fd::{BorrowedFd, RawFd};
use std::sync::atomic::AtomicPtr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::held::Held;
use super::needs::{ByDescriptor, Needs};
use super::strings::CStrings;

/// What the child is to do. The order of its steps is the order of the fields.
#[derive(Clone, Copy)]
pub(crate) struct Plan<'a> {
    pub(crate) life: Life,
    pub(crate) memory: Memory,
    /// The cgroup in which to make the child.
    pub(crate) cgroup: Option<BorrowedFd<'a>>,
    /// Share the descriptor table, and leave it for a copy of the descriptors below this one.
    pub(crate) first_unneeded: Option<u32>,
    pub(crate) stdio: [Source<'a>; 3],
    /// Descriptors to install: number, and source. No source has a number that is to be installed.
    pub(crate) fds: &'a [(RawFd, Held)],
    /// What the child uses itself. None of them is in a range to close.
    pub(crate) needs: Option<&'a Needs>,
    /// Ranges of descriptors to close, both ends included.
    pub(crate) close: &'a [(u32, u32)],
    /// Close them one by one, without `close_range`: those that `/proc/self/fd` lists.
    pub(crate) close_singly: bool,
    /// The last one sets the signal mask.
    pub(crate) steps: &'a [Step],
    /// The signal to ask for at the parent's death.
    pub(crate) parent_death: Option<i32>,
    /// Signals that a child which was to be this one got already, one bit each.
    pub(crate) raise: u64,
    pub(crate) acts: &'a [PreExec],
    /// Paths to try, as execvp(3) does.
    pub(crate) programs: &'a CStrings,
    pub(crate) argv: &'a CStrings,
    pub(crate) environment: Environment<'a>,
    /// What the child does itself about a program that it cannot run: nobody waits for it, and makes another one.
    pub(crate) alone: Option<Alone<'a>>,
}

/// What a child does by itself where nobody waits for it.
#[derive(Clone, Copy)]
pub(crate) struct Alone<'a> {
    /// The arguments of `/bin/sh` for a script without an interpreter, and a null pointer at the end; the child puts the
    /// script in the second place. Nothing if the shell is not to be tried.
    pub(crate) shell: &'a [AtomicPtr<c_char>],
}

impl<'a> Plan<'a> {
    /// To run a program, and nothing else: on this process's memory, with a descriptor table of its own.
    #[inline]
    pub(crate) fn new(programs: &'a CStrings, argv: &'a CStrings, environment: Environment<'a>) -> Plan<'a> {
        Plan {
            life: Life::Child,
            memory: Memory::Shared,
            cgroup: None,
            first_unneeded: None,
            stdio: [Source::Inherit; 3],
            fds: &[],
            needs: None,
            close: &[],
            close_singly: false,
            steps: &[],
            parent_death: None,
            raise: 0,
            acts: &[],
            programs,
            argv,
            environment,
            alone: None,
        }
    }

    /// The program, if it is named by a descriptor.
    pub(super) fn by_descriptor(&self) -> Option<&'a ByDescriptor> {
        self.needs?.program.as_ref()
    }

    /// The pid of this process, if the child is to notice its death: only then is it worth a getpid(2).
    pub(super) fn noticed_parent(&self) -> Option<u32> {
        self.parent_death.map(|_| std::process::id())
    }

    /// What is left to do for a process that has done all of it, and could not `execve`.
    pub(crate) fn rest(&self) -> Plan<'_> {
        let undone = |step: &Step| matches!(step, Step::DefaultDisposition(_) | Step::SignalMask(_));
        let first = self.steps.iter().position(undone).unwrap_or(self.steps.len());
        Plan {
            stdio: [Source::Inherit; 3],
            fds: &[],
            steps: &self.steps[first..],
            parent_death: None,
            acts: &[],
            ..*self
        }
    }
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

impl Life {
    /// Whether the kernel kills it with us, so that it need not ask for a signal.
    pub(crate) fn ends_with_us(self) -> bool {
        matches!(self, Life::Autokill { .. })
    }
}

/// On what memory the child runs until its `execve`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Memory {
    /// Its parent's: at no cost. What the kernel does to all who share the memory of one, it does to the parent, too.
    Shared,
    /// A copy.
    Copied,
}

/// Where one of the child's three standard descriptors comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source<'a> {
    Inherit,
    /// `/dev/null`, opened by the child.
    Null,
    /// A descriptor above 2.
    Fd(&'a Held),
    /// There is none.
    Closed,
    /// The child's standard output, as it is by then: for its standard error.
    Stdout,
}

#[derive(Clone, Copy)]
pub(crate) enum Environment<'a> {
    Own(&'a CStrings),
    /// The one of this process, as it is when the child calls `execve`.
    Inherited,
}

/// One thing to do before `execve`.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    SetSid,
    /// To that of the plan's needs, as for the two others.
    ControllingTerminal,
    SetPgid(i32),
    Foreground,
    SetRlimit(u32, libc::rlimit64),
    SetNice(i32),
    SetScheduler(i32, i32),
    Umask(u32),
    /// Of the process among the plan's needs: `CLONE_NEW…`.
    JoinNamespaces(i32),
    Chroot(CString),
    SetGroups(Vec<u32>),
    /// No group of ours is left to the child if it is another user's: this one's.
    DropGroups(u32),
    SetGid(u32),
    SetUid(u32),
    Chdir(CString),
    Fchdir,
    NoNewPrivs,
    DefaultDisposition(i32),
    SignalMask(u64),
}

/// What a caller wants to run in the child.
#[derive(Clone)]
pub(crate) struct PreExec(pub(super) Arc<Mutex<Act>>);

pub(super) type Act = dyn FnMut() -> io::Result<()> + Send + Sync;

impl PreExec {
    /// # Safety
    /// After a fork, `act` does only what signal-safety(7) allows.
    pub(crate) unsafe fn new(act: impl FnMut() -> io::Result<()> + Send + Sync + 'static) -> PreExec {
        PreExec(Arc::new(Mutex::new(act)))
    }
}

impl fmt::Debug for PreExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PreExec(..)")
    }
}

/// How often a program that is open for writing (`ETXTBSY`) is tried again: another thread's child may hold
/// the descriptor by which it was written, until it calls `execve`. About a tenth of a second in all.
pub(crate) const BUSY_RETRIES: u32 = 8;

pub(crate) fn busy_wait(retry: u32) -> Duration {
    Duration::from_micros(500) * 2u32.pow(retry)
}

/// Where a spawn failed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Stage {
    /// The system call that makes a process: there was no child.
    Clone,
    /// Leaving the shared descriptor table; nothing was done to it.
    Unshare,
    Cgroup,
    Stdio(usize),
    Fd(RawFd),
    CloseFds,
    /// The step with this index.
    Step(usize),
    ParentDeath,
    /// One of `acts`.
    Act,
    /// A signal that dumps core came meanwhile: its bit stands in the place of the errno.
    Signal,
    /// The last program that was tried.
    Exec(usize),
    /// The last program that was tried, which the kernel does not know how to execute, and the shell may.
    Script(usize),
    /// `/bin/sh`, for a script.
    Shell,
}

/// A failed spawn. No process is left of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Failure {
    pub(crate) stage: Stage,
    pub(crate) errno: i32,
}
