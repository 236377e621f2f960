//! The command line.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use childset::Identity;
use clap::{ArgGroup, Parser, ValueEnum};
use nix::unistd::{Group, User};

use crate::pattern::Pattern;
use crate::pid_file;
use crate::surroundings::Kind;

const DETAILS: &str = "\
A process is waited for if all that is given holds for it. Those that start later are not looked at.

A process that has exited is a zombie until its parent collects it. Only then does the kernel tell others how it \
ended: with --status, use --until reaped to learn it of each.

Exit status: 0 if all have ended, 1 if there was none, 2 if the options are wrong, 3 if waiting failed, 124 after \
--timeout.";

const CRITERIA: [&str; 19] = [
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
    "require_handler",
    "cgroups",
    "environment",
    "namespaces_of",
];

/// Waits until processes have ended.
#[derive(Parser, Debug)]
#[command(name = "pidwait", version, after_help = DETAILS, max_term_width = 100)]
#[command(args_override_self = true, infer_long_args = true)]
#[command(group(ArgGroup::new("criteria").required(true).multiple(true).args(CRITERIA)))]
pub(crate) struct Options {
    /// An extended regular expression for a part of the name
    #[arg(value_name = "PATTERN")]
    pub(crate) pattern: Option<OsString>,

    /// The pattern is for the whole name, not a part
    #[arg(short = 'x', long)]
    exact: bool,

    /// The pattern is for the command line
    #[arg(short, long)]
    pub(crate) full: bool,

    /// Upper and lower case are the same
    #[arg(short, long)]
    ignore_case: bool,

    /// The pid
    #[arg(short, long = "pid", value_name = "PID,...", value_delimiter = ',')]
    pids: Vec<u32>,

    /// A file that begins with the pid; - is standard input
    #[arg(short = 'F', long = "pidfile", value_name = "FILE")]
    pid_file: Option<PathBuf>,

    /// Fail if that file is not locked, as a daemon locks its own
    #[arg(short = 'L', long = "logpidfile", requires = "pid_file")]
    is_locked: bool,

    /// What that file says.
    #[arg(skip)]
    pid_in_file: Option<u32>,

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
    #[arg(short = 'n', long = "newest", conflicts_with_all = ["is_oldest", "inverse"])]
    is_newest: bool,

    /// Of these, only the one that was started first
    #[arg(short = 'o', long = "oldest", conflicts_with = "inverse")]
    is_oldest: bool,

    /// All for which what is given does not hold
    #[arg(short = 'v', long, conflicts_with = "identities")]
    pub(crate) inverse: bool,

    /// Only those that have a handler for the signal of --signal
    #[arg(short = 'H', long)]
    pub(crate) require_handler: bool,

    /// The signal, by name or number, for --require-handler
    #[arg(long, value_parser = signal, default_value = "TERM")]
    pub(crate) signal: i32,

    /// The cgroup of version 2, as /proc/PID/cgroup has it after 0::
    #[arg(long = "cgroup", value_name = "NAME,...", value_delimiter = ',')]
    pub(crate) cgroups: Vec<OsString>,

    /// A variable in the environment with which it was started
    #[arg(long = "env", value_name = "NAME[=VALUE],...", value_delimiter = ',')]
    pub(crate) environment: Vec<OsString>,

    /// In the same namespaces as this process
    #[arg(long = "ns", value_name = "PID")]
    pub(crate) namespaces_of: Option<u32>,

    /// Which ones, for --ns; by default all of these
    #[arg(long = "nslist", value_name = "KIND,...", value_delimiter = ',')]
    pub(crate) kinds: Vec<Kind>,

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

    /// Reads the file with the pid; the error says what is wrong with it.
    pub(crate) fn read_pid_file(&mut self) -> Result<(), String> {
        if let Some(path) = &self.pid_file {
            let wrong = |what: String| format!("{}: {what}", path.display());
            self.pid_in_file = Some(pid_file::read(path, self.is_locked).map_err(wrong)?);
        }
        Ok(())
    }

    /// Those that are named, each once; `None` is all.
    pub(crate) fn pids(&self) -> Option<BTreeSet<u32>> {
        let named = BTreeSet::from_iter(self.pids.iter().copied());
        match self.pid_in_file {
            None => (!named.is_empty()).then_some(named),
            Some(pid) if named.is_empty() || named.contains(&pid) => Some(BTreeSet::from([pid])),
            Some(_) => Some(BTreeSet::new()),
        }
    }
}

fn signal(text: &str) -> Result<i32, String> {
    let upper = text.to_ascii_uppercase();
    let name = format!("SIG{}", upper.strip_prefix("SIG").unwrap_or(&upper));
    let number = text.parse().ok().filter(|number| (1..=64).contains(number));
    let number = number.or_else(|| Some(name.parse::<nix::sys::signal::Signal>().ok()? as i32));
    number.ok_or_else(|| "no such signal".to_owned())
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
