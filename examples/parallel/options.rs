//! The command line.

use std::ffi::OsString;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use crate::values::{record_end, seconds, size, Halt, RecordEnd};

const SEPARATOR: &str = ":::";

const DETAILS: &str = "\
Placeholders, replaced anywhere in any word of the command:
  {}   the argument
  {.}  the argument without its extension
  {/}  the argument without its directory
  {#}  the number of the job, from 1
Where the command has none, the argument is appended to it.

The words are given to the program as they are, no shell sees them. For a shell line:
  parallel sh -c 'gzip < \"$1\" > \"$1\".gz' sh {} ::: *.log

Jobs read /dev/null, or with --pipe their block. What a job writes is printed when it has ended, as a whole: it is \
kept in memory, and in an unlinked temporary file (in TMPDIR) where it is much. Of a job that is tried again, only \
the last try's is printed. A job has ended when it has exited and its pipes are closed, or silent for 200 ms if what \
it left behind holds them. With --tag and --line-buffer, a last line without its newline gets one. While \
standard output takes nothing, parallel waits for it: also time-outs and signals do. If it is closed, the running \
jobs are ended as by --halt now.

Each job leads a process group of its own: to end a job is to send SIGTERM to the group, and SIGKILL to what is left \
of it after the grace. SIGINT (Ctrl-C), SIGTERM and SIGHUP send SIGTERM to all jobs and start no more; the second \
one sends SIGKILL.

Exit status: the number of failed jobs, at most 101; those that were ended count as failed. At least 1 after a \
signal, or if standard output was closed. 255 if the options are wrong or parallel itself failed.";

/// Runs a command once for each argument, several at a time.
#[derive(Parser, Debug)]
#[command(
    name = "parallel",
    override_usage = "parallel [OPTIONS] COMMAND [WORD]... ::: [ARGUMENT]...\n       parallel [OPTIONS] COMMAND [WORD]... < ARGUMENTS",
    after_help = DETAILS,
    max_term_width = 100
)]
pub(crate) struct Options {
    /// Run so many jobs at a time [default: the number of processors]
    #[arg(short, long, value_name = "N")]
    jobs: Option<NonZeroUsize>,

    /// The arguments on standard input end with NUL instead of newline
    #[arg(short = '0', long)]
    pub(crate) null: bool,

    /// End a job that runs longer; it has failed
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) timeout: Option<Duration>,

    /// From SIGTERM to SIGKILL, where a job was ended by --timeout or --halt now
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "5")]
    pub(crate) grace: Duration,

    /// Try a job so often in all before it counts as failed; a program that cannot be run is tried once
    #[arg(long, value_name = "N", default_value = "1")]
    pub(crate) retries: NonZeroU32,

    /// When N jobs have failed, start no more (soon), and also end those that run (now); or never
    #[arg(long, value_name = "never|soon,fail=N|now,fail=N", default_value = "never")]
    pub(crate) halt: Halt,

    /// Write a line for each job that has ended, in GNU parallel's format
    #[arg(long, value_name = "FILE")]
    pub(crate) joblog: Option<PathBuf>,

    /// Print what a job wrote when it has ended; the default
    #[arg(long)]
    group: bool,

    /// Jobs write where parallel does, all at once
    #[arg(short, long, conflicts_with_all = ["group", "line_buffer", "keep_order", "tag"])]
    pub(crate) ungroup: bool,

    /// Print whole lines as they come
    #[arg(long, conflicts_with = "group")]
    pub(crate) line_buffer: bool,

    /// Print in the order of the input
    #[arg(short, long)]
    pub(crate) keep_order: bool,

    /// Print the argument (with --pipe, the job's number) and a tab before each line
    #[arg(long)]
    pub(crate) tag: bool,

    /// Cut standard input into blocks of whole records, and give each to a job as its standard input
    #[arg(long, conflicts_with = "null")]
    pub(crate) pipe: bool,

    /// The most that a block has, unless a single record has more; k, M and G stand for powers of 1024
    #[arg(long, value_name = "SIZE", value_parser = size, default_value = "1M", requires = "pipe")]
    pub(crate) block: usize,

    /// What ends a record; \\n, \\r, \\t, \\0 and \\\\ are as in C
    #[arg(long, value_name = "TEXT", value_parser = record_end, default_value = "\\n", requires = "pipe")]
    pub(crate) recend: RecordEnd,

    /// A block is so many records, whatever its size
    #[arg(short = 'N', value_name = "RECORDS", requires = "pipe", conflicts_with = "block")]
    pub(crate) records: Option<NonZeroUsize>,

    /// Print the commands, quoted for a shell, and run nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// The program
    #[arg(value_name = "COMMAND")]
    program: OsString,

    /// Its words; then ::: and the arguments, unless those come on standard input
    // Not one argument with the program: clap would take options before the program for words, too.
    #[arg(value_name = "WORD", trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<OsString>,

    /// The program and its words.
    #[arg(skip)]
    pub(crate) command: Vec<OsString>,

    /// What followed `:::`.
    #[arg(skip)]
    pub(crate) arguments: Option<Vec<OsString>>,
}

impl Options {
    pub(crate) fn from_command_line() -> Result<Options, clap::Error> {
        let mut options = Options::try_parse()?;
        options.command.push(std::mem::take(&mut options.program));
        options.command.append(&mut options.words);
        if let Some(at) = options.command.iter().position(|word| word == SEPARATOR) {
            let arguments = options.command.split_off(at).split_off(1);
            if options.command.is_empty() {
                return Err(usage("there is no command before :::"));
            }
            if arguments.iter().any(|argument| argument == SEPARATOR) {
                return Err(usage("there is more than one :::"));
            }
            if options.pipe {
                return Err(usage("with --pipe there are no arguments, and so no :::"));
            }
            options.arguments = Some(arguments);
        }
        Ok(options)
    }

    pub(crate) fn jobs(&self) -> usize {
        self.jobs.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get)
    }
}

fn usage(message: &str) -> clap::Error {
    Options::command().error(ErrorKind::ValueValidation, message)
}
