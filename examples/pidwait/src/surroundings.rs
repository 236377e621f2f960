//! What a process has around its name: namespaces, a cgroup, an environment, handlers of signals.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::options::Options;
use crate::process::Process;
use crate::report::complain;

/// A kind of namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    Ipc,
    Mnt,
    Net,
    Pid,
    User,
    Uts,
}

impl Kind {
    const ALL: [Kind; 6] = [Kind::Ipc, Kind::Mnt, Kind::Net, Kind::Pid, Kind::User, Kind::Uts];

    fn name(self) -> &'static str {
        match self {
            Kind::Ipc => "ipc",
            Kind::Mnt => "mnt",
            Kind::Net => "net",
            Kind::Pid => "pid",
            Kind::User => "user",
            Kind::Uts => "uts",
        }
    }
}

/// What is looked for of these.
pub(crate) struct Surroundings<'a> {
    options: &'a Options,
    /// With what the link of each is to be.
    namespaces: Vec<(Kind, Vec<u8>)>,
    /// The process is not there whose namespaces were meant.
    is_void: bool,
}

impl<'a> Surroundings<'a> {
    pub(crate) fn new(options: &'a Options) -> Result<Surroundings<'a>> {
        let kinds = match &options.kinds[..] {
            [] => &Kind::ALL[..],
            kinds => kinds,
        };
        let Some(pid) = options.namespaces_of else {
            return Ok(Surroundings { options, namespaces: Vec::new(), is_void: false });
        };
        let read = || {
            let process = Process::open(pid)?;
            kinds.iter().map(|&kind| Ok((kind, process.namespace(kind.name())?))).collect::<io::Result<_>>()
        };
        match read() {
            Ok(namespaces) => Ok(Surroundings { options, namespaces, is_void: false }),
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESRCH)) => {
                complain(format_args!("there is no process {pid}"));
                Ok(Surroundings { options, namespaces: Vec::new(), is_void: true })
            }
            Err(error) => {
                Err(error).with_context(|| format!("the namespaces of process {pid} cannot be read"))
            }
        }
    }

    /// What we may not read of a process does not hold for it.
    pub(crate) fn hold_for(&self, process: &Process) -> io::Result<bool> {
        match self.holds(process) {
            Err(error) if matches!(error.raw_os_error(), Some(libc::EACCES | libc::EPERM)) => Ok(false),
            result => result,
        }
    }

    fn holds(&self, process: &Process) -> io::Result<bool> {
        if self.is_void {
            return Ok(false);
        }
        for (kind, wanted) in &self.namespaces {
            if process.namespace(kind.name())? != *wanted {
                return Ok(false);
            }
        }
        let options = self.options;
        if options.require_handler && process.caught_signals()? >> (options.signal - 1) & 1 == 0 {
            return Ok(false);
        }
        if !options.cgroups.is_empty() {
            let cgroup = process.cgroup()?;
            if !options.cgroups.iter().any(|name| Some(name.as_bytes()) == cgroup.as_deref()) {
                return Ok(false);
            }
        }
        if !options.environment.is_empty() {
            let environment = process.environment()?;
            let mut variables = environment.split(|&byte| byte == 0);
            return Ok(variables.any(|variable| options.environment.iter().any(|name| is_it(name, variable))));
        }
        Ok(true)
    }
}

/// A name, or a name with a value.
fn is_it(wanted: &OsStr, variable: &[u8]) -> bool {
    let wanted = wanted.as_bytes();
    let rest = variable.strip_prefix(wanted);
    rest.is_some_and(|rest| if wanted.contains(&b'=') { rest.is_empty() } else { rest.starts_with(b"=") })
}
