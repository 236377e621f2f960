//! `clone3` on the parent's memory and descriptor table, up to `execve`.
//!
//! Between the two the child makes raw system calls alone: it allocates nothing, calls no library, and reads
//! what the parent has laid out in a [`Plan`]. The calling thread of the parent sleeps (`CLONE_VFORK`) until
//! the child has left the memory, so everything that the plan points to stays as it is.

use std::cell::UnsafeCell;
use std::ffi::{c_char, CString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use super::descriptors::{close_fds, dup_to, install_fds};
use super::raw::{call, clone3};
use super::strings::CStrings;

const CLOSE_RANGE_UNSHARE: u32 = 1 << 1;

/// What the child is to do. The order of its steps is the order of the fields.
pub(crate) struct Plan<'a> {
    pub(crate) life: Life,
    /// The cgroup in which to make the child.
    pub(crate) cgroup: Option<RawFd>,
    /// Share the descriptor table, and leave it for a copy of the descriptors below this one.
    pub(crate) first_unneeded: Option<u32>,
    pub(crate) stdio: [Source; 3],
    /// Descriptors to install: number, and source. No source is also the number of one.
    pub(crate) fds: &'a [(RawFd, RawFd)],
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
    /// And kills it when the last descriptor of it is closed (Linux 7.1): for those without privilege only if
    /// it can gain none either.
    Autokill { no_new_privs: bool },
}

/// Where one of the child's three standard descriptors comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Source {
    Inherit,
    /// `/dev/null`, opened by the child.
    Null,
    /// A descriptor above 2.
    Fd(RawFd),
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

/// What the two processes share: the child reads the plan and writes the failure.
struct Shared<'a> {
    plan: &'a Plan<'a>,
    failure: UnsafeCell<Option<(Stage, i32)>>,
}

/// Enough for the child in a build without optimization, where it was measured to need 3 KiB.
#[repr(align(16))]
struct Stack(MaybeUninit<[u8; 16 * 1024]>);

/// Makes a process that does what the plan says. Blocks until it has called `execve`.
///
/// The descriptors of the plan are to be those of this process, and stay open meanwhile: what else they may
/// be is the child's loss alone.
pub(crate) fn spawn(plan: &Plan<'_>) -> Result<(OwnedFd, u32), Failure> {
    let mut pidfd: RawFd = -1;
    let mut stack = Stack(MaybeUninit::uninit());
    let shared = Shared { plan, failure: UnsafeCell::new(None) };
    let share_files = match plan.first_unneeded {
        Some(_) => libc::CLONE_FILES as u64,
        None => 0,
    };
    // SAFETY: a struct of integers, for which zero means "not given".
    let mut args: libc::clone_args = unsafe { MaybeUninit::zeroed().assume_init() };
    let life = match plan.life {
        Life::Child => 0,
        Life::Autoreap => CLONE_AUTOREAP,
        Life::Autokill { no_new_privs: false } => CLONE_AUTOREAP | CLONE_PIDFD_AUTOKILL,
        Life::Autokill { no_new_privs: true } => CLONE_AUTOREAP | CLONE_PIDFD_AUTOKILL | CLONE_NNP,
    };
    args.flags = (libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD) as u64
        | CLONE_CLEAR_SIGHAND
        | share_files
        | plan.cgroup.map_or(0, |_| CLONE_INTO_CGROUP)
        | life;
    args.pidfd = (&mut pidfd as *mut RawFd) as u64;
    args.exit_signal = if life == 0 { libc::SIGCHLD as u64 } else { 0 };
    args.stack = stack.0.as_mut_ptr() as u64;
    args.stack_size = std::mem::size_of::<Stack>() as u64;
    args.cgroup = plan.cgroup.unwrap_or(0) as u64;
    // SAFETY: the stack is aligned and this call's own, and this thread sleeps until the child has left it.
    // `run` makes raw system calls and touches nothing but `shared`, whose `failure` nobody else reads
    // meanwhile. No signal handler runs in the child (`CLONE_CLEAR_SIGHAND`).
    let pid = unsafe {
        clone3(&args, std::mem::size_of::<libc::clone_args>(), run, &shared as *const Shared<'_> as *mut ())
    };
    if pid < 0 {
        return Err(Failure { stage: Stage::Clone, errno: -pid as i32 });
    }
    // SAFETY: the kernel made this descriptor for us.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    match shared.failure.into_inner() {
        None => Ok((pidfd, pid as u32)),
        Some((stage, errno)) => {
            reap(&pidfd);
            Err(Failure { stage, errno })
        }
    }
}

/// Whether `clone3` is refused altogether: it is asked for nothing, which alone is `EINVAL`.
pub(crate) fn is_refused() -> bool {
    // SAFETY: with size 0 the kernel does not look at the arguments, and makes no process.
    let result = unsafe { clone3(std::ptr::null(), 0, run, std::ptr::null_mut()) };
    result != -libc::EINVAL as isize
}

/// Collects a child that has failed. Somebody else may do it first, and a signal may interrupt it.
fn reap(pidfd: &OwnedFd) {
    use std::os::fd::AsFd;
    while let Err(error) = super::wait::waitid(pidfd.as_fd(), libc::WEXITED) {
        if error.kind() != io::ErrorKind::Interrupted {
            break;
        }
    }
}

const CLONE_CLEAR_SIGHAND: u64 = 1 << 32;
const CLONE_INTO_CGROUP: u64 = 1 << 33;
const CLONE_AUTOREAP: u64 = 1 << 34;
const CLONE_NNP: u64 = 1 << 35;
const CLONE_PIDFD_AUTOKILL: u64 = 1 << 36;

/// The child.
///
/// # Safety
/// For `spawn` alone: `shared` is its `Shared`.
unsafe extern "C" fn run(shared: *mut ()) -> ! {
    // SAFETY: `spawn` passes a pointer to its `Shared`, and sleeps while we use it.
    let shared = unsafe { &*(shared as *const Shared<'_>) };
    let (stage, errno) = prepare_and_exec(shared.plan);
    // SAFETY: nobody reads it until we have ended.
    unsafe { *shared.failure.get() = Some((stage, errno)) };
    loop {
        call(libc::SYS_exit_group, [127, 0, 0, 0, 0]).ok();
    }
}

/// Does all that the plan says; returns what failed.
fn prepare_and_exec(plan: &Plan<'_>) -> (Stage, i32) {
    if let Some(first) = plan.first_unneeded {
        // Until this has succeeded, any change would be to the parent's own descriptors.
        let unshared = call(
            libc::SYS_close_range,
            [first as usize, u32::MAX as usize, CLOSE_RANGE_UNSHARE as usize, 0, 0],
        );
        if let Err(errno) = unshared {
            return (Stage::Unshare, errno);
        }
    }
    let mut number = 0;
    while let Some(source) = plan.stdio.get(number) {
        if let Err(errno) = set_stdio(number, *source) {
            return (Stage::Stdio(number), errno);
        }
        number += 1;
    }
    if let Err(failure) = install_fds(plan.fds) {
        return failure;
    }
    if let Err(errno) = close_fds(plan.close, plan.close_singly) {
        return (Stage::CloseFds, errno);
    }
    for (index, step) in plan.steps.iter().enumerate() {
        if let Err(errno) = perform(step) {
            return (Stage::Step(index), errno);
        }
    }
    let (program, errno) = exec(plan);
    (Stage::Exec(program), errno)
}

fn set_stdio(number: usize, source: Source) -> Result<(), i32> {
    match source {
        Source::Inherit => Ok(()),
        Source::Fd(fd) => dup_to(fd as usize, number),
        Source::Null => {
            let path = c"/dev/null".as_ptr() as usize;
            let flags = (libc::O_RDWR | libc::O_CLOEXEC) as usize;
            let fd = call(libc::SYS_openat, [libc::AT_FDCWD as usize, path, flags, 0, 0])?;
            match fd == number {
                // The parent had none: it must only be kept open.
                true => call(libc::SYS_fcntl, [fd, libc::F_SETFD as usize, 0, 0, 0]).map(drop),
                false => dup_to(fd, number),
            }
        }
    }
}

pub(super) fn perform(step: &Step) -> Result<(), i32> {
    let done = match *step {
        Step::SetSid => call(libc::SYS_setsid, [0; 5]),
        Step::SetPgid(group) => call(libc::SYS_setpgid, [0, group as usize, 0, 0, 0]),
        Step::SetRlimit(resource, ref limit) => {
            call(libc::SYS_prlimit64, [0, resource as usize, limit as *const libc::rlimit64 as usize, 0, 0])
        }
        Step::SetNice(nice) => {
            call(libc::SYS_setpriority, [libc::PRIO_PROCESS as usize, 0, nice as usize, 0, 0])
        }
        Step::SetScheduler(policy, ref priority) => {
            call(libc::SYS_sched_setscheduler, [0, policy as usize, priority as *const i32 as usize, 0, 0])
        }
        Step::Umask(mask) => call(libc::SYS_umask, [mask as usize, 0, 0, 0, 0]),
        Step::Chroot(ref path) => call(libc::SYS_chroot, [path.as_ptr() as usize, 0, 0, 0, 0]),
        Step::SetGroups(ref groups) => {
            call(libc::SYS_setgroups, [groups.len(), groups.as_ptr() as usize, 0, 0, 0])
        }
        Step::SetGid(gid) => call(libc::SYS_setgid, [gid as usize, 0, 0, 0, 0]),
        Step::SetUid(uid) => call(libc::SYS_setuid, [uid as usize, 0, 0, 0, 0]),
        Step::Chdir(ref path) => call(libc::SYS_chdir, [path.as_ptr() as usize, 0, 0, 0, 0]),
        Step::NoNewPrivs => call(libc::SYS_prctl, [libc::PR_SET_NO_NEW_PRIVS as usize, 1, 0, 0, 0]),
        Step::ParentDeathSignal(signal, parent) => {
            call(libc::SYS_prctl, [libc::PR_SET_PDEATHSIG as usize, signal as usize, 0, 0, 0])?;
            match call(libc::SYS_getppid, [0; 5])? {
                now if now == parent as usize => Ok(0),
                _ => {
                    let me = call(libc::SYS_getpid, [0; 5])?;
                    call(libc::SYS_kill, [me, signal as usize, 0, 0, 0])
                }
            }
        }
        Step::DefaultDisposition(signal) => {
            // `struct sigaction` of the kernel: handler, flags, restorer, mask: all zero is `SIG_DFL`.
            let default = [0usize; 4];
            let size = std::mem::size_of::<u64>();
            call(libc::SYS_rt_sigaction, [signal as usize, default.as_ptr() as usize, 0, size, 0])
        }
        Step::SignalMask(ref mask) => {
            let size = std::mem::size_of::<u64>();
            let mask = mask as *const u64 as usize;
            call(libc::SYS_rt_sigprocmask, [libc::SIG_SETMASK as usize, mask, 0, size, 0])
        }
    };
    done.map(drop)
}

/// Tries the programs as execvp(3) does: those that cannot be reached are passed over, and one that may not
/// be executed is remembered. Of the others, the last says why.
fn exec(plan: &Plan<'_>) -> (usize, i32) {
    let programs = plan.programs.pointers();
    let try_one = |program: *const c_char| -> i32 {
        let args = [program as usize, plan.argv.as_ptr() as usize, plan.envp.as_ptr() as usize, 0, 0];
        call(libc::SYS_execve, args).err().unwrap_or(0)
    };
    if let (Some(&likely), true) = (programs.get(plan.likely), plan.likely > 0) {
        match try_one(likely) {
            libc::ENOENT | libc::ENOTDIR | libc::EACCES => {}
            errno => return (plan.likely, errno),
        }
    }
    if let [only] = programs {
        return (0, try_one(*only));
    }
    let mut result = (0, libc::ENOENT);
    for (index, &program) in programs.iter().enumerate() {
        let errno = try_one(program);
        match errno {
            libc::EACCES => {}
            libc::ENOENT | libc::ENOTDIR | libc::ESTALE | libc::ENODEV | libc::ETIMEDOUT => {}
            errno => return (index, errno),
        }
        if errno == libc::EACCES || result.1 != libc::EACCES {
            result = (index, errno);
        }
    }
    result
}
