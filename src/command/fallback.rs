//! Spawning by `std`: where `clone3` is refused, and for what only a copy of our memory allows.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Stdio as StdStdio;

use super::error::SpawnError;
use super::fds::{copy_from, lift_all, Lifted, Ranges};
use super::options::describe;
use super::spawn::{wait_while_busy, Spawned, BUSY_RETRIES, FIND_DESCRIPTORS};
use super::stdio::{Kind, Stdio};
use super::{unsupported_by_std, Command};
use crate::pidfd::Pidfd;
use crate::sys::descriptors::can_mark_ranges;
use crate::sys::pre_exec::{before_exec, unmark, Failed};

impl Command {
    /// Spawns by `std`, and opens a pidfd.
    pub(super) fn spawn_by_std(&mut self, defaults: [Kind; 3]) -> io::Result<Spawned> {
        let lifted = lift_all(&self.options)?;
        let _occupied = self.occupy_numbers()?;
        let mut std = self.to_std(&lifted, &defaults)?;
        let [stdin, stdout, stderr] = &mut self.stdio;
        let [by_default_in, by_default_out, by_default_err] = &defaults;
        std.stdin(to_std_stdio(stdin, by_default_in)?);
        std.stdout(to_std_stdio(stdout, by_default_out)?);
        std.stderr(to_std_stdio(stderr, by_default_err)?);
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
        match Pidfd::of_child(&child) {
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

    /// Replaces this process by the program, and returns only to say why it cannot.
    ///
    /// It happens in this process, with all of its threads ended: what [`Command`] sets for the child, it sets
    /// for this process, and what was done of that before an error stays done. Descriptors are as with
    /// [`spawn`](Command::spawn). See execve(2).
    ///
    /// ```no_run
    /// // The last line of a wrapper.
    /// let error = childset::Command::new("make").args(std::env::args_os().skip(1)).exec();
    /// eprintln!("{error}");
    /// ```
    ///
    /// # Errors
    /// As [`spawn`](Command::spawn).
    pub fn exec(&mut self) -> io::Error {
        let exec = |command: &mut Command| -> io::Result<io::Error> {
            command.check_null_byte()?;
            let lifted = lift_all(&command.options)?;
            let defaults = [Kind::Inherit, Kind::Inherit, Kind::Inherit];
            let mut std = command.to_std(&lifted, &defaults)?;
            let [stdin, stdout, stderr] = &mut command.stdio;
            std.stdin(to_std_stdio(stdin, &Kind::Inherit)?);
            std.stdout(to_std_stdio(stdout, &Kind::Inherit)?);
            std.stderr(to_std_stdio(stderr, &Kind::Inherit)?);
            let error = std.exec();
            Ok(command.name_error(error))
        };
        exec(self).unwrap_or_else(|error| error)
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
        let close = Ranges::to_close(&self.options, installed, &fds, u32::MAX).as_slice().to_vec();
        let steps = self.options.steps(self.get_current_dir())?;
        before_exec(&mut std, steps, fds, close, singly, self.pre_exec.clone());
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
                    Failed::Std | Failed::Step(_) => format!("run {:?}", self.get_program()),
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
