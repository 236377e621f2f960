//! The parent's side of a spawn: pipes, where descriptors live, and what to do about a failure.

pub(super) mod by_std;
pub(super) mod layout;
mod lift;
pub(super) mod started;

use std::io;
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use rustix::pipe::{pipe_with, PipeFlags};

use super::describe::{describe, quoted};
use super::error::SpawnError;
use super::options::Options;
use crate::child::Kind;
use crate::pidfd::Pidfd;
use crate::sync::lock;
use crate::sys::clone;
use crate::sys::plan::{Failure, Life, Plan, Source, Stage, Step};
use layout::Layout;
use lift::{lift_all, out_of_the_way, Lifted, Ranges};

/// What is inherited unless set.
pub(super) const INHERITED: [Kind; 3] = [Kind::Inherit, Kind::Inherit, Kind::Inherit];

/// How often a program that is open for writing (`ETXTBSY`) is tried again: another thread's child may hold
/// the descriptor by which it was written, until it calls `execve`. About a tenth of a second in all.
const BUSY_RETRIES: u32 = 8;

/// What cannot be done where there is neither `close_range` nor `/proc`.
const FIND_DESCRIPTORS: &str = "find the child's descriptors in /proc/self/fd, without close_range";

fn wait_while_busy(retry: u32) {
    thread::sleep(Duration::from_micros(500) * 2u32.pow(retry));
}

/// Held while a child of another user runs on our memory.
///
/// The kernel makes memory undumpable when one who runs on it changes its credentials: the new user could trace the
/// child otherwise, and so read and write us. The parent sets its right back once the child has left. If two such
/// children ran at once, the parent of the first would do so while the second still runs.
static CHANGING_USER: Mutex<()> = Mutex::new(());

/// A new process, and our ends of its pipes.
#[derive(Debug)]
pub(super) struct Spawned {
    pidfd: Pidfd,
    pid: u32,
    pipes: [Option<OwnedFd>; 3],
    /// Whether the kernel reaps it.
    autoreaped: bool,
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

/// The child's standard descriptors, and our ends of its pipes.
struct Standard<'a> {
    theirs: [Theirs<'a>; 3],
    pipes: [Option<OwnedFd>; 3],
}

enum Theirs<'a> {
    Inherit,
    Null,
    Fd(Lifted<'a>),
}

impl<'a> Standard<'a> {
    fn open(stdio: [&'a Kind; 3], options: &Options) -> io::Result<Standard<'a>> {
        let mut theirs = [Theirs::Inherit, Theirs::Inherit, Theirs::Inherit];
        let mut pipes = [None, None, None];
        for number in 0..3 {
            theirs[number] = match stdio[number] {
                Kind::Inherit | Kind::Std(_) => Theirs::Inherit,
                Kind::Null => Theirs::Null,
                Kind::Fd(fd) => Theirs::Fd(Lifted::new(fd, options)?),
                Kind::Piped => {
                    let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
                    let (our, their) = if number == 0 { (write, read) } else { (read, write) };
                    pipes[number] = Some(out_of_the_way(our));
                    Theirs::Fd(Lifted::owned(their, options)?)
                }
            };
        }
        Ok(Standard { theirs, pipes })
    }

    fn sources(&self) -> [Source<'_>; 3] {
        self.theirs.each_ref().map(|theirs| match theirs {
            Theirs::Inherit => Source::Inherit,
            Theirs::Null => Source::Null,
            Theirs::Fd(fd) => Source::Fd(fd.as_fd()),
        })
    }

    fn lifted(&self) -> impl Iterator<Item = &Lifted<'a>> {
        self.theirs.iter().filter_map(|theirs| match theirs {
            Theirs::Fd(fd) => Some(fd),
            Theirs::Inherit | Theirs::Null => None,
        })
    }
}

pub(super) fn spawn(layout: &Layout, options: &Options, stdio: [&Kind; 3]) -> Result<Spawned, NoProcess> {
    let standard = Standard::open(stdio, options)?;
    let lifted = lift_all(options)?;
    let numbers: Vec<_> = options.fds.iter().map(|(number, _)| *number).collect();
    let fds: Vec<_> = numbers.iter().copied().zip(lifted.iter().map(Lifted::as_fd)).collect();
    let highest = standard.lifted().chain(&lifted).map(Lifted::number).fold(2, RawFd::max);
    let first_unneeded = highest as u32 + 1;
    let last = if options.inherit_fds { u32::MAX } else { first_unneeded - 1 };
    let sources = standard.sources();
    let to_close = Ranges::to_close(options, installed(&sources), &numbers, last);
    let mut plan = Plan {
        life: Life::Child,
        cgroup: options.cgroup.as_ref().map(|cgroup| cgroup.as_fd()),
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
    let attempts = Attempts { layout, options };
    let (pidfd, pid) = attempts.keeping_dumpable(&mut plan)?;
    let autoreaped = plan.life != Life::Child;
    let pipes = standard.pipes;
    Ok(Spawned { pidfd: Pidfd::from(out_of_the_way(pidfd)), pid, pipes, autoreaped })
}

/// Whether this kernel has not got the flags of Linux 7.1: found out by the first spawn that wants them.
static NO_AUTOREAP: AtomicBool = AtomicBool::new(false);

/// Spawns, and again where another way may succeed.
struct Attempts<'a> {
    layout: &'a Layout,
    options: &'a Options,
}

type Process = Result<(OwnedFd, u32), NoProcess>;

impl Attempts<'_> {
    /// Undoes what a child of another user does to our memory: see [`CHANGING_USER`].
    fn keeping_dumpable(&self, plan: &mut Plan<'_>) -> Process {
        if !self.options.changes_user() {
            return self.living(plan);
        }
        let _changing = lock(&CHANGING_USER);
        let dumpable = rustix::process::dumpable_behavior();
        let process = self.living(plan);
        if let Ok(dumpable) = dumpable {
            let _ = rustix::process::set_dumpable_behavior(dumpable);
        }
        process
    }

    /// Spawns a child that the kernel reaps, and kills with us if that is wanted; or an ordinary one.
    fn living(&self, plan: &mut Plan<'_>) -> Process {
        let life = self.options.life();
        if life == Life::Child || NO_AUTOREAP.load(Ordering::Relaxed) {
            return self.run(plan);
        }
        let all = plan.steps;
        plan.life = life;
        if let (Life::Autokill { .. }, Some((Step::ParentDeathSignal(..), others))) = (life, all.split_last())
        {
            plan.steps = others;
        }
        match self.run(plan) {
            Err(NoProcess::NoSuchLife(errno)) => {
                // EPERM: the right to have others killed, which not everybody has.
                NO_AUTOREAP.store(errno == libc::EINVAL, Ordering::Relaxed);
                plan.life = Life::Child;
                plan.steps = all;
                self.run(plan)
            }
            process => process,
        }
    }

    fn run(&self, plan: &mut Plan<'_>) -> Process {
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
                    let numbers: Vec<_> = plan.fds.iter().map(|&(number, _)| number).collect();
                    let to_close = Ranges::to_close(self.options, installed(&plan.stdio), &numbers, u32::MAX);
                    return self.run(&mut Plan { first_unneeded: None, close: to_close.as_slice(), ..*plan });
                }
                (Stage::CloseFds, _) if !plan.close_singly => {
                    return self.run(&mut Plan { close_singly: true, ..*plan });
                }
                (Stage::Exec(_), libc::ETXTBSY) if busy < BUSY_RETRIES => {
                    wait_while_busy(busy);
                    busy += 1;
                }
                (Stage::Exec(program), libc::ENOEXEC) if self.may_run_by_shell(plan) => {
                    let (shell, argv) = self.layout.argv_for_shell(program);
                    return self.run(&mut Plan { programs: &shell, likely: 0, argv: &argv, ..*plan });
                }
                _ => return Err(self.name(stage, errno)),
            }
        }
    }

    /// A script that does not name its interpreter goes to the shell; the shell does not go to the shell.
    fn may_run_by_shell(&self, plan: &Plan<'_>) -> bool {
        !self.options.no_shell && std::ptr::eq(plan.argv, &self.layout.argv)
    }

    /// Says what could not be done.
    fn name(&self, stage: Stage, errno: i32) -> NoProcess {
        let (what, errno) = match stage {
            Stage::Clone | Stage::Unshare => ("make a process (clone3)".into(), errno),
            Stage::Stdio(number) => {
                let name = ["input", "output", "error"][number];
                (format!("set up the child's standard {name}"), errno)
            }
            Stage::Fd(number) => {
                // The source is open: it is the number that the limit (`RLIMIT_NOFILE`) does not allow.
                let errno = if errno == libc::EBADF { libc::EMFILE } else { errno };
                (format!("give the child descriptor {number} (dup3)"), errno)
            }
            Stage::CloseFds => (FIND_DESCRIPTORS.into(), errno),
            Stage::Step(index) => (describe(&self.layout.steps[index]), errno),
            Stage::Exec(program) => (format!("run {}", quoted(self.layout.program(program))), errno),
        };
        NoProcess::Error(SpawnError::new(what, errno).into())
    }
}

fn installed(stdio: &[Source<'_>; 3]) -> [bool; 3] {
    stdio.each_ref().map(|source| !matches!(source, Source::Inherit))
}
