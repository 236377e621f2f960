//! The parent's side of a spawn: pipes, where descriptors live, and what to do about a failure.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use rustix::pipe::{pipe_with, PipeFlags};

use super::error::SpawnError;
use super::fds::{lift_all, out_of_the_way, Lifted, Ranges};
use super::layout::Layout;
use super::options::{describe, Options};
use super::stdio::Kind;
use crate::pidfd::Pidfd;
use crate::sync::lock;
use crate::sys::clone::{self, Failure, Life, Plan, Source, Stage, Step};

/// How often a program that is open for writing (`ETXTBSY`) is tried again: another thread's child may hold
/// the descriptor by which it was written, until it calls `execve`. About a tenth of a second in all.
pub(super) const BUSY_RETRIES: u32 = 8;

/// What cannot be done where there is neither `close_range` nor `/proc`.
pub(super) const FIND_DESCRIPTORS: &str =
    "find the child's descriptors in /proc/self/fd, without close_range";

pub(super) fn wait_while_busy(retry: u32) {
    thread::sleep(Duration::from_micros(500) * 2u32.pow(retry));
}

/// Held while a child of another user runs on our memory. Until it has left, its user must not be able to trace
/// it, and so this process must not become dumpable again because another such child has left.
static CHANGING_USER: Mutex<()> = Mutex::new(());

/// A new process, and our ends of its pipes.
#[derive(Debug)]
pub(super) struct Spawned {
    pub(super) pidfd: Pidfd,
    pub(super) pid: u32,
    pub(super) pipes: [Option<OwnedFd>; 3],
    /// Whether the kernel reaps it.
    pub(super) autoreaped: bool,
}

/// Why there is no process.
#[derive(Debug)]
pub(super) enum NoProcess {
    /// This system refuses `clone3`: `std` may still do it.
    Refused,
    /// This kernel does not reap or kill as the plan wants it; with the errno.
    NoSuchLife(i32),
    Error(io::Error),
}

impl<E: Into<io::Error>> From<E> for NoProcess {
    fn from(error: E) -> NoProcess {
        NoProcess::Error(error.into())
    }
}

pub(super) fn spawn(layout: &Layout, options: &Options, stdio: [&Kind; 3]) -> Result<Spawned, NoProcess> {
    let mut pipes = [None, None, None];
    let mut theirs = [None, None, None];
    let mut sources = [Source::Inherit; 3];
    for number in 0..3 {
        let source = match stdio[number] {
            Kind::Inherit | Kind::Std(_) => continue,
            Kind::Null => {
                sources[number] = Source::Null;
                continue;
            }
            Kind::Fd(fd) => Lifted::new(fd, options)?,
            Kind::Piped => {
                let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
                let (our, their) = if number == 0 { (write, read) } else { (read, write) };
                pipes[number] = Some(out_of_the_way(our));
                Lifted::owned(their, options)?
            }
        };
        sources[number] = Source::Fd(source.number());
        theirs[number] = Some(source);
    }
    let lifted = lift_all(options)?;
    let fds: Vec<_> =
        options.fds.iter().zip(&lifted).map(|((number, _), source)| (*number, source.number())).collect();
    let highest = theirs.iter().flatten().chain(&lifted).map(Lifted::number).fold(2, RawFd::max);
    let first_unneeded = highest as u32 + 1;
    let last = if options.inherit_fds { u32::MAX } else { first_unneeded - 1 };
    let to_close = Ranges::to_close(options, installed(&sources), &fds, last);
    let mut plan = Plan {
        life: Life::Child,
        cgroup: options.cgroup.as_ref().map(|cgroup| cgroup.as_raw_fd()),
        first_unneeded: (!options.inherit_fds).then_some(first_unneeded),
        stdio: sources,
        fds: &fds,
        close: to_close.as_slice(),
        close_singly: false,
        steps: &layout.steps,
        programs: &layout.programs,
        likely: layout.likely,
        argv: &layout.argv,
        envp: &layout.envp,
    };
    let changing = options.changes_user().then(|| lock(&CHANGING_USER));
    let dumpable = changing.as_ref().map(|_| rustix::process::dumpable_behavior());
    let result = match options.life() {
        Life::Child => run(&mut plan, layout, options),
        life => run_by_kernel(&mut plan, layout, options, life),
    };
    if let Some(Ok(dumpable)) = dumpable {
        // The child changed its user on our memory, for which the kernel took that right from us.
        let _ = rustix::process::set_dumpable_behavior(dumpable);
    }
    drop(changing);
    let (pidfd, pid) = result?;
    let autoreaped = plan.life != Life::Child;
    Ok(Spawned { pidfd: Pidfd::from(out_of_the_way(pidfd)), pid, pipes, autoreaped })
}

/// Whether this kernel has not got the flags of Linux 7.1: found out by the first spawn that wants them.
static NO_AUTOREAP: AtomicBool = AtomicBool::new(false);

/// Spawns a child that the kernel reaps, and kills with us if that is wanted; or an ordinary one.
fn run_by_kernel(
    plan: &mut Plan<'_>,
    layout: &Layout,
    options: &Options,
    life: Life,
) -> Result<(OwnedFd, u32), NoProcess> {
    if !NO_AUTOREAP.load(Ordering::Relaxed) {
        let all = plan.steps;
        plan.life = life;
        if let (Life::Autokill { .. }, Some((Step::ParentDeathSignal(..), others))) = (life, all.split_last())
        {
            plan.steps = others;
        }
        match run(plan, layout, options) {
            Err(NoProcess::NoSuchLife(errno)) => {
                // EPERM: the right to have others killed, which not everybody has.
                NO_AUTOREAP.store(errno == libc::EINVAL, Ordering::Relaxed);
            }
            result => return result,
        }
        plan.life = Life::Child;
        plan.steps = all;
    }
    run(plan, layout, options)
}

/// Spawns, and again where another way may succeed.
fn run(plan: &mut Plan<'_>, layout: &Layout, options: &Options) -> Result<(OwnedFd, u32), NoProcess> {
    let mut busy = 0;
    loop {
        let Failure { stage, errno } = match clone::spawn(plan) {
            Ok(process) => return Ok(process),
            Err(failure) => failure,
        };
        match (stage, errno) {
            (Stage::Clone, libc::EINVAL | libc::EPERM) if plan.life != Life::Child => {
                return Err(NoProcess::NoSuchLife(errno));
            }
            (Stage::Clone, libc::ENOSYS | libc::EPERM) if clone::is_refused() => {
                return Err(NoProcess::Refused);
            }
            (Stage::Unshare, _) => {
                // The child did nothing to the table that it shared: now with a copy of it.
                let to_close = Ranges::to_close(options, installed(&plan.stdio), plan.fds, u32::MAX);
                let plan = &mut Plan { first_unneeded: None, close: to_close.as_slice(), ..*plan };
                return run(plan, layout, options);
            }
            (Stage::CloseFds, _) if !plan.close_singly => {
                return run(&mut Plan { close_singly: true, ..*plan }, layout, options);
            }
            (Stage::Exec(_), libc::ETXTBSY) if busy < BUSY_RETRIES => {
                wait_while_busy(busy);
                busy += 1;
            }
            (Stage::Exec(program), libc::ENOEXEC)
                if !options.no_shell && std::ptr::eq(plan.argv, &layout.argv) =>
            {
                let (shell, argv) = layout.argv_for_shell(program);
                return run(&mut Plan { programs: &shell, likely: 0, argv: &argv, ..*plan }, layout, options);
            }
            (Stage::Exec(program), _) => return Err(failed(stage_of_exec(layout, program), errno)),
            (Stage::Clone, _) => return Err(failed("make a process (clone3)".into(), errno)),
            (Stage::Stdio(number), _) => {
                let name = ["input", "output", "error"][number];
                return Err(failed(format!("set up the child's standard {name}"), errno));
            }
            (Stage::Fd(number), _) => {
                // The source is open: it is the number that the limit (`RLIMIT_NOFILE`) does not allow.
                let errno = if errno == libc::EBADF { libc::EMFILE } else { errno };
                return Err(failed(format!("give the child descriptor {number} (dup3)"), errno));
            }
            (Stage::CloseFds, _) => return Err(failed(FIND_DESCRIPTORS.into(), errno)),
            (Stage::Step(index), _) => return Err(failed(describe(&layout.steps[index]), errno)),
        }
    }
}

fn installed(stdio: &[Source; 3]) -> [bool; 3] {
    stdio.map(|source| source != Source::Inherit)
}

fn failed(what: String, errno: i32) -> NoProcess {
    NoProcess::Error(SpawnError::new(what, errno).into())
}

fn stage_of_exec(layout: &Layout, program: usize) -> String {
    // Of several places that were searched, none is to blame: the name says more.
    let tried = layout.programs.iter().nth(program).map_or(&b""[..], CStr::to_bytes);
    let name = match layout.programs.pointers() {
        [_] => tried,
        _ => tried.rsplit(|&byte| byte == b'/').next().unwrap_or_default(),
    };
    format!("run {:?}", String::from_utf8_lossy(name))
}
