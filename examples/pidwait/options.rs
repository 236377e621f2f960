//! The command line.

use std::time::Duration;

use childset::Identity;
use clap::{ArgGroup, Parser, ValueEnum};
use nix::unistd::User;
use regex_lite::{Regex, RegexBuilder};

const DETAILS: &str = "\
A process is waited for if all that is given holds for it. Those that start later are not looked at.

A process that has exited is a zombie until its parent collects it. Only then does the kernel tell others how it \
ended: with --status, use --until reaped to learn it of each.

Exit status: 0 if all have ended, 1 if there was none, 2 if the options are wrong, 3 if waiting failed, 124 after \
--timeout.";

/// Waits until processes have ended.
#[derive(Parser, Debug)]
#[command(name = "pidwait", after_help = DETAILS, max_term_width = 100)]
#[command(group(ArgGroup::new("criteria").required(true).multiple(true).args(["pattern", "pids", "identities", "users", "parents"])))]
pub(crate) struct Options {
    /// A regular expression for a part of the name
    #[arg(value_name = "PATTERN")]
    pub(crate) pattern: Option<String>,

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
    pub(crate) pids: Vec<u32>,

    /// The identity, as --print-identity prints it: of no other process until the machine is started anew
    #[arg(long = "identity", value_name = "IDENTITY,...", value_delimiter = ',')]
    pub(crate) identities: Vec<Identity>,

    /// Print the identity of each, and do not wait
    #[arg(long)]
    pub(crate) print_identity: bool,

    /// The effective user, by name or number
    #[arg(short = 'u', long = "euid", value_name = "USER,...", value_delimiter = ',', value_parser = user)]
    pub(crate) users: Vec<u32>,

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

impl Options {
    pub(crate) fn regex(&self) -> Result<Option<Regex>, clap::Error> {
        let Some(pattern) = &self.pattern else {
            return Ok(None);
        };
        // Alone first, since what is wrong with it might be right in parentheses.
        let alone = RegexBuilder::new(pattern).case_insensitive(self.ignore_case).build();
        let regex = match alone {
            Ok(_) if self.exact => {
                RegexBuilder::new(&format!("^(?:{pattern})$")).case_insensitive(self.ignore_case).build()
            }
            alone => alone,
        };
        regex.map(Some).map_err(|error| {
            let message = format!("{pattern:?} is no regular expression: {error}\n");
            clap::Error::raw(clap::error::ErrorKind::ValueValidation, message)
        })
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
