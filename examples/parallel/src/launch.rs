//! Starting the program of a job.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Instant, SystemTime};

use childset::unix::CommandExt;
use childset::{Child, Command, SpawnError, Stdio};
use rustix::fs::{access, Access};
use rustix::io::Errno;

use crate::descriptors::Inherited;
use crate::hosts::is_here;
use crate::options::Options;
use crate::quote::Invocation;
use crate::remote::Remote;
use crate::template::Template;

/// What shells run themselves: where one of these is looked for as a program, a shell was meant.
const FOR_SHELL: [&str; 18] = [
    "|", "||", "&&", "&", ";", "<", ">", ">>", "2>", "2>&1", "cd", "export", "for", "if", "set", "source",
    "ulimit", "while",
];

/// One argument's or block's run. It holds no more than what its command is made of: that is built when it is
/// needed.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) number: u64,
    pub(crate) arguments: Vec<OsString>,
    /// From 1, and 0 while it has none.
    pub(crate) slot: usize,
    /// While it has a slot.
    pub(crate) host: usize,
    /// With `--pipe`: what it reads.
    pub(crate) block: Option<Rc<Vec<u8>>>,
    pub(crate) tries_left: u32,
    /// Of the present try.
    pub(crate) started: Instant,
    pub(crate) started_at: SystemTime,
}

pub(crate) struct Launcher {
    template: Template,
    inherited: Inherited,
    shell: OsString,
    remote: Remote,
    /// Where the program lies, if that was found out: spares each job the search in PATH.
    path: Option<PathBuf>,
    reads_block: bool,
    is_collected: bool,
}

impl Launcher {
    pub(crate) fn new(options: &mut Options, inherited: Inherited) -> Launcher {
        let template = std::mem::take(&mut options.template);
        let shell = ["PARALLEL_SHELL", "SHELL"].into_iter().filter_map(env::var_os).find(|it| !it.is_empty());
        let shell = shell.unwrap_or_else(|| "sh".into());
        let path = match template.is_line() {
            true => find(&shell),
            false => template.program().and_then(find),
        };
        let (reads_block, is_collected) = (options.pipe, !options.ungroup);
        let remote = std::mem::take(&mut options.remote);
        Launcher { template, inherited, shell, remote, path, reads_block, is_collected }
    }

    pub(crate) fn invocation(&self, job: &Job) -> Invocation {
        self.template.expand(job)
    }

    /// Whether all jobs run the same program.
    pub(crate) fn has_one_program(&self) -> bool {
        self.template.is_line() || self.template.program().is_some()
    }

    /// Whether we hold pipes of the jobs.
    pub(crate) fn has_pipes(&self) -> bool {
        self.reads_block || self.is_collected
    }

    /// What its program fails at comes as its exit.
    pub(crate) fn launch(&self, job: &Job, host: &OsStr) -> io::Result<Child> {
        self.command(job, host)?.launch()
    }

    pub(crate) fn command(&self, job: &Job, host: &OsStr) -> io::Result<Command> {
        let mut invocation = self.template.expand(job);
        let is_here = is_here(host);
        if !is_here {
            invocation = Invocation::Program(self.remote.words(host, &invocation, job));
        }
        let program = invocation.program(&self.shell);
        let mut command = match &self.path {
            Some(path) if is_here => Command::new(path),
            _ => Command::new(program),
        };
        command.arg0(program);
        match &invocation {
            Invocation::Program(words) => command.args(&words[1..]),
            Invocation::Line(line) => command.arg("-c").arg(OsStr::from_bytes(line)),
        };
        let output = || if self.is_collected { Stdio::piped() } else { Stdio::inherit() };
        command
            .env("PARALLEL_SEQ", job.number.to_string())
            .env("PARALLEL_JOBSLOT", job.slot.to_string())
            .env("PARALLEL_PID", std::process::id().to_string())
            .stdin(if self.reads_block { Stdio::piped() } else { Stdio::null() })
            .stdout(output())
            .stderr(output())
            .process_group(0);
        self.inherited.give(&mut command)?;
        Ok(command)
    }
}

/// Whether the words were surely meant for a shell.
pub(crate) fn is_for_shell(invocation: &Invocation) -> bool {
    match invocation {
        Invocation::Program(words) => words.iter().any(|word| FOR_SHELL.iter().any(|known| word == known)),
        Invocation::Line(_) => false,
    }
}

/// Without what was tried, for where that is said already.
pub(crate) fn reason(error: &io::Error) -> String {
    SpawnError::raw_os_error(error)
        .map_or_else(|| error.to_string(), |errno| io::Error::from_raw_os_error(errno).to_string())
}

/// Whether it may go better once another job has ended.
pub(crate) fn is_shortage(error: &io::Error) -> bool {
    matches!(
        SpawnError::raw_os_error(error).map(Errno::from_raw_os_error),
        Some(Errno::AGAIN | Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOSPC)
    )
}

fn find(program: &OsStr) -> Option<PathBuf> {
    if program.is_empty() || program.as_bytes().contains(&b'/') {
        return None;
    }
    // An empty entry is the working directory.
    let directories = env::var_os("PATH")?;
    let paths = env::split_paths(&directories).map(|directory| Path::new(".").join(directory).join(program));
    paths.into_iter().find(|path| path.is_file() && access(path, Access::EXEC_OK).is_ok())
}
