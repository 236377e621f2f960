//! Other ways to a process that carries out a [`Plan`]: by `fork` of the C library, whose handlers the closures of
//! `pre_exec` rely on; by `std`, for what only `std` can set up; and this process itself.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::Arc;

use rustix::process::{Pid, PidfdFlags};

use super::child::{end, prepare, run, Birth};
use super::clone::{finish, not_made, reap};
use super::exec::exec;
use super::plan::{Failure, Life, Plan, Stage, Step};
use super::raw::call;
use super::report::{Report, SharedReport};
use super::signal::Blocked;

/// As [`clone::spawn`](super::clone::spawn), by `fork`.
pub(super) fn spawn(plan: &Plan<'_>) -> Result<(OwnedFd, u32), Failure> {
    if plan.life != Life::Child {
        return Err(Failure { stage: Stage::Clone, errno: libc::EINVAL });
    }
    let report = SharedReport::new().map_err(not_made)?;
    let (ours, theirs) = link(plan).map_err(not_made)?;
    let birth = late(plan, &report);
    let blocked = Blocked::all();
    // SAFETY: the child makes raw system calls, and runs closures whose authors have promised what that needs.
    match unsafe { libc::fork() } {
        -1 => Err(not_made(io::Error::last_os_error())),
        // SAFETY: this is the new process.
        0 => unsafe { start(ours.as_raw_fd(), theirs.as_raw_fd(), &birth) },
        pid => {
            drop((blocked, theirs));
            match pidfd_open(pid) {
                Ok(pidfd) => {
                    until_executed(&ours);
                    finish((pidfd, pid as u32), &report)
                }
                Err(error) => {
                    // It sees that we have hung up, and ends.
                    drop(ours);
                    // SAFETY: no status is written. It is our child, and not reaped yet; else this finds nothing.
                    while unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) } == -1
                        && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted
                    {
                    }
                    Err(not_made(error))
                }
            }
        }
    }
}

/// The child waits until we have its pidfd: until then, it must not end and be reaped by somebody else.
///
/// # Safety
/// In a new process.
unsafe fn start(ours: RawFd, theirs: RawFd, birth: &Birth<'_>) -> ! {
    let mut byte = 0u8;
    // SAFETY: the table is this process's own, and one byte is read into one. The rest is the caller's promise.
    unsafe {
        let _ = call(libc::SYS_close, [ours as usize, 0, 0, 0, 0]);
        loop {
            match call(libc::SYS_read, [theirs as usize, &mut byte as *mut u8 as usize, 1, 0, 0]) {
                Err(libc::EINTR) => {}
                Ok(1) => run(birth),
                _ => end(),
            }
        }
    }
}

/// Lets the child go on, and waits until its end of the link is closed: by `execve`, or by its own end.
fn until_executed(ours: &OwnedFd) {
    // SAFETY: one byte is read from the text.
    unsafe { libc::send(ours.as_raw_fd(), c"1".as_ptr().cast(), 1, libc::MSG_NOSIGNAL) };
    while let Err(rustix::io::Errno::INTR) = rustix::io::read(ours, &mut [0]) {}
}

/// Two ends of a socket: ours, and one for the child whose number it can keep until its `execve`.
fn link(plan: &Plan<'_>) -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [-1; 2];
    let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC;
    // SAFETY: two descriptors are written.
    if unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, ends.as_mut_ptr()) } == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel made both for us.
    let [ours, theirs] = ends.map(|end| unsafe { OwnedFd::from_raw_fd(end) });
    Ok((ours, keep_clear(theirs, plan)?))
}

/// Moves a descriptor to a number that the child will not install another one under.
fn keep_clear(mut fd: OwnedFd, plan: &Plan<'_>) -> io::Result<OwnedFd> {
    while fd.as_raw_fd() <= 2 || plan.fds.iter().any(|(number, _)| *number == fd.as_raw_fd()) {
        let next = (fd.as_raw_fd() + 1).max(3);
        fd = rustix::io::fcntl_dupfd_cloexec(&fd, next).map_err(|error| match error {
            // The limit does not allow the number.
            rustix::io::Errno::INVAL => rustix::io::Errno::MFILE,
            error => error,
        })?;
    }
    Ok(fd)
}

fn late<'a>(plan: &'a Plan<'a>, report: &'a Report) -> Birth<'a> {
    Birth {
        plan,
        report,
        place: None,
        has_handlers: true,
        joins_cgroup: true,
        closes_late: true,
        is_guarded: false,
        parent: plan.noticed_parent(),
    }
}

/// A command of `std`, which sets up what only `std` can: the three standard descriptors. A plan does all else.
pub(crate) struct Carrier {
    command: std::process::Command,
    /// The address of an `Order`, which is there while `command` is at work.
    order: Arc<AtomicPtr<()>>,
}

enum Order<'a> {
    /// For a child, and where it leaves a pidfd of itself.
    Run(&'a Birth<'a>, Option<RawFd>),
    /// For this process.
    Become(&'a Plan<'a>, &'a Report),
}

impl Carrier {
    pub(crate) fn new(mut command: std::process::Command) -> Carrier {
        let order = Arc::new(AtomicPtr::new(std::ptr::null_mut()));
        let given = Arc::clone(&order);
        let ignores_pipe = ignores(libc::SIGPIPE);
        let act = move || {
            if ignores_pipe {
                // SAFETY: a system call. `std` has reset what the plan may want to keep.
                unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
            }
            // SAFETY: `give` has put it there, and it lives until `std` is done.
            match unsafe { &*(given.load(Ordering::Relaxed) as *const Order<'_>) } {
                Order::Run(birth, theirs) => {
                    if let Some(theirs) = theirs {
                        send_pidfd(*theirs);
                    }
                    // SAFETY: this is the new process.
                    unsafe { run(birth) }
                }
                Order::Become(plan, report) => {
                    let failure = exec_here(plan);
                    report.write(failure);
                    Err(io::Error::from_raw_os_error(failure.errno))
                }
            }
        };
        // SAFETY: in a new process it makes raw system calls on memory laid out before, allocates nothing, and runs
        // closures whose authors have promised as much.
        unsafe { command.pre_exec(act) };
        Carrier { command, order }
    }

    fn give<R>(&mut self, order: &Order<'_>, act: impl FnOnce(&mut std::process::Command) -> R) -> R {
        self.order.store(order as *const Order<'_> as *mut (), Ordering::Relaxed);
        act(&mut self.command)
    }

    /// Gives the child, and its pidfd if it could leave one.
    pub(crate) fn spawn(
        &mut self,
        plan: &Plan<'_>,
    ) -> Result<(std::process::Child, Option<OwnedFd>), Failure> {
        let report = SharedReport::new().map_err(not_made)?;
        let birth = late(plan, &report);
        let mut link = link(plan).ok();
        // No handler of ours runs in the child: `std` leaves the mask to the plan, which resets them first.
        let _blocked = Blocked::all();
        let child = loop {
            let order = Order::Run(&birth, link.as_ref().map(|(_, theirs)| theirs.as_raw_fd()));
            match self.give(&order, std::process::Command::spawn) {
                // A child without a pidfd is better than no child.
                Err(error) if error.raw_os_error() == Some(libc::EMFILE) && link.is_some() => link = None,
                result => break result.map_err(not_made)?,
            }
        };
        let pidfd = link.and_then(|(ours, _)| receive_pidfd(&ours));
        match report.read() {
            None => Ok((child, pidfd)),
            Some(failure) => {
                pidfd.or_else(|| pidfd_open(child.id() as i32).ok()).iter().for_each(reap);
                Err(failure)
            }
        }
    }

    /// As [`exec_here`].
    pub(crate) fn exec(&mut self, plan: &Plan<'_>) -> Failure {
        let report = Report::default();
        let error = self.give(&Order::Become(plan, &report), std::process::Command::exec);
        report.read().unwrap_or_else(|| not_made(error))
    }
}

fn pidfd_open(pid: i32) -> io::Result<OwnedFd> {
    let pid = Pid::from_raw(pid).ok_or(rustix::io::Errno::SRCH)?;
    Ok(rustix::process::pidfd_open(pid, PidfdFlags::empty())?)
}

/// A message with one descriptor, in the layout of the kernel.
#[repr(C)]
struct Passed {
    header: libc::cmsghdr,
    fd: RawFd,
}

/// The data that goes with it: one byte.
fn message(passed: &mut Passed, byte: &mut libc::iovec) -> libc::msghdr {
    // SAFETY: numbers and pointers, for which all-zero bytes are valid.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    (message.msg_iov, message.msg_iovlen) = (byte, 1);
    message.msg_control = (passed as *mut Passed).cast();
    message.msg_controllen = size_of::<Passed>() as _;
    message
}

fn passing(fd: RawFd) -> Passed {
    // SAFETY: numbers, for which all-zero bytes are valid.
    let mut header: libc::cmsghdr = unsafe { std::mem::zeroed() };
    header.cmsg_len = (size_of::<libc::cmsghdr>() + size_of::<RawFd>()) as _;
    (header.cmsg_level, header.cmsg_type) = (libc::SOL_SOCKET, libc::SCM_RIGHTS);
    Passed { header, fd }
}

/// Makes a child leave a pidfd of itself. After `std` has spawned it, it may be gone already: SIGCHLD may be ignored, or
/// somebody else may wait for all children.
fn send_pidfd(theirs: RawFd) {
    let mut byte = 1u8;
    let mut part = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
    // SAFETY: the message is one of two structures and a byte, which are there; the descriptors are this child's own.
    unsafe {
        let me = call(libc::SYS_getpid, [0; 5]).unwrap_or(0);
        if let Ok(pidfd) = call(libc::SYS_pidfd_open, [me, 0, 0, 0, 0]) {
            let mut passed = passing(pidfd as RawFd);
            let message = message(&mut passed, &mut part);
            let _ = call(libc::SYS_sendmsg, [theirs as usize, &raw const message as usize, 0, 0, 0]);
            let _ = call(libc::SYS_close, [pidfd, 0, 0, 0, 0]);
        }
    }
}

fn receive_pidfd(ours: &OwnedFd) -> Option<OwnedFd> {
    let mut byte = 0u8;
    let mut part = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
    let mut passed = passing(-1);
    let mut message = message(&mut passed, &mut part);
    let flags = libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC;
    // SAFETY: the kernel writes to the two structures and the byte, which are there.
    let length = unsafe { libc::recvmsg(ours.as_raw_fd(), &mut message, flags) };
    // SAFETY: the kernel made this descriptor for us, if it says that there is one.
    (length == 1 && message.msg_controllen != 0 && passed.fd != -1)
        .then(|| unsafe { OwnedFd::from_raw_fd(passed.fd) })
}

fn ignores(signal: i32) -> bool {
    disposition(signal).is_some_and(|action| action.sa_sigaction == libc::SIG_IGN)
}

fn disposition(signal: i32) -> Option<libc::sigaction> {
    let mut action = MaybeUninit::zeroed();
    // SAFETY: the call fills the structure, for which all-zero bytes are valid, and changes nothing.
    unsafe {
        let known = libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()) == 0;
        known.then(|| action.assume_init())
    }
}

/// Does what the plan says in this process, up to `execve`. Returns only if something fails. Then signal dispositions,
/// the signal mask, and what stays open over an `execve`, are as they were.
pub(crate) fn exec_here(plan: &Plan<'_>) -> Failure {
    let report = Report::default();
    let signals = plan.steps.iter().filter_map(|step| match step {
        Step::DefaultDisposition(signal) => Some(*signal),
        _ => None,
    });
    let dispositions: Vec<_> = signals.filter_map(|signal| Some((signal, disposition(signal)?))).collect();
    let kept = kept_over_exec(plan.close);
    let mask = Blocked::nothing();
    let birth = Birth { has_handlers: false, parent: None, ..late(plan, &report) };
    // SAFETY: what it changes is this process's own, and its caller wants it changed.
    let failure = match unsafe { prepare(&birth) } {
        Err((stage, errno)) => Failure { stage, errno },
        // SAFETY: as above.
        Ok(()) => unsafe { exec(plan) },
    };
    drop(mask);
    for (signal, action) in dispositions {
        // SAFETY: the action is one that was there before.
        unsafe { libc::sigaction(signal, &action, std::ptr::null_mut()) };
    }
    for fd in kept {
        // SAFETY: it is as it was.
        unsafe { libc::fcntl(fd, libc::F_SETFD, 0) };
    }
    failure
}

/// The descriptors in the ranges that stay open over an `execve`.
fn kept_over_exec(ranges: &[(u32, u32)]) -> Vec<RawFd> {
    let listed = std::fs::read_dir("/proc/self/fd").map(|entries| {
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        names.filter_map(|name| name.parse().ok()).collect::<Vec<RawFd>>()
    });
    let all = listed.unwrap_or_else(|_| (0..FEW).collect());
    let in_ranges =
        all.into_iter().filter(|&fd| ranges.iter().any(|range| (range.0..=range.1).contains(&(fd as u32))));
    // SAFETY: it only asks.
    in_ranges.filter(|&fd| unsafe { libc::fcntl(fd, libc::F_GETFD) } == 0).collect()
}

/// Without `/proc`, this many descriptors are looked at.
const FEW: RawFd = 4096;
