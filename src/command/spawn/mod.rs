//! The parent's side of a spawn: pipes, where descriptors live, and what to do about a failure.

pub(super) mod by_std;
pub(super) mod layout;
mod lift;
pub(super) mod started;

use std::cell::Cell;
use std::convert::Infallible;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::pipe::{pipe_with, PipeFlags};

use super::describe::{describe, quoted};
use super::error::SpawnError;
use super::options::Options;
use crate::child::Kind;
use crate::pidfd::{Pidfd, Signal};
use crate::sys::clone;
use crate::sys::fork::exec_here;
use crate::sys::low::above_stdio;
use crate::sys::plan::{Environment, Failure, Life, Memory, Plan, PreExec, Source, Stage};
use layout::{own_environment, Layout};
use lift::{copy_from, lift_all, out_of_the_way, Lifted, Ranges};

/// What is inherited unless set.
pub(super) const INHERITED: [Kind; 3] = [Kind::Inherit, Kind::Inherit, Kind::Inherit];

/// How often a program that is open for writing (`ETXTBSY`) is tried again: another thread's child may hold
/// the descriptor by which it was written, until it calls `execve`. About a tenth of a second in all.
const BUSY_RETRIES: u32 = 8;

fn wait_while_busy(retry: u32) {
    thread::sleep(Duration::from_micros(500) * 2u32.pow(retry));
}

/// A new process, and our ends of its pipes.
#[derive(Debug)]
pub(super) struct Spawned {
    pidfd: Pidfd,
    pid: u32,
    pipes: [Option<OwnedFd>; 3],
    /// Whether the kernel reaps it.
    autoreaped: bool,
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
        if stdio.iter().all(|kind| matches!(kind, Kind::Inherit)) {
            // As of most children, which is not to cost them anything.
            return Ok(Standard { theirs, pipes });
        }
        for (number, kind) in stdio.into_iter().enumerate() {
            theirs[number] = match kind {
                Kind::Inherit | Kind::Std(_) => continue,
                Kind::Null => Theirs::Null,
                Kind::None(errno) => return Err(io::Error::from_raw_os_error(*errno)),
                Kind::Fd(fd) => Theirs::Fd(Lifted::new(fd, options)?),
                Kind::Piped => {
                    let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
                    let (our, their) = if number == 0 { (write, read) } else { (read, write) };
                    pipes[number] = Some(out_of_the_way(above_stdio(our)?));
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

/// A command as it was laid out, to be run.
pub(super) struct Job<'a> {
    pub(super) layout: &'a Layout,
    pub(super) options: &'a Options,
    pub(super) acts: &'a [PreExec],
}

/// A process, or what failed.
type Made<P> = Result<P, Failure>;

impl Job<'_> {
    pub(super) fn spawn(&self, stdio: [&Kind; 3]) -> io::Result<Spawned> {
        let standard = Standard::open(stdio, self.options)?;
        let lifted = lift_all(self.options)?;
        let fds = self.sources(&lifted);
        let highest = standard.lifted().chain(&lifted).map(Lifted::number).fold(2, RawFd::max);
        // A child that `fork` makes has a table of its own from the start.
        let leaves_table = !self.options.inherit_fds && self.acts.is_empty();
        let last = if leaves_table { highest as u32 } else { u32::MAX };
        let stdio = standard.sources();
        let to_close = Ranges::to_close(self.options, installed(&stdio), &fds, last);
        let mut plan = Plan {
            first_unneeded: leaves_table.then_some(highest as u32 + 1),
            ..self.plan(stdio, &fds, to_close.as_slice())
        };
        let (pidfd, pid) = self.living(&mut plan)?;
        let autoreaped = plan.life != Life::Child;
        let pipes = standard.pipes;
        Ok(Spawned { pidfd: keep(pidfd)?, pid, pipes, autoreaped })
    }

    /// Has this process become the program; or says why not.
    pub(super) fn exec(&self, stdio: [&Kind; 3]) -> io::Result<io::Error> {
        let standard = Standard::open(stdio, self.options)?;
        let lifted = lift_all(self.options)?;
        let fds = self.sources(&lifted);
        let stdio = standard.sources();
        let to_close = Ranges::to_close(self.options, installed(&stdio), &fds, u32::MAX);
        let mut plan = self.plan(stdio, &fds, to_close.as_slice());
        self.replace(&mut plan, exec_here)
    }

    /// As [`run`](Job::run), for this process: what it has done, it does not do again.
    fn replace(&self, plan: &mut Plan<'_>, act: impl Fn(&Plan<'_>) -> Failure) -> io::Result<io::Error> {
        let has_executed = Cell::new(false);
        let made: io::Result<Infallible> = self.run(plan, &|plan| {
            let failure = if has_executed.get() { act(&plan.rest()) } else { act(plan) };
            has_executed.set(has_executed.get() || matches!(failure.stage, Stage::Exec(_)));
            Err(failure)
        });
        made.map_or_else(Ok, |never| match never {})
    }

    /// Of a child with a descriptor table of its own; some of the three may have been set up before.
    fn to_close(
        &self,
        stdio: &[Source<'_>; 3],
        before: [bool; 3],
        fds: &[(RawFd, BorrowedFd<'_>)],
    ) -> Ranges {
        let by_plan = installed(stdio);
        let installed = [0, 1, 2].map(|number| before[number] || by_plan[number]);
        Ranges::to_close(self.options, installed, fds, u32::MAX)
    }

    fn sources<'l>(&self, lifted: &'l [Lifted<'_>]) -> Vec<(RawFd, BorrowedFd<'l>)> {
        self.options.fds.iter().map(|(number, _)| *number).zip(lifted.iter().map(Lifted::as_fd)).collect()
    }

    /// With a descriptor table of its own.
    fn plan<'p>(
        &'p self,
        stdio: [Source<'p>; 3],
        fds: &'p [(RawFd, BorrowedFd<'p>)],
        close: &'p [(u32, u32)],
    ) -> Plan<'p> {
        Plan {
            life: Life::Child,
            memory: self.options.memory(),
            cgroup: self.options.cgroup.as_ref().map(|cgroup| cgroup.as_fd()),
            first_unneeded: None,
            stdio,
            fds,
            close,
            close_singly: false,
            steps: &self.layout.steps,
            parent_death: self.options.parent_death(),
            raise: 0,
            acts: self.acts,
            programs: &self.layout.programs,
            argv: &self.layout.argv,
            environment: self.layout.environment(),
        }
    }

    /// Spawns a child that the kernel reaps, and kills with us if that is wanted; or an ordinary one.
    fn living(&self, plan: &mut Plan<'_>) -> io::Result<(OwnedFd, u32)> {
        /// Whether this kernel has not got the flags of Linux 7.1: found out by the first spawn that wants them.
        static NO_AUTOREAP: AtomicBool = AtomicBool::new(false);
        let life = self.options.life();
        // A child that `fork` makes cannot have them.
        if life != Life::Child && self.acts.is_empty() && !NO_AUTOREAP.load(Ordering::Relaxed) {
            let by_kernel =
                Plan { life, parent_death: plan.parent_death.filter(|_| life == Life::Autoreap), ..*plan };
            let refused = Cell::new(None);
            let made = self.run(&mut { by_kernel }, &|plan| {
                clone::spawn(plan).inspect_err(|failure| {
                    if let Failure { stage: Stage::Clone, errno: errno @ (libc::EINVAL | libc::EPERM) } =
                        *failure
                    {
                        refused.set(Some(errno));
                    }
                })
            });
            match refused.get() {
                None => {
                    plan.life = life;
                    return made;
                }
                // EPERM: the right to have others killed, which not everybody has.
                Some(errno) => NO_AUTOREAP.store(errno == libc::EINVAL, Ordering::Relaxed),
            }
        }
        self.run(plan, &|plan| clone::spawn(plan))
    }

    /// Makes a process, and again where another way may succeed.
    fn run<P>(&self, plan: &mut Plan<'_>, make: &dyn Fn(&Plan<'_>) -> Made<P>) -> io::Result<P> {
        let mut busy = 0;
        loop {
            let Failure { stage, errno } = match make(plan) {
                Ok(process) => return Ok(process),
                Err(failure) => failure,
            };
            match (stage, errno) {
                (Stage::Unshare, _) => {
                    // The child did nothing to the table that it shared: now with a copy of it.
                    let to_close = Ranges::to_close(self.options, installed(&plan.stdio), plan.fds, u32::MAX);
                    let plan = &mut Plan { first_unneeded: None, close: to_close.as_slice(), ..*plan };
                    return self.run(plan, make);
                }
                (Stage::CloseFds, _) if !plan.close_singly => plan.close_singly = true,
                (Stage::Signal, signals) if plan.memory == Memory::Shared => {
                    // Dumping core would have ended us: it gets its signals again, on memory of its own.
                    (plan.memory, plan.raise) = (Memory::Copied, signals as u32 as u64);
                }
                (Stage::Exec(_), libc::ETXTBSY) if busy < BUSY_RETRIES => {
                    wait_while_busy(busy);
                    busy += 1;
                }
                (Stage::Exec(_), libc::EFAULT) if matches!(plan.environment, Environment::Inherited) => {
                    // Another thread changed the environment meanwhile.
                    let copy = own_environment();
                    return self.run(&mut Plan { environment: Environment::Own(&copy), ..*plan }, make);
                }
                (Stage::Exec(program), libc::ENOEXEC) if self.may_run_by_shell(plan) => {
                    let (shell, argv) = self.layout.argv_for_shell(program);
                    return self.run(&mut Plan { programs: &shell, argv: &argv, ..*plan }, make);
                }
                _ => return Err(self.name(plan, stage, errno).into()),
            }
        }
    }

    /// A script that does not name its interpreter goes to the shell; the shell does not go to the shell.
    fn may_run_by_shell(&self, plan: &Plan<'_>) -> bool {
        !self.options.no_shell && self.is_laid_out(plan)
    }

    /// Whether it is not yet for the shell.
    fn is_laid_out(&self, plan: &Plan<'_>) -> bool {
        std::ptr::eq(plan.argv, &self.layout.argv)
    }

    /// Says what could not be done.
    fn name(&self, plan: &Plan<'_>, stage: Stage, errno: i32) -> SpawnError {
        let is_null = |number: usize| matches!(plan.stdio[number], Source::Null);
        let (what, errno) = match stage {
            Stage::Clone | Stage::Unshare | Stage::Signal => ("make a process (clone)".into(), errno),
            Stage::Cgroup => ("enter the cgroup (cgroup.procs)".into(), errno),
            Stage::Stdio(number) => {
                let name = ["input", "output", "error"][number];
                let act = if is_null(number) { "open /dev/null as" } else { "set up" };
                (format!("{act} the child's standard {name}"), errno)
            }
            Stage::Fd(number) => {
                // The source is open: it is the number that the limit (`RLIMIT_NOFILE`) does not allow.
                let errno = if errno == libc::EBADF { libc::EMFILE } else { errno };
                (format!("give the child descriptor {number} (dup3)"), errno)
            }
            Stage::CloseFds => {
                ("find the child's descriptors in /proc/self/fd, without close_range".into(), errno)
            }
            Stage::Step(index) => (describe(&self.layout.steps[index]), errno),
            Stage::ParentDeath => {
                let signal = Signal::from(self.options.parent_death().unwrap_or(0));
                (format!("ask for {signal} at the parent's death (PR_SET_PDEATHSIG)"), errno)
            }
            Stage::Act => ("do what was given to pre_exec".into(), errno),
            Stage::Exec(program) if self.is_laid_out(plan) => {
                (format!("run {}", quoted(self.layout.program(program))), errno)
            }
            Stage::Exec(_) => ("run /bin/sh, for a script without an interpreter".into(), errno),
        };
        SpawnError::new(what, errno)
    }
}

/// Moves the pidfd to where no child needs it, and nobody takes it for a standard descriptor. If it cannot be had there,
/// nothing is left of the process.
fn keep(pidfd: OwnedFd) -> io::Result<Pidfd> {
    let low = match pidfd.as_raw_fd() {
        0..=2 => pidfd,
        _ => return Ok(out_of_the_way(pidfd).into()),
    };
    copy_from(&low, 3).map(|pidfd| out_of_the_way(pidfd).into()).inspect_err(|_| {
        let pidfd = Pidfd::from(low);
        let _ = pidfd.kill().and_then(|()| pidfd.wait());
    })
}

fn installed(stdio: &[Source<'_>; 3]) -> [bool; 3] {
    stdio.each_ref().map(|source| !matches!(source, Source::Inherit))
}
