//! Spawning with a `Stdio` of `std`, which only `std` can set up: it makes the process, which then is a child like any
//! other.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use super::layout::Layout;
use super::lift::{copy_from, lift_all, out_of_the_way};
use super::{Job, Spawned, Standard, INHERITED};
use crate::child::{Kind, Stdio};
use crate::command::Command;
use crate::pidfd::Pidfd;
use crate::sys::fork::Carrier;
use crate::sys::low::above_stdio;

impl Command {
    /// Spawns by `std`, which sets up its own `Stdio` alone.
    pub(in crate::command) fn spawn_by_std(
        &mut self,
        layout: &Layout,
        defaults: &[Kind; 3],
    ) -> io::Result<Spawned> {
        let (std, by_std) = self.std_stdio()?;
        let standard = Standard::open(self.kinds(defaults), &self.options)?;
        let lifted = lift_all(&self.options)?;
        // Not before the sources are lifted, which may lie there.
        let _occupied = self.occupy_numbers()?;
        let job = Job { layout, options: &self.options, acts: &self.acts };
        let (fds, stdio) = (job.sources(&lifted), standard.sources());
        let to_close = job.to_close(&stdio, by_std, &fds);
        let mut plan = job.plan(stdio, &fds, to_close.as_slice());
        let carrier = RefCell::new(Carrier::new(std));
        let (mut child, pidfd) = job.run(&mut plan, &|plan| carrier.borrow_mut().spawn(plan))?;
        let pidfd =
            pidfd.map_or_else(|| Pidfd::from_child(&child), |pidfd| above_stdio(pidfd).map(Pidfd::from));
        let pid = child.id();
        let mut its = [
            child.stdin.take().map(OwnedFd::from),
            child.stdout.take().map(OwnedFd::from),
            child.stderr.take().map(OwnedFd::from),
        ];
        let made = pidfd.and_then(|pidfd| {
            let mut pipes = standard.pipes;
            for (ours, its) in pipes.iter_mut().zip(&mut its) {
                if let Some(its) = its.take() {
                    *ours = Some(above_stdio(its)?);
                }
            }
            Ok(Spawned { pidfd: out_of_the_way(pidfd.into()).into(), pid, pipes, autoreaped: false })
        });
        match made {
            Ok(spawned) => Ok(spawned),
            Err(error) => {
                // Without a pidfd it is no child of ours: nothing may be left of it.
                let _ = child.kill();
                let _ = child.wait();
                Err(error)
            }
        }
    }

    /// Replaces this process, by `std`; or says why not.
    pub(in crate::command) fn exec_by_std(&mut self) -> io::Result<io::Error> {
        let layout = Layout::new(self)?;
        let (std, by_std) = self.std_stdio()?;
        let standard = Standard::open(self.kinds(&INHERITED), &self.options)?;
        let lifted = lift_all(&self.options)?;
        let job = Job { layout: &layout, options: &self.options, acts: &self.acts };
        let (fds, stdio) = (job.sources(&lifted), standard.sources());
        let to_close = job.to_close(&stdio, by_std, &fds);
        let mut plan = job.plan(stdio, &fds, to_close.as_slice());
        let carrier = RefCell::new(Carrier::new(std));
        job.replace(&mut plan, |plan| carrier.borrow_mut().exec(plan))
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

    /// Takes the numbers that the child's descriptors are to have, as far as they are free: else `std` might open
    /// its pipe for errors, or one of the child's, under one of them.
    fn occupy_numbers(&self) -> io::Result<Vec<OwnedFd>> {
        let mut occupied = Vec::new();
        let null = OwnedFd::from(File::open("/dev/null")?);
        for number in (0..3).chain(self.options.fds.iter().map(|(number, _)| *number)) {
            let fd = copy_from(&null, number)?;
            if fd.as_raw_fd() == number {
                occupied.push(fd);
            }
        }
        if null.as_raw_fd() <= 2 {
            occupied.push(null);
        }
        Ok(occupied)
    }
}

fn spent() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        "a std::process::Stdio serves one spawn, and must be set anew",
    )
}
