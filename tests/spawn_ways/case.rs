//! What is to be run: as a `Command` of the crate or of std.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};

use childset::unix::CommandExt;
use childset::{Command, Resource, Signal, Stdio};

use crate::common;
use crate::ways::Way;

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Case {
    pub(crate) program: OsString,
    pub(crate) arg0: Option<OsString>,
    pub(crate) args: Vec<OsString>,
    pub(crate) clear: bool,
    pub(crate) variables: Vec<(OsString, Option<OsString>)>,
    pub(crate) search_path: Option<OsString>,
    pub(crate) no_shell: bool,
    pub(crate) directory: Option<PathBuf>,
    pub(crate) stdio: [Source; 3],
    pub(crate) fds: Vec<(RawFd, &'static str)>,
    pub(crate) inherit: bool,
    pub(crate) close: Vec<(RawFd, RawFd)>,
    pub(crate) user: Option<u32>,
    pub(crate) group: Option<u32>,
    pub(crate) groups: Option<Vec<u32>>,
    pub(crate) umask: Option<u32>,
    pub(crate) nice: Option<i32>,
    pub(crate) batch: bool,
    pub(crate) session: bool,
    pub(crate) leads: bool,
    pub(crate) files: Option<u64>,
    pub(crate) no_new_privs: bool,
    pub(crate) mask: Vec<Signal>,
    pub(crate) defaults: Option<Vec<Signal>>,
    /// Of this process: which of 0, 1 and 2 are closed, and whether it ignores SIGCHLD.
    pub(crate) closed: [bool; 3],
    pub(crate) ignores_sigchld: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Source {
    #[default]
    Inherit,
    Null,
    Piped,
    File,
    /// Only of standard error. std has no such.
    Stdout,
}

impl Case {
    fn output(&self, place: &Path) -> PathBuf {
        place.join("out").join(format!("{}", std::process::id()))
    }

    fn file(place: &Path, number: usize) -> File {
        let path = place.join(["one", "two", "three"][number]);
        OpenOptions::new().read(number == 0).append(number != 0).open(path).unwrap()
    }

    pub(crate) fn command(&self, place: &Path, way: Way) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--report").arg(self.output(place)).args(&self.args);
        if let Some(arg0) = &self.arg0 {
            command.arg0(arg0);
        }
        if self.clear {
            command.env_clear();
        }
        for (name, value) in &self.variables {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(path) = &self.search_path {
            command.search_path(path);
        }
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        for (number, source) in self.stdio.iter().enumerate() {
            // std's does not say that it is to be inherited, and so is not closed.
            let by_std = [Way::StdStdio, Way::ExecStdio].contains(&way) && self.close.is_empty();
            let stdio = match source {
                Source::Stdout => {
                    command.stderr_to_stdout();
                    continue;
                }
                Source::Inherit if by_std => std::process::Stdio::inherit().into(),
                Source::Null if by_std => std::process::Stdio::null().into(),
                Source::File if by_std => std::process::Stdio::from(Case::file(place, number)).into(),
                Source::Inherit => Stdio::inherit(),
                Source::Null => Stdio::null(),
                Source::Piped => Stdio::piped(),
                Source::File => Stdio::from(Case::file(place, number)),
            };
            match number {
                0 => command.stdin(stdio),
                1 => command.stdout(stdio),
                _ => command.stderr(stdio),
            };
        }
        for &(number, name) in &self.fds {
            command.fd(number, File::open(place.join(name)).unwrap());
        }
        self.apply(&mut command);
        if way == Way::PreExec || way == Way::ExecWithClosure {
            common::make_by_std(&mut command);
        }
        command
    }

    fn apply(&self, command: &mut Command) {
        command.inherit_fds(self.inherit).shell_fallback(!self.no_shell);
        for &(first, last) in &self.close {
            command.close_fds(first..last);
        }
        self.user.map(|user| command.uid(user));
        self.group.map(|group| command.gid(group));
        self.groups.as_ref().map(|groups| command.groups(groups));
        self.umask.map(|mask| command.umask(mask));
        self.nice.map(|nice| command.nice(nice));
        if self.batch {
            command.scheduler(libc::SCHED_BATCH, 0);
        }
        command.setsid(self.session).no_new_privs(self.no_new_privs).signal_mask(&self.mask);
        if self.leads {
            command.process_group(0);
        }
        self.files.map(|files| command.rlimit(Resource::NOFILE, files, files));
        self.defaults.as_ref().map(|signals| command.default_signals(signals));
    }

    /// The same for std, which has fewer options; `None` where it differs on purpose.
    pub(crate) fn std(&self, place: &Path) -> Option<std::process::Command> {
        let plain = Case {
            inherit: true,
            program: self.program.clone(),
            arg0: self.arg0.clone(),
            args: self.args.clone(),
            clear: self.clear,
            variables: self.variables.clone(),
            directory: self.directory.clone(),
            stdio: self.stdio,
            user: self.user,
            group: self.group,
            leads: self.leads,
            ..Case::default()
        };
        if plain != *self || self.stdio[2] == Source::Stdout || self.is_odd() {
            return None;
        }
        let mut command = std::process::Command::new(&self.program);
        command.arg("--report").arg(self.output(place)).args(&self.args);
        self.arg0.as_ref().map(|arg0| command.arg0(arg0));
        if self.clear {
            command.env_clear();
        }
        for (name, value) in &self.variables {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        self.directory.as_ref().map(|directory| command.current_dir(directory));
        self.user.map(|user| command.uid(user));
        self.group.map(|group| command.gid(group));
        if self.leads {
            command.process_group(0);
        }
        for (number, source) in self.stdio.iter().enumerate() {
            let stdio = match source {
                Source::Inherit => std::process::Stdio::inherit(),
                Source::Null => std::process::Stdio::null(),
                Source::Piped => std::process::Stdio::piped(),
                Source::File => Case::file(place, number).into(),
                Source::Stdout => unreachable!("it has none"),
            };
            match number {
                0 => command.stdin(stdio),
                1 => command.stdout(stdio),
                _ => command.stderr(stdio),
            };
        }
        // By `fork` and execvp(3): posix_spawn(3) has no script run by the shell.
        // SAFETY: the closure does nothing.
        unsafe { command.pre_exec(|| Ok(())) };
        Some(command)
    }

    /// Where glibc's execvp(3) has a fault of its own: after an element of PATH that is too long, it looks into the
    /// working directory.
    fn is_odd(&self) -> bool {
        let path = self.variables.iter().rev().find(|(name, _)| name == "PATH");
        let path = path.and_then(|(_, value)| value.as_ref()).map_or(&b""[..], |value| value.as_bytes());
        path.split(|&byte| byte == b':').any(|element| element.len() >= 4096)
    }
}
