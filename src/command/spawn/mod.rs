//! The parent's side of a spawn: pipes, where descriptors live, and what to do about a failure.

pub(super) mod by_std;
mod launch;
pub(super) mod layout;
mod lift;
mod standard;
pub(super) mod started;

use std::cell::Cell;
use std::convert::Infallible;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread;

use super::error::SpawnError;
use super::options::Options;
use crate::child::Kind;
use crate::pidfd::Pidfd;
use crate::sys::clone;
use crate::sys::fork::exec_here;
use crate::sys::held::Held;
use crate::sys::low::out_of_the_way;
use crate::sys::needs::Needs;
use crate::sys::plan::{
    busy_wait, Environment, Failure, Life, Memory, Plan, PreExec, Source, Stage, BUSY_RETRIES,
};
use crate::watch::cgroup::Cgroup;
use layout::{own_environment, Layout};
use lift::{copy_from, lift_all, lift_needs, Ranges};
use standard::Standard;

pub(super) use launch::can_be_launched;

/// What is inherited unless set.
pub(super) const INHERITED: [Kind; 3] = [Kind::Inherit, Kind::Inherit, Kind::Inherit];

/// A new process, and our ends of its pipes.
#[derive(Debug)]
pub(super) struct Spawned {
    pidfd: Pidfd,
    pid: u32,
    pipes: [Option<OwnedFd>; 3],
    /// Whether the kernel reaps it.
    autoreaped: bool,
    cgroup: Option<Arc<Cgroup>>,
    /// The number of its launch; 0 if it was spawned.
    flight: u32,
}

/// A command as it was laid out, to be run.
pub(super) struct Job<'a> {
    pub(super) layout: &'a Layout,
    pub(super) options: &'a Options,
    pub(super) acts: &'a [PreExec],
}

/// Descriptors: those that the child gets, under these numbers, and those that it uses itself.
type Lifted = (Vec<(RawFd, Held)>, Option<Box<Needs>>);

/// A process, or what failed.
type Made<P> = Result<P, Failure>;

impl<'j> Job<'j> {
    pub(super) fn spawn(&self, stdio: [&Kind; 3]) -> io::Result<Spawned> {
        self.spawn_in(self.options.cgroup_of_child()?, stdio)
    }

    fn spawn_in(&self, cgroup: Option<Arc<Cgroup>>, stdio: [&Kind; 3]) -> io::Result<Spawned> {
        let mut standard = Standard::new();
        standard.open(stdio, self.options)?;
        let (fds, needs) = self.lift()?;
        let stdio = standard.sources();
        let highest = highest(&stdio, &fds, needs.as_deref());
        // On a copy, a child may have to enter its cgroup itself, and then needs that, too.
        let is_copied = self.options.memory() == Memory::Copied || !clone::SHARES_MEMORY;
        let entered = cgroup.as_ref().filter(|_| is_copied);
        let highest = entered.map_or(highest, |cgroup| highest.max(cgroup.as_fd().as_raw_fd()));
        // A child that `fork` makes has a table of its own from the start.
        let leaves_table = !self.options.inherit_fds && self.acts.is_empty() && !clone::ONLY_FORKS;
        let last = if leaves_table { highest as u32 } else { u32::MAX };
        let to_close = Ranges::to_close(self.options, installed(&stdio), &fds, needs.as_deref(), last);
        let mut plan = Plan {
            cgroup: cgroup.as_ref().map(|cgroup| cgroup.as_fd()),
            first_unneeded: leaves_table.then_some(highest as u32 + 1),
            ..self.plan(stdio, &fds, needs.as_deref(), to_close.as_slice())
        };
        let (pidfd, pid) = self.living(&mut plan)?;
        let autoreaped = plan.life != Life::Child;
        let pipes = standard.pipes;
        Ok(Spawned { pidfd: keep(pidfd)?, pid, pipes, autoreaped, cgroup, flight: 0 })
    }

    /// Has this process become the program; or says why not.
    pub(super) fn exec(&self, stdio: [&Kind; 3]) -> io::Result<io::Error> {
        let mut standard = Standard::new();
        standard.open(stdio, self.options)?;
        let (fds, needs) = self.lift()?;
        let stdio = standard.sources();
        let to_close = Ranges::to_close(self.options, installed(&stdio), &fds, needs.as_deref(), u32::MAX);
        let mut plan = self.plan(stdio, &fds, needs.as_deref(), to_close.as_slice());
        self.replace(&mut plan, exec_here)
    }

    /// As [`run`](Job::run), for this process: what it has done, it does not do again.
    fn replace(&self, plan: &mut Plan<'_>, act: impl Fn(&Plan<'_>) -> Failure) -> io::Result<io::Error> {
        let has_executed = Cell::new(false);
        let made: io::Result<Infallible> = self.run(plan, &|plan| {
            let failure = if has_executed.get() { act(&plan.rest()) } else { act(plan) };
            has_executed
                .set(has_executed.get() || matches!(failure.stage, Stage::Exec(_) | Stage::Script(_)));
            Err(failure)
        });
        made.map_or_else(Ok, |never| match never {})
    }

    /// Of a child with a descriptor table of its own; some of the three may have been set up before.
    fn to_close(
        &self,
        stdio: &[Source<'_>; 3],
        before: [bool; 3],
        fds: &[(RawFd, Held)],
        needs: Option<&Needs>,
    ) -> Ranges {
        let by_plan = installed(stdio);
        let installed = [0, 1, 2].map(|number| before[number] || by_plan[number]);
        Ranges::to_close(self.options, installed, fds, needs, u32::MAX)
    }

    /// The descriptors that the child gets, and those that it uses itself.
    #[inline(always)]
    fn lift(&self) -> io::Result<Lifted> {
        let has_needs = self.options.has_needs() || !self.layout.paths.is_empty();
        let needs = has_needs.then(|| lift_needs(self.options, &self.layout.paths));
        Ok((lift_all(self.options)?, needs.transpose()?))
    }

    /// With a descriptor table of its own.
    #[inline]
    fn plan<'p>(
        &self,
        stdio: [Source<'p>; 3],
        fds: &'p [(RawFd, Held)],
        needs: Option<&'p Needs>,
        close: &'p [(u32, u32)],
    ) -> Plan<'p>
    where
        'j: 'p,
    {
        Plan {
            memory: self.options.memory(),
            cgroup: self.options.cgroup.as_ref().map(|cgroup| cgroup.as_fd()),
            parent_death: self.options.parent_death(),
            acts: self.acts,
            ..self.layout.plan(stdio, fds, needs, close)
        }
    }

    fn name(&self, plan: &Plan<'_>, failure: Failure) -> SpawnError {
        self.layout.name(&plan.stdio, self.options.parent_death(), failure)
    }

    /// Spawns a child that the kernel reaps, and kills with us if that is wanted; or an ordinary one.
    fn living(&self, plan: &mut Plan<'_>) -> io::Result<(OwnedFd, u32)> {
        let life = self.life();
        if life != Life::Child {
            let by_kernel =
                Plan { life, parent_death: plan.parent_death.filter(|_| !life.ends_with_us()), ..*plan };
            let refused = Cell::new(false);
            let made = self.run(&mut { by_kernel }, &|plan| {
                clone::spawn(plan).inspect_err(|failure| refused.set(is_life_refused(*failure)))
            });
            if !refused.get() {
                plan.life = life;
                return made;
            }
        }
        self.run(plan, &|plan| clone::spawn(plan))
    }

    /// What to ask the kernel for. A child that `fork` makes can have nothing special.
    fn life(&self) -> Life {
        match self.acts.is_empty() && !NO_AUTOREAP.load(Ordering::Relaxed) {
            true => self.options.life(),
            false => Life::Child,
        }
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
                // The child did nothing to the table that it shared: now with a copy of it.
                (Stage::Unshare, _) => return self.run_with_own_table(plan, make),
                (Stage::Cgroup, _) if plan.memory == Memory::Shared => {
                    // It could not be made in there: now it enters, and has the descriptor for that.
                    return self.run_with_own_table(&Plan { memory: Memory::Copied, ..*plan }, make);
                }
                (Stage::CloseFds, _) if !plan.close_singly => plan.close_singly = true,
                (Stage::Signal, signals) if plan.memory == Memory::Shared => {
                    // Dumping core would have ended us: it gets its signals again, on memory of its own.
                    (plan.memory, plan.raise) = (Memory::Copied, signals as u32 as u64);
                }
                (Stage::Exec(_), libc::ETXTBSY) if busy < BUSY_RETRIES => {
                    thread::sleep(busy_wait(busy));
                    busy += 1;
                }
                (Stage::Exec(_), libc::EFAULT) if matches!(plan.environment, Environment::Inherited) => {
                    // Another thread changed the environment meanwhile.
                    let copy = own_environment();
                    return self.run(&mut Plan { environment: Environment::Own(&copy), ..*plan }, make);
                }
                (Stage::Script(program), _) if self.may_run_by_shell(plan) => {
                    let (shell, argv) = self.layout.argv_for_shell(plan.programs, program);
                    return self.run(&mut Plan { programs: &shell, argv: &argv, ..*plan }, make);
                }
                (Stage::Exec(_) | Stage::Script(_), _) if !self.is_laid_out(plan) => {
                    return Err(self.name(plan, Failure { stage: Stage::Shell, errno }).into());
                }
                _ => return Err(self.name(plan, Failure { stage, errno }).into()),
            }
        }
    }

    /// As [`run`](Job::run), with a descriptor table that is the child's own from the start.
    #[cold]
    fn run_with_own_table<P>(&self, plan: &Plan<'_>, make: &dyn Fn(&Plan<'_>) -> Made<P>) -> io::Result<P> {
        let to_close = Ranges::to_close(self.options, installed(&plan.stdio), plan.fds, plan.needs, u32::MAX);
        self.run(&mut Plan { first_unneeded: None, close: to_close.as_slice(), ..*plan }, make)
    }

    /// A script that does not name its interpreter goes to the shell; the shell does not go to the shell.
    fn may_run_by_shell(&self, plan: &Plan<'_>) -> bool {
        !self.options.no_shell && self.is_laid_out(plan)
    }

    /// Whether it is not yet for the shell.
    fn is_laid_out(&self, plan: &Plan<'_>) -> bool {
        std::ptr::eq(plan.argv, &self.layout.argv)
    }
}

/// Whether this kernel has not got the flags of Linux 7.1: found out by the first child that wants them.
static NO_AUTOREAP: AtomicBool = AtomicBool::new(false);

/// Whether an ordinary child may do. `EPERM`: the right to have others killed, which not everybody has.
fn is_life_refused(failure: Failure) -> bool {
    let refused = matches!(failure, Failure { stage: Stage::Clone, errno: libc::EINVAL | libc::EPERM });
    if refused && failure.errno == libc::EINVAL {
        NO_AUTOREAP.store(true, Ordering::Relaxed);
    }
    refused
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

/// The highest number that the child needs while it leaves the table.
fn highest(stdio: &[Source<'_>; 3], fds: &[(RawFd, Held)], needs: Option<&Needs>) -> RawFd {
    let stdio = stdio.iter().filter_map(|source| match source {
        Source::Fd(fd) => Some(fd.number()),
        Source::Inherit | Source::Null | Source::Closed | Source::Stdout => None,
    });
    let fds = fds.iter().map(|(_, fd)| fd.number());
    let highest = stdio.chain(fds).fold(2, RawFd::max);
    needs.map_or(highest, |needs| needs.numbers().fold(highest, RawFd::max))
}

fn installed(stdio: &[Source<'_>; 3]) -> [bool; 3] {
    stdio.each_ref().map(|source| !matches!(source, Source::Inherit))
}
