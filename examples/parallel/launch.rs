//! Starting the program of a job.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Instant, SystemTime};

use rustix::fs::{access, Access};
use rustix::io::Errno;

use crate::template::Template;

/// One argument's run. It holds no more than what its command is made of: that is built when it is needed.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) number: u64,
    pub(crate) argument: OsString,
    pub(crate) tries_left: u32,
    /// Of the present try.
    pub(crate) started: Instant,
    pub(crate) started_at: SystemTime,
}

pub(crate) struct Launcher {
    template: Template,
    /// Where the program lies, if that was found out: spares each job the search in PATH.
    path: Option<PathBuf>,
}

impl Launcher {
    pub(crate) fn new(template: Template) -> Launcher {
        let path = template.program().and_then(find);
        Launcher { template, path }
    }

    pub(crate) fn command(&self, job: &Job) -> Vec<OsString> {
        self.template.expand(&job.argument, job.number)
    }

    pub(crate) fn spawn(&self, job: &Job) -> io::Result<Child> {
        let words = self.command(job);
        let mut command = match &self.path {
            Some(path) => Command::new(path),
            None => Command::new(&words[0]),
        };
        command.arg0(&words[0]).args(&words[1..]).stdin(Stdio::null()).process_group(0).spawn()
    }
}

/// Whether it may go better once another job has ended.
pub(crate) fn is_shortage(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error().map(Errno::from_raw_os_error),
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
