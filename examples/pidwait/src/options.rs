//! The command line.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use childset::Identity;
use clap::{ArgGroup, Parser, ValueEnum};
use nix::unistd::{Group, User};

use crate::pattern::Pattern;

const DETAILS: &str = "\
A process is waited for if all that is given holds for it. Those that start later are not looked at.

A process that has exited is a zombie until its parent collects it. Only then does the kernel tell others how it \
ended: with --status, use --until reaped to learn it of each.

Exit status: 0 if all have ended, 1 if there was none, 2 if the options are wrong, 3 if waiting failed, 124 after \
--timeout.";

const CRITERIA: [&str; 15] = [
    "pattern",
    "pids",
    "pid_file",
    "identities",
    "users",
    "real_users",
    "real_groups",
    "parents",
    "groups",
    "sessions",
    "terminals",
    "states",
    "older",
    "is_newest",
    "is_oldest",
];

/// Waits until processes have ended.
#[derive(Parser, Debug)]
#[command(name = "pidwait", version, after_help = DETAILS, max_term_width = 100)]
#[command(group(ArgGroup::new("criteria").required(true).multiple(true).args(CRITERIA)))]
pub(crate) struct Options {
    /// A regular expression for a part of the name
    #[arg(value_name = "PATTERN")]
    pub(crate) pattern: Option<OsString>,

    /// The pattern is for the whole name, not a part
    #[arg(short = 'x', long, requires = "pattern")]
    exact: bool,

    /// The pattern is for the command line
    #[arg(short, long, requires = "pattern")]
    pub(crate) full: bool,

    /// Upper and lower case are the same
    #[arg(short, long, requires = "pattern")]
    ignore_case: bool,

    /// The pid
    #[arg(short, long = "pid", value_name = "PID,...", value_delimiter = ',')]
    pids: Vec<u32>,

    /// A file with the pid
    #[arg(short = 'F', long = "pidfile", value_name = "FILE")]
    pid_file: Option<PathBuf>,

    /// What that file says.
    #[arg(skip)]
    pub(crate) pids_in_file: Vec<u32>,

    /// The identity, as --print-identity prints it: of no other process until the machine is started anew
    #[arg(long = "identity", value_name = "IDENTITY,...", value_delimiter = ',')]
    pub(crate) identities: Vec<Identity>,

    /// Print the identity of each, and do not wait
    #[arg(long)]
    pub(crate) print_identity: bool,

    /// The effective user, by name or number
    #[arg(short = 'u', long = "euid", value_name = "USER,...", value_delimiter = ',', value_parser = user)]
    pub(crate) users: Vec<u32>,

    /// The real user, by name or number
    #[arg(short = 'U', long = "uid", value_name = "USER,...", value_delimiter = ',', value_parser = user)]
    pub(crate) real_users: Vec<u32>,

    /// The real group, by name or number
    #[arg(short = 'G', long = "group", value_name = "GROUP,...", value_delimiter = ',', value_parser = group)]
    pub(crate) real_groups: Vec<u32>,

    /// The process group; 0 is our own
    #[arg(short = 'g', long = "pgroup", value_name = "ID,...", value_delimiter = ',')]
    pub(crate) groups: Vec<u32>,

    /// The session; 0 is our own
    #[arg(short, long = "session", value_name = "ID,...", value_delimiter = ',')]
    pub(crate) sessions: Vec<u32>,

    /// The terminal, without /dev/
    #[arg(short, long = "terminal", value_name = "NAME,...", value_delimiter = ',')]
    pub(crate) terminals: Vec<String>,

    /// The state, by its letter: D, R, S, T, Z ...
    #[arg(short = 'r', long = "runstates", value_name = "STATES")]
    pub(crate) states: Option<String>,

    /// At least so old
    #[arg(short = 'O', long, value_name = "SECONDS")]
    pub(crate) older: Option<u64>,

    /// Of these, only the one that was started last
    #[arg(short = 'n', long = "newest", conflicts_with = "is_oldest")]
    is_newest: bool,

    /// Of these, only the one that was started first
    #[arg(short = 'o', long = "oldest")]
    is_oldest: bool,

    /// Not our parent, nor its parent, and so on
    #[arg(short = 'A', long)]
    pub(crate) ignore_ancestors: bool,

    /// The pid of the parent
    #[arg(short = 'P', long = "parent", value_name = "PID,...", value_delimiter = ',')]
    pub(crate) parents: Vec<u32>,

    /// Say of each process that it is waited for
    #[arg(short, long)]
    pub(crate) echo: bool,

    /// Print how many there are
    #[arg(short, long)]
    pub(crate) count: bool,

    /// Print how each process ended, when it does
    #[arg(long)]
    pub(crate) status: bool,

    /// What to wait for
    #[arg(long, value_name = "STATE", default_value = "exited")]
    pub(crate) until: Until,

    /// Give up after so long
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) timeout: Option<Duration>,

    /// Name each zombie, and its parent, that was not collected for so long
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) zombie_after: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Until {
    /// It has ended, and may be a zombie
    Exited,
    /// Its parent has collected it
    Reaped,
}

/// Which of those that match.
pub(crate) enum Choice {
    All,
    Newest,
    Oldest,
}

impl Options {
    pub(crate) fn pattern(&self) -> Result<Option<Pattern>, clap::Error> {
        let Some(pattern) = &self.pattern else {
            return Ok(None);
        };
        Pattern::new(pattern, self.exact, self.ignore_case).map(Some).map_err(|error| {
            let message = format!("{pattern:?} is no regular expression: {error}\n");
            clap::Error::raw(clap::error::ErrorKind::ValueValidation, message)
        })
    }

    pub(crate) fn choice(&self) -> Choice {
        match (self.is_newest, self.is_oldest) {
            (true, _) => Choice::Newest,
            (false, true) => Choice::Oldest,
            (false, false) => Choice::All,
        }
    }

    /// Reads the file with pids; the error says what is wrong with it.
    pub(crate) fn read_pid_file(&mut self) -> Result<(), String> {
        let Some(path) = &self.pid_file else {
            return Ok(());
        };
        let wrong = |what: &str| format!("{}: {what}", path.display());
        let text = std::fs::read_to_string(path).map_err(|error| wrong(&error.to_string()))?;
        let pids = text.split_ascii_whitespace().map(|word| word.parse().ok().filter(|&pid| pid > 0));
        self.pids_in_file = pids.collect::<Option<_>>().unwrap_or_default();
        match self.pids_in_file.is_empty() {
            true => Err(wrong("there is no pid in it")),
            false => Ok(()),
        }
    }

    /// Those that are named, each once; `None` is all.
    pub(crate) fn pids(&self) -> Option<BTreeSet<u32>> {
        let named = BTreeSet::from_iter(self.pids.iter().copied());
        let in_file = BTreeSet::from_iter(self.pids_in_file.iter().copied());
        match (self.pids.is_empty(), &self.pid_file) {
            (true, None) => None,
            (true, Some(_)) => Some(in_file),
            (false, None) => Some(named),
            (false, Some(_)) => Some(&named & &in_file),
        }
    }
}

fn group(text: &str) -> Result<u32, String> {
    if let Ok(gid) = text.parse() {
        return Ok(gid);
    }
    match Group::from_name(text) {
        Ok(Some(group)) => Ok(group.gid.as_raw()),
        Ok(None) => Err("no such group".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn user(text: &str) -> Result<u32, String> {
    if let Ok(uid) = text.parse() {
        return Ok(uid);
    }
    match User::from_name(text) {
        Ok(Some(user)) => Ok(user.uid.as_raw()),
        Ok(None) => Err("no such user".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().map_err(|_| "not a number".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}
