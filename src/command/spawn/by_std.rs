//! Spawning by `std`: where `clone3` is refused, and for what only a copy of our memory allows.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::Stdio as StdStdio;

use super::lift::{copy_from, lift_all, Lifted, Ranges};
use super::{wait_while_busy, Spawned, BUSY_RETRIES, FIND_DESCRIPTORS, INHERITED};
use crate::child::{Kind, Stdio};
use crate::command::describe::{describe, quoted};
use crate::command::error::{unsupported_by_std, SpawnError};
use crate::command::Command;
use crate::pidfd::Pidfd;
use crate::sys::descriptors::can_mark_ranges;
use crate::sys::fork::{before_exec, unmark, Failed};

impl Command {
    /// Spawns by `std`, and opens a pidfd.
    pub(in crate::command) fn spawn_by_std(&mut self, defaults: [Kind; 3]) -> io::Result<Spawned> {
        let lifted = lift_all(&self.options)?;
        let _occupied = self.occupy_numbers()?;
        let mut std = self.to_std(&lifted, &defaults)?;
        self.set_stdio(&mut std, &defaults)?;
        let mut busy = 0;
        let mut child = loop {
            match std.spawn() {
                Ok(child) => break child,
                Err(error) if error.raw_os_error() == Some(libc::ETXTBSY) && busy < BUSY_RETRIES => {
                    wait_while_busy(busy);
                    busy += 1;
                }
                Err(error) => return Err(self.name_error(error)),
            }
        };
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
        self.check_null_byte()?;
        let lifted = lift_all(&self.options)?;
        let mut std = self.to_std(&lifted, &INHERITED)?;
        self.set_stdio(&mut std, &INHERITED)?;
        let error = std.exec();
        Ok(self.name_error(error))
    }

    fn set_stdio(&mut self, std: &mut std::process::Command, defaults: &[Kind; 3]) -> io::Result<()> {
        let [stdin, stdout, stderr] = &mut self.stdio;
        std.stdin(to_std_stdio(stdin, &defaults[0])?);
        std.stdout(to_std_stdio(stdout, &defaults[1])?);
        std.stderr(to_std_stdio(stderr, &defaults[2])?);
        Ok(())
    }

    /// Takes the numbers that the child's descriptors are to have, as far as they are free: else `std` might open
    /// its pipe for errors under one of them.
    fn occupy_numbers(&self) -> io::Result<Vec<OwnedFd>> {
        let mut occupied = Vec::new();
        for (number, source) in &self.options.fds {
            let fd = copy_from(source, *number)?;
            if fd.as_raw_fd() == *number {
                occupied.push(fd);
            }
        }
        Ok(occupied)
    }

    fn to_std(&self, lifted: &[Lifted<'_>], defaults: &[Kind; 3]) -> io::Result<std::process::Command> {
        if self.options.cgroup.is_some() {
            return Err(unsupported_by_std("cgroup"));
        }
        if self.options.no_shell {
            return Err(unsupported_by_std("shell_fallback(false)"));
        }
        if self.options.search_path.is_some() {
            return Err(unsupported_by_std("search_path"));
        }
        let mut std = std::process::Command::new(self.get_program());
        std.args(self.get_args());
        if let Some(arg0) = &self.arg0 {
            std.arg0(arg0);
        }
        if self.env_cleared {
            std.env_clear();
        }
        for (key, value) in self.get_envs() {
            match value {
                Some(value) => std.env(key, value),
                None => std.env_remove(key),
            };
        }
        let fds: Vec<(RawFd, RawFd)> =
            self.options.fds.iter().zip(lifted).map(|((number, _), fd)| (*number, fd.number())).collect();
        let mut installed = [false; 3];
        for (number, default) in defaults.iter().enumerate() {
            let kind = self.stdio[number].as_ref().map_or(default, |stdio| &stdio.0);
            installed[number] = !matches!(kind, Kind::Inherit);
        }
        let singly = !can_mark_ranges();
        // Also `std`'s own pipe, by which it learns of errors: that one closes at `execve` in any case.
        let numbers: Vec<_> = fds.iter().map(|&(number, _)| number).collect();
        let close = Ranges::to_close(&self.options, installed, &numbers, u32::MAX).as_slice().to_vec();
        let steps = self.options.steps(self.get_current_dir())?;
        before_exec(&mut std, steps, fds, close, singly, self.acts.clone());
        Ok(std)
    }

    fn name_error(&self, error: io::Error) -> io::Error {
        match error.raw_os_error() {
            Some(number) => {
                let (failed, errno) = unmark(number);
                let steps = match self.options.steps(self.get_current_dir()) {
                    Ok(steps) => steps,
                    Err(error) => return error,
                };
                let what = match failed {
                    Failed::Descriptors if errno == libc::ENOENT => FIND_DESCRIPTORS.into(),
                    Failed::Descriptors => "set up the child's descriptors".into(),
                    Failed::Act => "do what was given to pre_exec".into(),
                    Failed::Step(index) if index < steps.len() => describe(&steps[index]),
                    Failed::Std | Failed::Step(_) => format!("run {}", quoted(self.get_program().as_bytes())),
                };
                SpawnError::new(what, errno).into()
            }
            None => error,
        }
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
