//! The command line, as coreutils has it.

use std::ffi::OsString;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{ArgAction, CommandFactory, Parser};

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
    after_help = "DURATION is a number, with a fraction if need be, and one of the suffixes s (seconds, as without), m, h \
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

/// `None` is no limit.
pub(crate) type Limit = Option<Duration>;

fn duration(text: &str) -> Result<Option<Duration>, String> {
    let (number, unit) = match text.char_indices().last() {
        Some((at, 's')) => (&text[..at], 1.0),
        Some((at, 'm')) => (&text[..at], 60.0),
        Some((at, 'h')) => (&text[..at], 3600.0),
        Some((at, 'd')) => (&text[..at], 86400.0),
        _ => (text, 1.0),
    };
    let number = number.trim_start().parse::<f64>().ok();
    // Not a number fails this, too.
    let seconds = number.filter(|&number| number >= 0.0).ok_or("invalid time interval")? * unit;
    // What is too short for a number of this kind is not 0.
    let has_digit = |text: &str| text.contains(|c: char| ('1'..='9').contains(&c));
    if seconds == 0.0 && !text.split(['e', 'E']).next().is_some_and(has_digit) {
        return Ok(None);
    }
    // What is too long for the clock is no limit either.
    Ok(Duration::try_from_secs_f64(seconds).ok().map(|duration| duration.max(Duration::from_nanos(1))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let seconds = |text| duration(text).unwrap().map(|duration| duration.as_secs_f64());
        for (text, wanted) in [
            ("1", Some(1.0)),
            ("1s", Some(1.0)),
            ("+1.", Some(1.0)),
            (".5", Some(0.5)),
            (" 2", Some(2.0)),
            ("0.5m", Some(30.0)),
            ("2h", Some(7200.0)),
            ("1.5d", Some(129600.0)),
            ("1e3s", Some(1000.0)),
            ("1e-30", Some(1e-9)),
            ("1e-400", Some(1e-9)),
            ("0.01E-400d", Some(1e-9)),
            ("0e-400", None),
            ("0", None),
            ("0.0h", None),
            ("inf", None),
            ("infinitym", None),
            ("99999999999999999999d", None),
        ] {
            assert_eq!(seconds(text), wanted, "{text}");
        }
        for text in ["", "s", "-1", "nan", "1 s", "1ms", "1D", "1ss", "one", "1ä"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
