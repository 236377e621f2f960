//! Which processes to wait for.

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::io;

use anyhow::{Context, Result};
use async_io::Async;
use childset::{Gone, Identity, Pidfd};
use rustix::fs::{major, minor, stat};
use rustix::param::clock_ticks_per_second;
use shared::{printable, Stat};

use crate::options::{Choice, Options};
use crate::pattern::Pattern;
use crate::process::Process;
use crate::report::complain;
use crate::surroundings::Surroundings;

/// What the kernel keeps of a name.
const LONGEST_NAME: usize = 15;

pub(crate) struct Found {
    pub(crate) pidfd: Async<Pidfd>,
    pub(crate) pid: u32,
    name: String,
    started: u64,
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

/// What is looked for, as far as it is not in the options.
struct Criteria<'a> {
    options: &'a Options,
    pattern: Option<Pattern>,
    groups: Vec<u32>,
    sessions: Vec<u32>,
    /// Device numbers.
    terminals: Vec<(u32, u32)>,
    /// In ticks since the system's start.
    started_by: Option<u64>,
    ancestors: HashSet<u32>,
    surroundings: Surroundings<'a>,
}

/// Finds the processes that are there now, in the order of their pids.
pub(crate) fn matching(options: &Options) -> Result<Vec<Found>> {
    let criteria = Criteria::new(options)?;
    let mut found = Vec::new();
    match options.pids().filter(|_| !options.inverse) {
        None if !options.identities.is_empty() => {}
        None => {
            for pid in Process::pids().context("/proc cannot be read")? {
                if let Some(process) = unless_gone(Process::open(pid))? {
                    found.extend(criteria.open(&process)?);
                }
            }
        }
        Some(pids) => {
            for pid in pids {
                match unless_gone(Process::open(pid))? {
                    // A thread is found by its number, too.
                    Some(process) if process.ids().is_ok_and(|ids| ids.process == pid) => {
                        found.extend(criteria.open(&process)?);
                    }
                    _ => complain(format_args!("there is no process {pid}")),
                }
            }
        }
    }
    for identity in &BTreeSet::from_iter(&options.identities) {
        match criteria.by_identity(identity)? {
            Some(process) => found.extend(process),
            None => complain(format_args!("there is no process {identity}")),
        }
    }
    found.sort_by_key(|found| found.pid);
    found.dedup_by_key(|found| found.pid);
    let age = |found: &Found| (found.started, found.pid);
    let chosen = match options.choice() {
        Choice::All => None,
        Choice::Newest => found.iter().map(age).max(),
        Choice::Oldest => found.iter().map(age).min(),
    };
    found.retain(|found| chosen.is_none_or(|chosen| age(found) == chosen));
    let is_long = options.pattern.as_ref().is_some_and(|pattern| pattern.len() > LONGEST_NAME);
    if found.is_empty() && is_long && !options.full {
        let hint = format!("names have at most {LONGEST_NAME} characters; -f looks at the command line");
        complain(hint);
    }
    Ok(found)
}

impl<'a> Criteria<'a> {
    fn new(options: &'a Options) -> Result<Criteria<'a>> {
        // 0 is our own.
        let own = |list: &[u32], own: u32| list.iter().map(|&id| if id == 0 { own } else { id }).collect();
        // As `/proc` has it: in a pid namespace they may be those of the outside, and so without a number here.
        let ourselves = Process::open(std::process::id()).and_then(|process| process.stat());
        let Stat { group, session, .. } = ourselves.context("our own process cannot be read in /proc")?;
        let terminals = options.terminals.iter().filter_map(|name| {
            let device = stat(std::path::Path::new("/dev").join(name)).ok()?.st_rdev;
            Some((major(device), minor(device)))
        });
        Ok(Criteria {
            options,
            pattern: options.pattern().unwrap_or_else(|error| error.exit()),
            groups: own(&options.groups, group),
            sessions: own(&options.sessions, session),
            terminals: terminals.collect(),
            started_by: options.older.map(started_by).transpose()?,
            ancestors: if options.ignore_ancestors { ancestors()? } else { HashSet::new() },
            surroundings: Surroundings::new(options)?,
        })
    }

    /// `None` if there is none; `Some(None)` if it does not match.
    fn by_identity(&self, identity: &Identity) -> Result<Option<Option<Found>>> {
        let (pidfd, pid) = match identity.open().and_then(|pidfd| Ok((pidfd.pid()?, pidfd))) {
            Ok((Some(pid), pidfd)) => (pidfd, pid),
            Ok((None, _)) => return Ok(None),
            Err(error) if Gone::from_io_error(&error).is_some() => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("{identity} cannot be waited for")),
        };
        let Some(process) = unless_gone(Process::open(pid))? else {
            return Ok(None);
        };
        let found = self.open(&process)?;
        // The number was its own all the time.
        Ok(pidfd.pid().is_ok().then_some(found))
    }

    fn open(&self, process: &Process) -> Result<Option<Found>> {
        let pid = process.pid;
        if pid == std::process::id() || self.ancestors.contains(&pid) {
            return Ok(None);
        }
        let Some(Some(stat)) = unless_gone(self.stat_if_it_matches(process))? else {
            return Ok(None);
        };
        // For people: in one line, whatever it holds.
        let name = printable(&stat.name);
        let pidfd = match Pidfd::open(pid) {
            Ok(pidfd) => pidfd,
            Err(error) if Gone::from_io_error(&error).is_some() => return Ok(None),
            Err(error) => {
                return Err(error).with_context(|| format!("{name} (pid {pid}) cannot be waited for"))
            }
        };
        // That `process` still reads something says that the number was this process's when the pidfd was opened.
        if unless_gone(process.stat())?.is_none() {
            return Ok(None);
        }
        Ok(Some(Found { pidfd: Async::new_nonblocking(pidfd)?, pid, name, started: stat.started }))
    }

    fn stat_if_it_matches(&self, process: &Process) -> io::Result<Option<Stat>> {
        let stat = process.stat()?;
        Ok((self.matches(process, &stat)? != self.options.inverse).then_some(stat))
    }

    fn matches(&self, process: &Process, stat: &Stat) -> io::Result<bool> {
        let options = self.options;
        let is_wanted = allows(&options.parents, &stat.parent)
            && allows(&self.groups, &stat.group)
            && allows(&self.sessions, &stat.session)
            && (options.terminals.is_empty() || self.terminals.contains(&device(stat.terminal)))
            && options.states.as_ref().is_none_or(|states| states.as_bytes().contains(&stat.state))
            && self.started_by.is_none_or(|latest| stat.started <= latest);
        if !is_wanted {
            return Ok(false);
        }
        // All are looked at, since those are wanted that are not named.
        if options.inverse && options.pids().is_some_and(|pids| !pids.contains(&process.pid)) {
            return Ok(false);
        }
        if !(options.users.is_empty() && options.real_users.is_empty() && options.real_groups.is_empty()) {
            let ids = process.ids()?;
            let (user, effective_user) = ids.users;
            let is_wanted = allows(&options.users, &effective_user)
                && allows(&options.real_users, &user)
                && allows(&options.real_groups, &ids.groups.0);
            if !is_wanted {
                return Ok(false);
            }
        }
        if !self.surroundings.hold_for(process)? {
            return Ok(false);
        }
        let Some(pattern) = &self.pattern else {
            return Ok(true);
        };
        let command_line = if options.full { process.command_line()? } else { Vec::new() };
        // A zombie and a thread of the kernel have none.
        let text = if command_line.is_empty() { &stat.name } else { &command_line };
        Ok(pattern.matches(text))
    }
}

/// An empty list allows all.
fn allows<T: PartialEq>(list: &[T], value: &T) -> bool {
    list.is_empty() || list.contains(value)
}

/// Of `/proc/PID/stat`, as the kernel encodes it.
fn device(terminal: u32) -> (u32, u32) {
    (terminal >> 8 & 0xfff, terminal & 0xff | terminal >> 12 & 0xfff00)
}

/// The latest start of a process that is so old now.
fn started_by(seconds: u64) -> Result<u64> {
    let uptime = std::fs::read_to_string("/proc/uptime").context("/proc/uptime cannot be read")?;
    let uptime = uptime.split(' ').next().and_then(|seconds| seconds.parse::<f64>().ok()).unwrap_or(0.0);
    Ok(((uptime - seconds as f64).max(0.0) * clock_ticks_per_second() as f64) as u64)
}

fn ancestors() -> Result<HashSet<u32>> {
    let mut ancestors = HashSet::new();
    let mut pid = std::process::id();
    while let Some(process) = unless_gone(Process::open(pid))? {
        let Some(stat) = unless_gone(process.stat())? else {
            break;
        };
        pid = stat.parent;
        if pid == 0 || !ancestors.insert(pid) {
            break;
        }
    }
    Ok(ancestors)
}

/// Processes end while one looks; and with `hidepid`, one may not look at each.
fn unless_gone<T>(result: io::Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) => match error.raw_os_error() {
            Some(libc::ENOENT | libc::ESRCH | libc::EACCES | libc::EPERM) => Ok(None),
            _ => Err(error.into()),
        },
    }
}

/// The parent of a zombie, as far as it can be told.
pub(crate) fn parent(found: &Found) -> Option<String> {
    let parent = Process::open(found.pid).ok()?.stat().ok()?.parent;
    let name = Process::open(parent).ok()?.stat().ok()?.name;
    let name = printable(&name);
    Some(format!("{name} (pid {parent})"))
}
