//! The command line, as coreutils has it.

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{ArgAction, CommandFactory, Parser};

use crate::duration::{duration, Limit};
use crate::signals;

/// Runs a command, and ends it if it still runs after the duration.
#[derive(Debug, Parser)]
#[command(
    name = "timeout",
    version,
    args_override_self = true,
    disable_help_flag = true,
    disable_version_flag = true,
    infer_long_args = true,
    after_help = "DURATION is a number, decimal or hexadecimal (0x1.8p3), and one of the suffixes s (seconds, as without), m, h \
                  and d; 0 is no limit.\n\nExit code: 124 if the command timed out, 125 if timeout itself fails, 126 if \
                  the command cannot be run, 127 if it cannot be found, 137 if it was killed, else its own."
)]
pub(crate) struct Options {
    /// Exit with the status of the command also when it timed out
    #[arg(short, long)]
    pub(crate) preserve_status: bool,

    /// Stay in the foreground, so that the command can read from the terminal and get its signals; what the command has
    /// started is not timed out then
    #[arg(short, long)]
    pub(crate) foreground: bool,

    /// Send KILL if the command still runs this long after the first signal
    #[arg(short, long, value_name = "DURATION", value_parser = duration)]
    pub(crate) kill_after: Option<Limit>,

    /// Send this signal, a name or a number, instead of TERM
    #[arg(short, long, value_name = "SIGNAL", value_parser = signals::parse, default_value = "TERM")]
    pub(crate) signal: i32,

    /// Tell of each signal on standard error
    #[arg(short, long)]
    pub(crate) verbose: bool,

    /// Print help
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,

    /// Print version
    #[arg(long, action = ArgAction::Version)]
    version: Option<bool>,

    // One argument, so that no option is looked for after the duration.
    #[arg(value_names = ["DURATION", "COMMAND"], required = true, num_args = 2.., trailing_var_arg = true)]
    words: Vec<OsString>,

    #[arg(skip)]
    pub(crate) duration: Limit,

    /// At least one word.
    #[arg(skip)]
    pub(crate) command: Vec<OsString>,
}

impl Options {
    pub(crate) fn from_command_line() -> Result<Options, clap::Error> {
        let mut options = Options::try_parse()?;
        options.command = options.words.split_off(1);
        let text = options.words[0].to_string_lossy();
        options.duration = duration(&text).map_err(|error| {
            Options::command().error(ErrorKind::ValueValidation, format_args!("{error} '{text}'"))
        })?;
        Ok(options)
    }
}
