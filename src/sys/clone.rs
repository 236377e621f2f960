//! Making a process that carries out a [`Plan`]: by `clone3`, or by `clone` where a filter refuses that, on the memory
//! of this one or on a copy.

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use super::child::{enter, run, Birth};
use super::fork;
use super::plan::{Failure, Life, Memory, Plan, Stage};
use super::raw::{on_new_stack, syscall, CLONE_RETURNS_ZERO, HAS_NEW_STACK};
use super::report::{Report, SharedReport};
use super::signal::Blocked;
use super::stack::Stack;
use super::wait::waitid;

const CLONE_CLEAR_SIGHAND: u64 = 1 << 32;
const CLONE_INTO_CGROUP: u64 = 1 << 33;
const CLONE_AUTOREAP: u64 = 1 << 34;
const CLONE_NNP: u64 = 1 << 35;
const CLONE_PIDFD_AUTOKILL: u64 = 1 << 36;

/// `struct clone_args` of Linux 5.7, which libc has for some processors alone.
#[repr(C)]
#[derive(Default)]
pub(super) struct CloneArgs {
    pub(super) flags: u64,
    pidfd: u64,
    pub(super) child_tid: u64,
    pub(super) parent_tid: u64,
    exit_signal: u64,
    pub(super) stack: u64,
    pub(super) stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// Whether a child can run on our memory on this processor. Elsewhere it has a copy.
pub(crate) const SHARES_MEMORY: bool = HAS_NEW_STACK;

/// Whether `fork` makes all children on this processor.
pub(crate) const ONLY_FORKS: bool = !CLONE_RETURNS_ZERO;

/// Whether `clone3` is refused altogether, as older containers' filters do: found out by the first spawn.
static NO_CLONE3: AtomicBool = AtomicBool::new(false);

pub(super) fn clone3_is_there() -> bool {
    !NO_CLONE3.load(Ordering::Relaxed)
}

/// It is asked for nothing, which alone is `EINVAL`.
fn is_clone3_refused() -> bool {
    // SAFETY: with size 0 the kernel does not look at the arguments, and makes no process.
    let result = unsafe { syscall(libc::SYS_clone3, [0; 5]) };
    result != -libc::EINVAL as isize
}

/// Before Linux 5.16, a signal that dumps core ends all who share memory. `futex_waitv` came with that version.
pub(super) fn dumps_end_all() -> bool {
    const FUTEX_WAITV: libc::c_long = 449;
    const NO: u8 = 1;
    const YES: u8 = 2;
    static KNOWN: AtomicU8 = AtomicU8::new(0);
    match KNOWN.load(Ordering::Relaxed) {
        NO => false,
        YES => true,
        _ => {
            // SAFETY: no address is given, and nothing is waited for: `EINVAL` where it is known.
            let is_unknown = unsafe { syscall(FUTEX_WAITV, [0; 5]) } == -libc::ENOSYS as isize;
            KNOWN.store(if is_unknown { YES } else { NO }, Ordering::Relaxed);
            is_unknown
        }
    }
}

/// Makes a process that does what the plan says. Blocks until it has called `execve`.
pub(crate) fn spawn(plan: &Plan<'_>) -> Result<(OwnedFd, u32), Failure> {
    if !plan.acts.is_empty() || !CLONE_RETURNS_ZERO {
        return fork::spawn(plan);
    }
    loop {
        let by_clone3 = !NO_CLONE3.load(Ordering::Relaxed);
        if !by_clone3 && plan.life != Life::Child {
            return Err(Failure { stage: Stage::Clone, errno: libc::EINVAL });
        }
        let result = match plan.memory {
            Memory::Shared if plan.cgroup.is_some() && !by_clone3 => return Err(NOT_BORN),
            Memory::Shared if HAS_NEW_STACK => on_shared_memory(plan, by_clone3),
            _ => on_a_copy(plan, by_clone3),
        };
        match result {
            Err(Failure { stage: Stage::Clone, errno: libc::ENOSYS | libc::EPERM })
                if by_clone3 && is_clone3_refused() =>
            {
                NO_CLONE3.store(true, Ordering::Relaxed);
            }
            result => return result,
        }
    }
}

/// As [`spawn`], where the child needs only what every copy of this process has.
fn on_a_copy(plan: &Plan<'_>, by_clone3: bool) -> Result<(OwnedFd, u32), Failure> {
    let report = SharedReport::new().map_err(not_made)?;
    let made = copy(plan, by_clone3, !by_clone3, &report)?;
    if was_born(plan, &report) {
        return finish(made, &report);
    }
    reap(&made.0);
    if plan.memory == Memory::Shared {
        return Err(NOT_BORN);
    }
    // So one is made outside, and enters it.
    finish(copy(plan, by_clone3, true, &report)?, &report)
}

/// Whether it was not killed before its first instruction. Linux (6.18, for one) does that to each child that is made in
/// another cgroup, if `cgroup.kill` was used more often in one of the two: in ours before we entered it, or in the other.
fn was_born(plan: &Plan<'_>, report: &Report) -> bool {
    plan.cgroup.is_none() || report.is_begun()
}

/// A child on shared memory must not be made in its cgroup. Nobody is left of it.
const NOT_BORN: Failure = Failure { stage: Stage::Cgroup, errno: libc::EAGAIN };

/// The new process has left its copy of our memory by then.
fn copy(
    plan: &Plan<'_>,
    by_clone3: bool,
    joins_cgroup: bool,
    report: &Report,
) -> Result<(OwnedFd, u32), Failure> {
    let birth = Birth { joins_cgroup, ..birth(plan, report, by_clone3, false) };
    let mut pidfd: RawFd = -1;
    let _blocked = (!by_clone3).then(Blocked::all);
    let pid = if by_clone3 {
        let cgroup = plan.cgroup.filter(|_| !joins_cgroup);
        let args = clone_args(&Plan { cgroup, ..*plan }, flags(plan), &mut pidfd);
        // SAFETY: without `CLONE_VM`, it is a fork: the child goes on here, on a copy of this stack.
        unsafe { libc::syscall(libc::SYS_clone3, &args, size_of::<CloneArgs>()) }
    } else {
        let flags = (flags(plan) | libc::SIGCHLD as u64) as usize;
        let pidfd = &mut pidfd as *mut RawFd;
        let [first, second] = if cfg!(target_arch = "s390x") { [0, flags] } else { [flags, 0] };
        // SAFETY: as above.
        unsafe { libc::syscall(libc::SYS_clone, first, second, pidfd, 0, 0) }
    };
    match pid {
        // SAFETY: this is the new process.
        0 => unsafe { run(&birth) },
        -1 => Err(not_made(io::Error::last_os_error())),
        // SAFETY: the kernel made this descriptor for us.
        pid => Ok((unsafe { OwnedFd::from_raw_fd(pidfd) }, pid as u32)),
    }
}

/// As [`spawn`], at no cost for memory, on a processor that has [`on_new_stack`].
fn on_shared_memory(plan: &Plan<'_>, by_clone3: bool) -> Result<(OwnedFd, u32), Failure> {
    let report = Report::default();
    let stack = Stack::take().map_err(not_made)?;
    let is_guarded = dumps_end_all();
    let birth = birth(plan, &report, by_clone3, is_guarded);
    let mut pidfd: RawFd = -1;
    let flags = flags(plan) | libc::CLONE_VM as u64;
    let blocked = (is_guarded || !by_clone3).then(Blocked::all);
    let entry_data = &birth as *const Birth<'_> as *mut ();
    let pid = if by_clone3 {
        let args = CloneArgs {
            stack: stack.start() as u64,
            stack_size: stack.size() as u64,
            ..clone_args(plan, flags, &mut pidfd)
        };
        let args = [&args as *const CloneArgs as usize, size_of::<CloneArgs>(), 0];
        // SAFETY: the stack is aligned and this child's own, and this thread sleeps (`CLONE_VFORK`) until the child has
        // left our memory; all that `birth` borrows stays as it is so long. The child makes raw system calls, and
        // writes to its report alone. No signal handler runs in it (`CLONE_CLEAR_SIGHAND`).
        unsafe { on_new_stack(libc::SYS_clone3, args, enter, entry_data) }
    } else {
        let flags = (flags | libc::SIGCHLD as u64) as usize;
        let top = stack.start() as usize + stack.size();
        // SAFETY: as above; the handlers are kept from running by the mask, until the child has reset them.
        unsafe {
            on_new_stack(libc::SYS_clone, [flags, top, &mut pidfd as *mut RawFd as usize], enter, entry_data)
        }
    };
    drop(blocked);
    stack.give_back();
    match pid {
        ..0 => Err(Failure { stage: Stage::Clone, errno: -pid as i32 }),
        _ => {
            // SAFETY: the kernel made this descriptor for us.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            match was_born(plan, &report) {
                true => finish((pidfd, pid as u32), &report),
                false => {
                    reap(&pidfd);
                    Err(NOT_BORN)
                }
            }
        }
    }
}

fn birth<'a>(plan: &'a Plan<'a>, report: &'a Report, by_clone3: bool, is_guarded: bool) -> Birth<'a> {
    Birth {
        plan,
        report,
        place: None,
        has_handlers: !by_clone3,
        joins_cgroup: false,
        closes_late: false,
        is_guarded,
        parent: plan.noticed_parent(),
    }
}

/// Those that `clone` knows, too.
pub(super) fn flags(plan: &Plan<'_>) -> u64 {
    let files = if plan.first_unneeded.is_some() { libc::CLONE_FILES } else { 0 };
    (libc::CLONE_VFORK | libc::CLONE_PIDFD | files) as u64
}

pub(super) fn clone_args(plan: &Plan<'_>, flags: u64, pidfd: &mut RawFd) -> CloneArgs {
    let life = match plan.life {
        Life::Child => 0,
        Life::Autoreap => CLONE_AUTOREAP,
        Life::Autokill { no_new_privs: false } => CLONE_AUTOREAP | CLONE_PIDFD_AUTOKILL,
        Life::Autokill { no_new_privs: true } => CLONE_AUTOREAP | CLONE_PIDFD_AUTOKILL | CLONE_NNP,
    };
    CloneArgs {
        flags: flags | CLONE_CLEAR_SIGHAND | life | plan.cgroup.map_or(0, |_| CLONE_INTO_CGROUP),
        pidfd: pidfd as *mut RawFd as usize as u64,
        exit_signal: if life == 0 { libc::SIGCHLD as u64 } else { 0 },
        cgroup: plan.cgroup.map_or(0, |cgroup| cgroup.as_raw_fd() as u64),
        ..CloneArgs::default()
    }
}

/// The child has left our memory, or its copy: it has called `execve`, or failed.
#[inline]
pub(super) fn finish(made: (OwnedFd, u32), report: &Report) -> Result<(OwnedFd, u32), Failure> {
    match report.read() {
        None => Ok(made),
        Some(failure) => {
            reap(&made.0);
            Err(failure)
        }
    }
}

pub(super) fn not_made(error: io::Error) -> Failure {
    Failure { stage: Stage::Clone, errno: error.raw_os_error().unwrap_or(libc::ENOMEM) }
}

/// Collects a child that has failed. Somebody else may do it first, and a signal may interrupt it.
pub(super) fn reap(pidfd: &OwnedFd) {
    while let Err(error) = waitid(pidfd.as_fd(), libc::WEXITED, None) {
        if error.kind() != io::ErrorKind::Interrupted {
            break;
        }
    }
}
