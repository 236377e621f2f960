//! The child, between its birth and `execve`.
//!
//! It makes raw system calls alone: it allocates nothing, calls no library, and reads what the parent has laid out in
//! a [`Plan`]. So it may run on the memory of its parent, whose calling thread sleeps until the child has left it, and
//! on a copy that was made while other threads held locks. The authors of `pre_exec` closures answer for what those do.

use std::os::fd::AsRawFd;
use std::sync::atomic::AtomicU32;
use std::sync::TryLockError;

use super::descriptors::{close_fds, install_fds, mark_fds, set_stdio};
use super::exec::exec;
use super::guard;
use super::launch::say_left_table;
use super::needs::{number, Needs};
use super::plan::{Failure, Plan, PreExec, Stage, Step};
use super::raw::call;
use super::report::Report;
use super::sigset::{rt_sigaction, SigAction, SigSet, HANDLER};

const CLOSE_RANGE_UNSHARE: u32 = 1 << 1;

pub(super) const fn bit(signal: i32) -> u64 {
    1 << (signal - 1)
}

/// A new process, and what it has from the way in which it was made.
pub(super) struct Birth<'a> {
    pub(super) plan: &'a Plan<'a>,
    pub(super) report: &'a Report,
    /// Where it says that it has left the shared table, if nobody waits for it.
    pub(super) place: Option<&'a AtomicU32>,
    /// Our handlers are still its own.
    pub(super) has_handlers: bool,
    /// It enters its cgroup itself.
    pub(super) joins_cgroup: bool,
    /// It needs one of its other descriptors until `execve`, which closes them.
    pub(super) closes_late: bool,
    /// All signals are blocked, and those that dump core must end it in another way.
    pub(super) is_guarded: bool,
    /// The pid of its parent, if its death is to be noticed: not that of a process that is to be replaced.
    pub(super) parent: Option<u32>,
}

/// The entry of a child on a stack of its own.
///
/// # Safety
/// In a new process. `birth` is a `Birth`, and whatever it borrows stays as it is until this process has left our
/// memory.
pub(super) unsafe extern "C" fn enter(birth: *mut ()) -> ! {
    // SAFETY: the caller's promise.
    unsafe { run(&*(birth as *const Birth<'_>)) }
}

/// Does all that the plan says, or reports what failed.
///
/// It and [`end`] are inlined: before a call that does not return, the address sanitizer looks for the stack of the
/// thread, warns that this is another one, and writes that to the child's standard error.
///
/// # Safety
/// In a new process, which shares its descriptor table if and only if the plan has a `first_unneeded`.
#[inline(always)]
pub(super) unsafe fn run(birth: &Birth<'_>) -> ! {
    let _never_dropped = AbortsOnUnwind;
    birth.report.begin();
    // SAFETY: the caller's promise.
    let failure = unsafe { prepare_and_exec(birth) };
    birth.report.write(failure);
    // SAFETY: it is the end of this process.
    unsafe { end() }
}

/// If a closure panics, the child must not go on with what its parent does after the spawn.
struct AbortsOnUnwind;

impl Drop for AbortsOnUnwind {
    fn drop(&mut self) {
        std::process::abort();
    }
}

/// # Safety
/// In a new process: it ends.
#[inline(always)]
pub(super) unsafe fn end() -> ! {
    loop {
        // SAFETY: it touches no memory, and ends this process alone.
        let _ = unsafe { call(libc::SYS_exit_group, [127, 0, 0, 0, 0]) };
    }
}

/// Returns what failed.
///
/// # Safety
/// As [`run`].
unsafe fn prepare_and_exec(birth: &Birth<'_>) -> Failure {
    let plan = birth.plan;
    if let Some(first) = plan.first_unneeded {
        let args = [first as usize, u32::MAX as usize, CLOSE_RANGE_UNSHARE as usize, 0, 0];
        // Until this has succeeded, any change would be to the parent's own descriptors.
        // SAFETY: it touches no memory, and closes copies alone.
        if let Err(errno) = unsafe { call(libc::SYS_close_range, args) } {
            return Failure { stage: Stage::Unshare, errno };
        }
        if let Some(place) = birth.place {
            say_left_table(place);
        }
    }
    // SAFETY: a new process, with its own table by now.
    match unsafe { prepare(birth) } {
        Err((stage, errno)) => Failure { stage, errno },
        // SAFETY: a new process.
        Ok(()) => unsafe { exec(plan) },
    }
}

/// Everything except leaving the shared table, and `execve`.
///
/// # Safety
/// In a process with a descriptor table of its own, and before `execve`.
pub(super) unsafe fn prepare(birth: &Birth<'_>) -> Result<(), (Stage, i32)> {
    let plan = birth.plan;
    // SAFETY: the caller's promise, for each call.
    unsafe {
        if birth.has_handlers {
            reset_handlers();
        }
        if birth.joins_cgroup {
            join_cgroup(plan).map_err(|errno| (Stage::Cgroup, errno))?;
        }
        let mut number = 0;
        while let Some(source) = plan.stdio.get(number) {
            set_stdio(number, source).map_err(|errno| (Stage::Stdio(number), errno))?;
            number += 1;
        }
        install_fds(plan.fds.iter().map(|(number, source)| (*number, source.number())))?;
        let closed = match birth.closes_late {
            false => close_fds(plan.close, plan.close_singly),
            true => mark_fds(plan.close),
        };
        closed.map_err(|errno| (Stage::CloseFds, errno))?;
        take_steps(birth)
    }
}

/// # Safety
/// As [`prepare`].
unsafe fn take_steps(birth: &Birth<'_>) -> Result<(), (Stage, i32)> {
    let plan = birth.plan;
    // SAFETY: the caller's promise, for each call.
    unsafe {
        for (index, step) in plan.steps.iter().enumerate() {
            if let Step::SignalMask(_) = step {
                // The user was changed before: that would undo it.
                if let Some(signal) = plan.parent_death {
                    die_with_parent(signal, birth.parent).map_err(|errno| (Stage::ParentDeath, errno))?;
                }
                raise(plan.raise);
                if birth.is_guarded {
                    guard::catch_dumping(birth.report).map_err(|errno| (Stage::Step(index), errno))?;
                }
            }
            perform(step, plan.needs).map_err(|errno| (Stage::Step(index), errno))?;
        }
    }
    for act in plan.acts {
        act.run().map_err(|errno| (Stage::Act, errno))?;
    }
    Ok(())
}

impl PreExec {
    fn run(&self) -> Result<(), i32> {
        // Only this child calls it; a parent's thread that held the lock is not in it.
        let mut act = match self.0.try_lock() {
            Ok(act) => act,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Err(libc::EDEADLK),
        };
        act().map_err(|error| error.raw_os_error().unwrap_or(libc::EINVAL))
    }
}

/// Signals that have a handler get their defaults; `execve` would do the same later.
///
/// # Safety
/// In a new process.
unsafe fn reset_handlers() {
    for signal in 1..=64 {
        let mut action = SigAction::default();
        // SAFETY: the structure is large enough.
        let known = unsafe { rt_sigaction(signal, 0, &mut action as *mut SigAction as usize) }.is_ok();
        if known && action[HANDLER] != libc::SIG_DFL && action[HANDLER] != libc::SIG_IGN {
            // SAFETY: the caller's promise.
            let _ = unsafe { set_default(signal) };
        }
    }
}

/// # Safety
/// No code of this process relies on the disposition.
unsafe fn set_default(signal: usize) -> Result<usize, i32> {
    let default = SigAction::default();
    // SAFETY: the caller's promise.
    unsafe { rt_sigaction(signal, &default as *const SigAction as usize, 0) }
}

/// # Safety
/// In a new process.
unsafe fn join_cgroup(plan: &Plan<'_>) -> Result<(), i32> {
    let Some(cgroup) = plan.cgroup else {
        return Ok(());
    };
    let (path, flags) = (c"cgroup.procs".as_ptr() as usize, (libc::O_WRONLY | libc::O_CLOEXEC) as usize);
    // SAFETY: the path and the text are constants, and the table is this process's own.
    unsafe {
        let file = call(libc::SYS_openat, [cgroup.as_raw_fd() as usize, path, flags, 0, 0])?;
        let written = call(libc::SYS_write, [file, c"0".as_ptr() as usize, 1, 0, 0]);
        let _ = call(libc::SYS_close, [file, 0, 0, 0, 0]);
        written.map(drop)
    }
}

/// The system calls that take ids of 32 bits; without a suffix, those of some processors take 16.
mod ids {
    #[cfg(not(any(target_arch = "x86", target_arch = "arm")))]
    pub(super) use libc::{
        SYS_geteuid as GETEUID, SYS_getgroups as GETGROUPS, SYS_getuid as GETUID, SYS_setgid as SETGID,
        SYS_setgroups as SETGROUPS, SYS_setuid as SETUID,
    };
    #[cfg(any(target_arch = "x86", target_arch = "arm"))]
    pub(super) use libc::{
        SYS_geteuid32 as GETEUID, SYS_getgroups32 as GETGROUPS, SYS_getuid32 as GETUID,
        SYS_setgid32 as SETGID, SYS_setgroups32 as SETGROUPS, SYS_setuid32 as SETUID,
    };
}

/// Drops all supplementary groups, for a child of this user. If that is not allowed, it is enough that there is none, or
/// that the user stays the same.
///
/// # Safety
/// In a new process.
unsafe fn drop_groups(user: u32) -> Result<usize, i32> {
    // SAFETY: no list is read or written, since its length is 0.
    let by_number = |number| unsafe { call(number, [0; 5]) };
    match by_number(ids::SETGROUPS) {
        Err(libc::EPERM)
            if by_number(ids::GETGROUPS) == Ok(0)
                || (by_number(ids::GETUID) == Ok(user as usize)
                    && by_number(ids::GETEUID) == Ok(user as usize)) =>
        {
            Ok(0)
        }
        result => result,
    }
}

/// # Safety
/// In a new process, or one that is to be replaced.
unsafe fn die_with_parent(signal: i32, parent: Option<u32>) -> Result<(), i32> {
    // SAFETY: they touch no memory.
    unsafe {
        call(libc::SYS_prctl, [libc::PR_SET_PDEATHSIG as usize, signal as usize, 0, 0, 0])?;
        match (call(libc::SYS_getppid, [0; 5])?, parent) {
            // A parent outside of this pid namespace has no number.
            (0, _) | (_, None) => {}
            (now, Some(parent)) if now == parent as usize => {}
            // It had died before.
            _ => drop(call(libc::SYS_kill, [call(libc::SYS_getpid, [0; 5])?, signal as usize, 0, 0, 0])?),
        }
    }
    Ok(())
}

/// # Safety
/// In a new process.
unsafe fn raise(signals: u64) {
    for signal in (1..=64).filter(|&signal| signals & bit(signal) != 0) {
        // SAFETY: they touch no memory.
        let _ = unsafe {
            call(libc::SYS_getpid, [0; 5]).map(|me| call(libc::SYS_kill, [me, signal as usize, 0, 0, 0]))
        };
    }
}

/// Makes this process's group the foreground one of its terminal. A background group, which it may be, would be stopped for
/// that: `SIGTTOU` is blocked meanwhile.
///
/// # Safety
/// In a new process, or one that is to be replaced.
unsafe fn take_foreground(terminal: usize) -> Result<usize, i32> {
    let stop = SigSet::from_bits(bit(libc::SIGTTOU));
    let mut before = SigSet::EMPTY;
    let (stop, before) = (&stop as *const SigSet as usize, &mut before as *mut SigSet as usize);
    // SAFETY: the sets are of the size that is said, and one integer is read.
    unsafe {
        call(libc::SYS_rt_sigprocmask, [libc::SIG_BLOCK as usize, stop, before, SigSet::SIZE, 0])?;
        let group = call(libc::SYS_getpgid, [0; 5])? as i32;
        let args = [terminal, libc::TIOCSPGRP as usize, &raw const group as usize, 0, 0];
        let done = call(libc::SYS_ioctl, args);
        call(libc::SYS_rt_sigprocmask, [libc::SIG_SETMASK as usize, before, 0, SigSet::SIZE, 0])?;
        done
    }
}

/// # Safety
/// In a new process, or one that is to be replaced: before `execve`.
unsafe fn perform(step: &Step, needs: Option<&Needs>) -> Result<(), i32> {
    let by_number = |number, first, second| {
        // SAFETY: the calls below that have numbers alone touch no memory; and the caller's promise.
        unsafe { call(number, [first, second, 0, 0, 0]) }
    };
    let done = match *step {
        Step::SetSid => by_number(libc::SYS_setsid, 0, 0),
        Step::ControllingTerminal => {
            by_number(libc::SYS_ioctl, number(needs, |needs| &needs.terminal), libc::TIOCSCTTY as usize)
        }
        Step::SetPgid(group) => by_number(libc::SYS_setpgid, 0, group as usize),
        // SAFETY: a new process, or one that is to be replaced.
        Step::Foreground => unsafe { take_foreground(number(needs, |needs| &needs.foreground)) },
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
        Step::JoinNamespaces(kinds) => {
            by_number(libc::SYS_setns, number(needs, |needs| &needs.namespaces), kinds as usize)
        }
        // SAFETY: a string with its null byte.
        Step::Chroot(ref path) => unsafe { call(libc::SYS_chroot, [path.as_ptr() as usize, 0, 0, 0, 0]) },
        Step::SetGroups(ref groups) => {
            // SAFETY: so many integers are read.
            unsafe { call(ids::SETGROUPS, [groups.len(), groups.as_ptr() as usize, 0, 0, 0]) }
        }
        // SAFETY: a new process.
        Step::DropGroups(user) => unsafe { drop_groups(user) },
        Step::SetGid(gid) => by_number(ids::SETGID, gid as usize, 0),
        Step::SetUid(uid) => by_number(ids::SETUID, uid as usize, 0),
        // SAFETY: a string with its null byte.
        Step::Chdir(ref path) => unsafe { call(libc::SYS_chdir, [path.as_ptr() as usize, 0, 0, 0, 0]) },
        Step::Fchdir => by_number(libc::SYS_fchdir, number(needs, |needs| &needs.directory), 0),
        Step::NoNewPrivs => by_number(libc::SYS_prctl, libc::PR_SET_NO_NEW_PRIVS as usize, 1),
        Step::DefaultDisposition(signal) => {
            // SAFETY: a new process, or one that is to be replaced.
            unsafe { set_default(signal as usize) }
        }
        Step::SignalMask(mask) => {
            let mask = SigSet::from_bits(mask);
            let args = [libc::SIG_SETMASK as usize, &mask as *const SigSet as usize, 0, SigSet::SIZE, 0];
            // SAFETY: the mask is read alone, and is of the size that is said.
            unsafe { call(libc::SYS_rt_sigprocmask, args) }
        }
    };
    done.map(drop)
}
