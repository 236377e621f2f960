//! Spawning with a `Stdio` of `std`, which only `std` can set up: it makes the process, which then is a child like any
//! other.

use std::cell::RefCell;
use std::convert::Infallible;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::Stdio as StdStdio;

use super::layout::Layout;
use super::lift::{copy_from, lift_all, Ranges};
use super::{Job, Spawned, INHERITED};
use crate::child::{Kind, Stdio};
use crate::command::Command;
use crate::pidfd::Pidfd;
use crate::sys::fork::{reap_failed, Carrier};
use crate::sys::plan::Source;

/// What `std` has set up when the plan begins.
const SET_UP: [Source<'static>; 3] = [Source::Inherit, Source::Inherit, Source::Inherit];

impl Command {
    /// Spawns by `std`, and opens a pidfd.
    pub(in crate::command) fn spawn_by_std(
        &mut self,
        layout: &Layout,
        defaults: &[Kind; 3],
    ) -> io::Result<Spawned> {
        let mut std = std::process::Command::new(self.get_program());
        let installed = self.set_stdio(&mut std, defaults)?;
        let carrier = Carrier::new(std);
        let lifted = lift_all(&self.options)?;
        // Not before the sources are lifted, which may lie there.
        let _occupied = self.occupy_numbers()?;
        let job = Job { layout, options: &self.options, acts: &self.acts };
        let fds = job.sources(&lifted);
        // Also `std`'s own pipe, by which it learns of errors: that one closes at `execve` in any case.
        let to_close = Ranges::to_close(&self.options, installed, &fds, u32::MAX);
        let mut plan = job.plan(SET_UP, &fds, to_close.as_slice());
        let carrier = RefCell::new(carrier);
        let mut child = job.run(&mut plan, &|plan| match carrier.borrow_mut().spawn(plan)? {
            (child, None) => Ok(child),
            (child, Some(failure)) => {
                reap_failed(child);
                Err(failure)
            }
        })?;
        match Pidfd::from_child(&child) {
            Ok(pidfd) => Ok(Spawned {
                pidfd,
                pid: child.id(),
                pipes: [
                    child.stdin.take().map(Into::into),
                    child.stdout.take().map(Into::into),
                    child.stderr.take().map(Into::into),
                ],
                autoreaped: false,
            }),
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
        let mut std = std::process::Command::new(self.get_program());
        let installed = self.set_stdio(&mut std, &INHERITED)?;
        let lifted = lift_all(&self.options)?;
        let job = Job { layout: &layout, options: &self.options, acts: &self.acts };
        let fds = job.sources(&lifted);
        let to_close = Ranges::to_close(&self.options, installed, &fds, u32::MAX);
        let mut plan = job.plan(SET_UP, &fds, to_close.as_slice());
        let carrier = RefCell::new(Carrier::new(std));
        let made: io::Result<Infallible> = job.run(&mut plan, &|plan| Err(carrier.borrow_mut().exec(plan)));
        made.map_or_else(Ok, |never| match never {})
    }

    /// Says which of the three are set.
    fn set_stdio(&mut self, std: &mut std::process::Command, defaults: &[Kind; 3]) -> io::Result<[bool; 3]> {
        let kinds = |number: usize, stdio: &Option<Stdio>| {
            !matches!(stdio.as_ref().map_or(&defaults[number], |stdio| &stdio.0), Kind::Inherit)
        };
        let installed = [0, 1, 2].map(|number| kinds(number, &self.stdio[number]));
        let [stdin, stdout, stderr] = &mut self.stdio;
        std.stdin(to_std_stdio(stdin, &defaults[0])?);
        std.stdout(to_std_stdio(stdout, &defaults[1])?);
        std.stderr(to_std_stdio(stderr, &defaults[2])?);
        Ok(installed)
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

fn to_std_stdio(stdio: &mut Option<Stdio>, default: &Kind) -> io::Result<StdStdio> {
    let kind = match stdio {
        Some(Stdio(Kind::Std(std))) => return std.take().ok_or_else(spent),
        Some(Stdio(kind)) => kind,
        None => default,
    };
    Ok(match kind {
        Kind::Null => StdStdio::null(),
        Kind::Piped => StdStdio::piped(),
        Kind::Fd(fd) => StdStdio::from(fd.try_clone()?),
        Kind::Inherit | Kind::Std(_) => StdStdio::inherit(),
    })
}

fn spent() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        "a std::process::Stdio serves one spawn, and must be set anew",
    )
}
