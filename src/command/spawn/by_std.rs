//! Spawning with a `Stdio` of `std`, which only `std` can set up: it makes the process, which then is a child like any
//! other.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::event::{eventfd, EventfdFlags};

use super::layout::Layout;
use super::lift::copy_from;
use super::standard::Standard;
use super::{Job, Spawned, INHERITED};
use crate::child::{Kind, Stdio};
use crate::command::options::Options;
use crate::command::Command;
use crate::pidfd::Pidfd;
use crate::sys::descriptors::is_free;
use crate::sys::fork::{exec_here, Carrier};
use crate::sys::low::out_of_the_way;
use crate::sys::plan::Plan;

impl Command {
    /// Spawns by `std`, which sets up its own `Stdio` alone.
    pub(in crate::command) fn spawn_by_std(
        &mut self,
        layout: &Layout,
        defaults: &[Kind; 3],
    ) -> io::Result<Spawned> {
        let (std, by_std) = self.std_stdio()?;
        let mut standard = Standard::new();
        standard.open(self.kinds(defaults), &self.options)?;
        let job = Job { layout, options: &self.options, acts: &self.acts };
        let (fds, needs) = job.lift()?;
        // Not before the sources are lifted, which may lie there. Until the end, so that what is ours lies above 2.
        let _occupied = occupy(&self.options)?;
        let stdio = standard.sources();
        let to_close = job.to_close(&stdio, by_std, &fds, needs.as_deref());
        let cgroup = self.options.cgroup_of_child()?;
        let mut plan = Plan {
            cgroup: cgroup.as_ref().map(|cgroup| cgroup.as_fd()),
            ..job.plan(stdio, &fds, needs.as_deref(), to_close.as_slice())
        };
        let carrier = RefCell::new(Carrier::new(std));
        let (mut child, pidfd) = job.run(&mut plan, &|plan| carrier.borrow_mut().spawn(plan))?;
        let pidfd =
            pidfd.map_or_else(|| Pidfd::from_child(&child).map(Into::into), Ok).inspect_err(|_| {
                // Without a pidfd it is no child of ours: nothing may be left of it.
                let _ = child.kill();
                let _ = child.wait();
            })?;
        let [stdin, stdout, stderr] = standard.pipes;
        let pipes = [
            stdin.or(child.stdin.take().map(OwnedFd::from)),
            stdout.or(child.stdout.take().map(OwnedFd::from)),
            stderr.or(child.stderr.take().map(OwnedFd::from)),
        ];
        let pid = child.id();
        Ok(Spawned { pidfd: out_of_the_way(pidfd).into(), pid, pipes, autoreaped: false, cgroup, flight: 0 })
    }

    /// Replaces this process, by `std`; or says why not.
    pub(in crate::command) fn exec_by_std(&mut self) -> io::Result<io::Error> {
        let layout = Layout::new(self)?;
        let (std, by_std) = self.std_stdio()?;
        let mut standard = Standard::new();
        standard.open(self.kinds(&INHERITED), &self.options)?;
        let job = Job { layout: &layout, options: &self.options, acts: &self.acts };
        let (fds, needs) = job.lift()?;
        let _occupied = occupy(&self.options)?;
        let stdio = standard.sources();
        let to_close = job.to_close(&stdio, by_std, &fds, needs.as_deref());
        let mut plan = job.plan(stdio, &fds, needs.as_deref(), to_close.as_slice());
        let (carrier, is_set_up) = (RefCell::new(Carrier::new(std)), Cell::new(false));
        job.replace(&mut plan, |plan| match is_set_up.replace(true) {
            false => carrier.borrow_mut().exec(plan),
            // Not again by `std`: something else may have taken the number of what it has.
            true => exec_here(plan),
        })
    }

    /// A command of `std` with what only that can set up, and which of the three that is.
    fn std_stdio(&mut self) -> io::Result<(std::process::Command, [bool; 3])> {
        let mut std = std::process::Command::new(self.get_program());
        let mut by_std = [false; 3];
        for (number, stdio) in self.stdio.iter_mut().enumerate() {
            if let Some(Stdio(Kind::Std(stdio))) = stdio {
                let stdio = stdio.take().ok_or_else(spent)?;
                by_std[number] = true;
                match number {
                    0 => std.stdin(stdio),
                    1 => std.stdout(stdio),
                    _ => std.stderr(stdio),
                };
            }
        }
        Ok((std, by_std))
    }
}

/// Takes those of the child's numbers that are free. Else `std` might open something of its own under one of them: the
/// child's would replace it, or it would be closed by `execve` since it need not be moved.
fn occupy(options: &Options) -> io::Result<Vec<OwnedFd>> {
    let numbers = (0..3).chain(options.fds.iter().map(|(number, _)| *number));
    let free: Vec<_> = numbers.filter(|&number| is_free(number)).collect();
    if free.is_empty() {
        return Ok(Vec::new());
    }
    // Of a kind that needs no file system.
    let any = eventfd(0, EventfdFlags::CLOEXEC)?;
    let mut occupied = Vec::new();
    for &number in free.iter().filter(|&&number| number != any.as_raw_fd()) {
        let fd = copy_from(&any, number)?;
        if fd.as_raw_fd() == number {
            occupied.push(fd);
        }
    }
    if free.contains(&any.as_raw_fd()) {
        occupied.push(any);
    }
    Ok(occupied)
}

fn spent() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        "a std::process::Stdio serves one spawn, and must be set anew",
    )
}
