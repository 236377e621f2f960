use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::Spawned;
use crate::child::{Child, Flag, Keeper, Pipe, Process, Shared};
use crate::command::options::Options;
use crate::command::OnDrop;
use crate::watch::cgroup::Cgroup;

/// A new process with our ends of its pipes, before it is a `Child`.
pub(crate) struct Started {
    pub(crate) process: Process,
    pub(crate) cgroup: Option<Arc<Cgroup>>,
    pub(crate) pipes: [Option<OwnedFd>; 3],
}

impl Started {
    #[inline(always)]
    pub(in crate::command) fn new(spawned: Spawned, options: &Options, on_drop: OnDrop) -> Started {
        let Spawned { pidfd, pid, pipes, autoreaped, cgroup, flight } = spawned;
        let mut process = Process::new(pidfd, Some(pid), true);
        process.begin_with(Flag::ReapOnDrop, on_drop.reap && !autoreaped);
        process.begin_with(Flag::KillOnDrop, on_drop.kill);
        process.begin_with(Flag::LeadsGroup, options.leads_group());
        process.unit = options.unit;
        process.set_flight(flight);
        Started { process, cgroup, pipes }
    }

    pub(crate) fn into_child(self) -> Child {
        let [stdin, stdout, stderr] = self.pipes;
        let flight = self.process.flight();
        let pipe = |fd| Pipe::of_started(fd, flight);
        let (stdin, stdout, stderr) = (stdin.map(pipe), stdout.map(pipe), stderr.map(pipe));
        let shared = Shared::new(self.process, None).with(self.cgroup);
        Child {
            stdin: stdin.map(Into::into),
            stdout: stdout.map(Into::into),
            stderr: stderr.map(Into::into),
            ..Child::new(Keeper::new(shared))
        }
    }
}

/// What [`ChildSet::spawn`](crate::ChildSet::spawn) accepts: a `&mut Command` or a `&Prepared`.
///
/// ```
/// use childset::{ChildSet, Command, Spawn};
///
/// fn run(job: impl Spawn) -> std::io::Result<bool> {
///     let set = ChildSet::new()?;
///     set.spawn(job, "job")?;
///     Ok(set.wait(None)?.expect("one child is in the set").exit?.success())
/// }
/// assert!(run(&mut Command::new("true"))?);
/// assert!(!run(&Command::new("false").prepare()?)?);
/// # std::io::Result::Ok(())
/// ```
pub trait Spawn: Start {}

pub(crate) use sealed::Start;

mod sealed {
    use super::{io, Started};

    pub trait Start {
        #[allow(private_interfaces)]
        fn start(self) -> io::Result<Started>;

        /// As `start`, without waiting for its `execve` where that can be done.
        #[allow(private_interfaces)]
        fn start_unawaited(self) -> io::Result<Started>;
    }
}
