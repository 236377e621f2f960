//! Which processes to wait for.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, Write};

use anyhow::{Context, Result};
use async_io::Async;
use childset::{Gone, Identity, Pidfd};
use procfs::process::{all_processes, Process};
use procfs::{ProcError, ProcResult};
use regex_lite::Regex;

use crate::options::Options;

/// What the kernel keeps of a name.
const LONGEST_NAME: usize = 15;

pub(crate) struct Found {
    pub(crate) pidfd: Async<Pidfd>,
    pub(crate) pid: u32,
    name: String,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {})", self.name, self.pid)
    }
}

impl Found {
    /// How to find it again; `None` if it is gone.
    pub(crate) fn identity(&self) -> Result<Option<Identity>> {
        match self.pidfd.get_ref().identity() {
            Err(error) if Gone::from_io_error(&error).is_some() => Ok(None),
            identity => identity.map(Some).with_context(|| self.to_string()),
        }
    }
}

/// Finds the processes that are there now, in the order of their pids.
pub(crate) fn matching(options: &Options) -> Result<Vec<Found>> {
    let regex = options.regex().unwrap_or_else(|error| error.exit());
    let mut found = Vec::new();
    let mut consider = |process: Process| -> Result<()> {
        found.extend(open_if_it_matches(&process, options, regex.as_ref())?);
        Ok(())
    };
    if options.pids.is_empty() && options.identities.is_empty() {
        for process in all_processes().context("/proc cannot be read")? {
            if let Some(process) = unless_gone(process)? {
                consider(process)?;
            }
        }
    }
    for &pid in &BTreeSet::from_iter(&options.pids) {
        let process = i32::try_from(*pid).ok().map_or(Ok(None), |pid| unless_gone(Process::new(pid)))?;
        match process {
            // A thread is found by its number, too.
            Some(process) if process.status().is_ok_and(|status| status.tgid as u32 == *pid) => {
                consider(process)?;
            }
            _ => drop(writeln!(io::stderr(), "pidwait: there is no process {pid}")),
        }
    }
    for identity in &BTreeSet::from_iter(&options.identities) {
        match by_identity(identity, options, regex.as_ref())? {
            Some(process) => found.extend(process),
            None => drop(writeln!(io::stderr(), "pidwait: there is no process {identity}")),
        }
    }
    found.sort_by_key(|found| found.pid);
    found.dedup_by_key(|found| found.pid);
    let is_long = options.pattern.as_ref().is_some_and(|pattern| pattern.len() > LONGEST_NAME);
    if found.is_empty() && is_long && !options.full {
        let hint = format!("names have at most {LONGEST_NAME} characters; -f looks at the command line");
        let _ = writeln!(io::stderr(), "pidwait: {hint}");
    }
    Ok(found)
}

/// `None` if there is none; `Some(None)` if it does not match.
fn by_identity(
    identity: &Identity,
    options: &Options,
    regex: Option<&Regex>,
) -> Result<Option<Option<Found>>> {
    let (pidfd, pid) = match identity.open().and_then(|pidfd| Ok((pidfd.pid()?, pidfd))) {
        Ok((Some(pid), pidfd)) => (pidfd, pid),
        Ok((None, _)) => return Ok(None),
        Err(error) if Gone::from_io_error(&error).is_some() => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("{identity} cannot be waited for")),
    };
    let Some(process) = unless_gone(Process::new(pid as i32))? else {
        return Ok(None);
    };
    let found = open_if_it_matches(&process, options, regex)?;
    // The number was its own all the time.
    Ok(pidfd.pid().is_ok().then_some(found))
}

fn open_if_it_matches(process: &Process, options: &Options, regex: Option<&Regex>) -> Result<Option<Found>> {
    let pid = process.pid as u32;
    if pid == std::process::id() {
        return Ok(None);
    }
    let Some(name) = unless_gone(name_if_it_matches(process, options, regex))? else {
        return Ok(None);
    };
    let Some(name) = name else {
        return Ok(None);
    };
    let pidfd = match Pidfd::open(pid) {
        Ok(pidfd) => pidfd,
        Err(error) if Gone::from_io_error(&error).is_some() => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("{name} (pid {pid}) cannot be waited for")),
    };
    // `process` is a descriptor of its own kind: it reads nothing of a later process with the same number. That it
    // still reads something says that the number was this process's when the pidfd was opened.
    if unless_gone(process.stat())?.is_none() {
        return Ok(None);
    }
    Ok(Some(Found { pidfd: Async::new_nonblocking(pidfd)?, pid, name }))
}

fn name_if_it_matches(
    process: &Process,
    options: &Options,
    regex: Option<&Regex>,
) -> ProcResult<Option<String>> {
    let stat = process.stat()?;
    if !options.parents.is_empty() && !options.parents.contains(&(stat.ppid as u32)) {
        return Ok(None);
    }
    if !options.users.is_empty() && !options.users.contains(&process.status()?.euid) {
        return Ok(None);
    }
    let command_line = if options.full { process.cmdline()?.join(" ") } else { String::new() };
    // A zombie and a thread of the kernel have none.
    let text = if command_line.is_empty() { &stat.comm } else { &command_line };
    Ok(regex.is_none_or(|regex| regex.is_match(text)).then_some(stat.comm))
}

/// Processes end while one looks; and with `hidepid`, one may not look at each.
fn unless_gone<T>(result: ProcResult<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(ProcError::NotFound(_) | ProcError::PermissionDenied(_)) => Ok(None),
        Err(ProcError::Io(error, _)) if error.raw_os_error() == Some(libc::ESRCH) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The parent of a zombie, as far as it can be told.
pub(crate) fn parent(found: &Found) -> Option<String> {
    let parent = Process::new(found.pid as i32).ok()?.stat().ok()?.ppid;
    let name = Process::new(parent).ok()?.stat().ok()?.comm;
    Some(format!("{name} (pid {parent})"))
}
