//! `clone3` on the parent's memory and descriptor table, up to `execve`.
//!
//! Between the two the child makes raw system calls alone: it allocates nothing, calls no library, and reads
//! what the parent has laid out in a [`Plan`]. The calling thread of the parent sleeps (`CLONE_VFORK`) until
//! the child has left the memory, so everything that the plan points to stays as it is.

use std::cell::UnsafeCell;
use std::ffi::c_char;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use super::descriptors::{close_fds, dup_to, install_fds};
use super::plan::{Failure, Life, Plan, Source, Stage, Step};
use super::raw::{call, clone3};

const CLOSE_RANGE_UNSHARE: u32 = 1 << 1;

/// What the two processes share: the child reads the plan and writes the failure.
struct Exchange<'a> {
    plan: &'a Plan<'a>,
    failure: UnsafeCell<Option<(Stage, i32)>>,
}

/// Enough for the child in a build without optimization, where it was measured to need 3 KiB.
#[repr(align(16))]
struct Stack(MaybeUninit<[u8; 16 * 1024]>);

/// Makes a process that does what the plan says. Blocks until it has called `execve`.
pub(crate) fn spawn(plan: &Plan<'_>) -> Result<(OwnedFd, u32), Failure> {
    let mut pidfd: RawFd = -1;
    let mut stack = Stack(MaybeUninit::uninit());
    let exchange = Exchange { plan, failure: UnsafeCell::new(None) };
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
    args.cgroup = plan.cgroup.map_or(0, |cgroup| cgroup.as_raw_fd()) as u64;
    // SAFETY: the stack is aligned and this call's own, and this thread sleeps until the child has left it.
    // `run` makes raw system calls and touches nothing but `exchange`, whose `failure` nobody else reads
    // meanwhile. No signal handler runs in the child (`CLONE_CLEAR_SIGHAND`).
    let pid = unsafe {
        clone3(
            &args,
            std::mem::size_of::<libc::clone_args>(),
            run,
            &exchange as *const Exchange<'_> as *mut (),
        )
    };
    if pid < 0 {
        return Err(Failure { stage: Stage::Clone, errno: -pid as i32 });
    }
    // SAFETY: the kernel made this descriptor for us.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    match exchange.failure.into_inner() {
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
/// For `spawn` alone: `exchange` is its `Exchange`.
unsafe extern "C" fn run(exchange: *mut ()) -> ! {
    // SAFETY: `spawn` passes a pointer to its `Exchange`, and sleeps while we use it.
    let exchange = unsafe { &*(exchange as *const Exchange<'_>) };
    // SAFETY: this is the new process.
    let (stage, errno) = unsafe { prepare_and_exec(exchange.plan) };
    // SAFETY: nobody reads it until we have ended.
    unsafe { *exchange.failure.get() = Some((stage, errno)) };
    loop {
        // SAFETY: it touches no memory, and ends this process alone.
        let _ = unsafe { call(libc::SYS_exit_group, [127, 0, 0, 0, 0]) };
    }
}

/// Does all that the plan says; returns what failed.
///
/// # Safety
/// In a new process, which shares its descriptor table if and only if the plan has a `first_unneeded`.
unsafe fn prepare_and_exec(plan: &Plan<'_>) -> (Stage, i32) {
    if let Some(first) = plan.first_unneeded {
        let args = [first as usize, u32::MAX as usize, CLOSE_RANGE_UNSHARE as usize, 0, 0];
        // Until this has succeeded, any change would be to the parent's own descriptors.
        // SAFETY: it touches no memory, and closes copies alone.
        if let Err(errno) = unsafe { call(libc::SYS_close_range, args) } {
            return (Stage::Unshare, errno);
        }
    }
    let mut number = 0;
    while let Some(source) = plan.stdio.get(number) {
        // SAFETY: a new process, with its own table by now.
        if let Err(errno) = unsafe { set_stdio(number, source) } {
            return (Stage::Stdio(number), errno);
        }
        number += 1;
    }
    let fds = plan.fds.iter().map(|(number, source)| (*number, source.as_raw_fd()));
    // SAFETY: as above.
    if let Err(failure) = unsafe { install_fds(fds) } {
        return failure;
    }
    // SAFETY: as above.
    if let Err(errno) = unsafe { close_fds(plan.close, plan.close_singly) } {
        return (Stage::CloseFds, errno);
    }
    for (index, step) in plan.steps.iter().enumerate() {
        // SAFETY: a new process.
        if let Err(errno) = unsafe { perform(step) } {
            return (Stage::Step(index), errno);
        }
    }
    // SAFETY: a new process.
    let (program, errno) = unsafe { exec(plan) };
    (Stage::Exec(program), errno)
}

/// # Safety
/// As [`dup_to`].
unsafe fn set_stdio(number: usize, source: &Source<'_>) -> Result<(), i32> {
    match source {
        Source::Inherit => Ok(()),
        // SAFETY: the caller's promise.
        Source::Fd(fd) => unsafe { dup_to(fd.as_raw_fd() as usize, number) },
        Source::Null => {
            let path = c"/dev/null".as_ptr() as usize;
            let flags = (libc::O_RDWR | libc::O_CLOEXEC) as usize;
            // SAFETY: the path is a constant; and the caller's promise.
            unsafe {
                let fd = call(libc::SYS_openat, [libc::AT_FDCWD as usize, path, flags, 0, 0])?;
                match fd == number {
                    // The parent had none: it must only be kept open.
                    true => call(libc::SYS_fcntl, [fd, libc::F_SETFD as usize, 0, 0, 0]).map(drop),
                    false => dup_to(fd, number),
                }
            }
        }
    }
}

/// # Safety
/// In a new process, before `execve`.
pub(super) unsafe fn perform(step: &Step) -> Result<(), i32> {
    let by_number = |number, first, second| {
        // SAFETY: the calls below that have numbers alone touch no memory; and the caller's promise.
        unsafe { call(number, [first, second, 0, 0, 0]) }
    };
    let done = match *step {
        Step::SetSid => by_number(libc::SYS_setsid, 0, 0),
        Step::SetPgid(group) => by_number(libc::SYS_setpgid, 0, group as usize),
        Step::SetRlimit(resource, ref limit) => {
            let limit = limit as *const libc::rlimit64 as usize;
            // SAFETY: the limit is read alone, and is of the size that the kernel reads.
            unsafe { call(libc::SYS_prlimit64, [0, resource as usize, limit, 0, 0]) }
        }
        Step::SetNice(nice) => {
            let args = [libc::PRIO_PROCESS as usize, 0, nice as usize, 0, 0];
            // SAFETY: it touches no memory.
            unsafe { call(libc::SYS_setpriority, args) }
        }
        Step::SetScheduler(policy, ref priority) => {
            let priority = priority as *const i32 as usize;
            // SAFETY: `struct sched_param` is one integer, which is read alone.
            unsafe { call(libc::SYS_sched_setscheduler, [0, policy as usize, priority, 0, 0]) }
        }
        Step::Umask(mask) => by_number(libc::SYS_umask, mask as usize, 0),
        // SAFETY: a string with its null byte.
        Step::Chroot(ref path) => unsafe { call(libc::SYS_chroot, [path.as_ptr() as usize, 0, 0, 0, 0]) },
        Step::SetGroups(ref groups) => {
            // SAFETY: so many integers are read.
            unsafe { call(libc::SYS_setgroups, [groups.len(), groups.as_ptr() as usize, 0, 0, 0]) }
        }
        Step::SetGid(gid) => by_number(libc::SYS_setgid, gid as usize, 0),
        Step::SetUid(uid) => by_number(libc::SYS_setuid, uid as usize, 0),
        // SAFETY: a string with its null byte.
        Step::Chdir(ref path) => unsafe { call(libc::SYS_chdir, [path.as_ptr() as usize, 0, 0, 0, 0]) },
        Step::NoNewPrivs => by_number(libc::SYS_prctl, libc::PR_SET_NO_NEW_PRIVS as usize, 1),
        Step::ParentDeathSignal(signal, parent) => {
            by_number(libc::SYS_prctl, libc::PR_SET_PDEATHSIG as usize, signal as usize)?;
            match by_number(libc::SYS_getppid, 0, 0)? {
                now if now == parent as usize => Ok(0),
                _ => by_number(libc::SYS_kill, by_number(libc::SYS_getpid, 0, 0)?, signal as usize),
            }
        }
        Step::DefaultDisposition(signal) => {
            // `struct sigaction` of the kernel: handler, flags, restorer, mask: all zero is `SIG_DFL`.
            let default = [0usize; 4];
            let size = std::mem::size_of::<u64>();
            // SAFETY: the structure is read alone, and is of the size that the kernel reads.
            unsafe { call(libc::SYS_rt_sigaction, [signal as usize, default.as_ptr() as usize, 0, size, 0]) }
        }
        Step::SignalMask(ref mask) => {
            let size = std::mem::size_of::<u64>();
            let mask = mask as *const u64 as usize;
            // SAFETY: the mask is read alone, and is of the size that is said.
            unsafe { call(libc::SYS_rt_sigprocmask, [libc::SIG_SETMASK as usize, mask, 0, size, 0]) }
        }
    };
    done.map(drop)
}

/// Tries the programs as execvp(3) does: those that cannot be reached are passed over, and one that may not
/// be executed is remembered. Of the others, the last says why.
///
/// # Safety
/// In a new process.
unsafe fn exec(plan: &Plan<'_>) -> (usize, i32) {
    let programs = plan.programs.pointers();
    let try_one = |program: *const c_char| -> i32 {
        let args = [program as usize, plan.argv.as_ptr() as usize, plan.envp.as_ptr() as usize, 0, 0];
        // SAFETY: strings with their null bytes, and arrays of such with a null pointer at the end, which are only read.
        unsafe { call(libc::SYS_execve, args) }.err().unwrap_or(0)
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
