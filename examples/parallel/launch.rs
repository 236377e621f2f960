//! Starting the program of a job.

use std::borrow::Cow;
use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Instant, SystemTime};

use anyhow::{Context, Result};
use childset::unix::CommandExt;
use childset::{Child, Command, Prepared, SpawnError, Stdio};
use rustix::fs::{access, Access};
use rustix::io::Errno;

use crate::options::Options;
use crate::template::Template;

/// One argument's or block's run. It holds no more than what its command is made of: that is built when it is
/// needed.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) number: u64,
    pub(crate) argument: OsString,
    /// With `--pipe`: what it reads.
    pub(crate) block: Option<Rc<Vec<u8>>>,
    pub(crate) tries_left: u32,
    /// Of the present try.
    pub(crate) started: Instant,
    pub(crate) started_at: SystemTime,
}

impl Job {
    /// What tells its lines from those of others.
    pub(crate) fn name(&self) -> Cow<'_, [u8]> {
        match self.block {
            None => self.argument.as_bytes().into(),
            Some(_) => self.number.to_string().into_bytes().into(),
        }
    }
}

pub(crate) struct Launcher {
    template: Template,
    /// Where the program lies, if that was found out: spares each job the search in PATH.
    path: Option<PathBuf>,
    reads_block: bool,
    is_collected: bool,
    /// The command, if it is the same for all jobs.
    prepared: Option<Prepared>,
}

impl Launcher {
    pub(crate) fn new(template: Template, options: &Options) -> Result<Launcher> {
        let path = template.program().and_then(find);
        let is_constant = template.is_constant();
        let mut launcher = Launcher {
            template,
            path,
            reads_block: options.pipe,
            is_collected: !options.ungroup,
            prepared: None,
        };
        if is_constant {
            let words = launcher.template.expand(OsStr::new(""), 0);
            let prepared = launcher.command_of(&words).prepare();
            launcher.prepared = Some(prepared.context("cannot prepare the command")?);
        }
        Ok(launcher)
    }

    pub(crate) fn words(&self, job: &Job) -> Vec<OsString> {
        self.template.expand(&job.argument, job.number)
    }

    /// Whether we hold pipes of the jobs.
    pub(crate) fn has_pipes(&self) -> bool {
        self.reads_block || self.is_collected
    }

    pub(crate) fn command(&self, job: &Job) -> Command {
        self.command_of(&self.words(job))
    }

    /// What its program fails at comes as its exit.
    pub(crate) fn launch(&self, job: &Job) -> io::Result<Child> {
        match &self.prepared {
            Some(prepared) => prepared.launch(),
            None => self.command(job).launch(),
        }
    }

    fn command_of(&self, words: &[OsString]) -> Command {
        let mut command = match &self.path {
            Some(path) => Command::new(path),
            None => Command::new(&words[0]),
        };
        let output = || if self.is_collected { Stdio::piped() } else { Stdio::inherit() };
        command
            .arg0(&words[0])
            .args(&words[1..])
            .stdin(if self.reads_block { Stdio::piped() } else { Stdio::null() })
            .stdout(output())
            .stderr(output())
            .process_group(0);
        command
    }
}

fn errno(error: &io::Error) -> Option<i32> {
    SpawnError::from_io_error(error).map(SpawnError::errno).or(error.raw_os_error())
}

/// Without what was tried, for where that is said already.
pub(crate) fn reason(error: &io::Error) -> String {
    errno(error).map_or_else(|| error.to_string(), |errno| io::Error::from_raw_os_error(errno).to_string())
}

/// Whether it may go better once another job has ended.
pub(crate) fn is_shortage(error: &io::Error) -> bool {
    matches!(
        errno(error).map(Errno::from_raw_os_error),
        Some(Errno::AGAIN | Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOSPC)
    )
}

/// What shells and GNU parallel give as the exit code of a program that could not be run.
pub(crate) fn exit_code_of(error: &io::Error) -> i32 {
    match error.kind() {
        io::ErrorKind::NotFound => 127,
        _ => 126,
    }
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
