//! The command line.

mod details;
mod hosts;
mod sources;

use std::ffi::OsString;
use std::num::{NonZeroU32, NonZeroUsize};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use crate::blocks::{Blocks, Size};
use crate::hosts::Login;
use crate::input::{Fill, LONGEST_LINE};
use crate::placeholder::{by_number, Syntax};
use crate::remote::Remote;
use crate::template::Template;
use crate::values::{delimiter, end, plain_separator, separator, size, time, Halt, Jobs, Separator, Timeout};
use details::DETAILS;
use hosts::OfHosts;
pub(crate) use sources::{From, Source};

/// Runs a command once for each argument, several at a time.
#[derive(Parser, Debug)]
#[command(
    name = "parallel",
    version,
    override_usage = "parallel [OPTIONS] [COMMAND [WORD]...] ::: [ARGUMENT]...\n       parallel [OPTIONS] [COMMAND [WORD]...] < ARGUMENTS",
    after_help = DETAILS,
    infer_long_args = true,
    max_term_width = 100
)]
pub(crate) struct Options {
    /// Run so many jobs at a time: a number, or of the processors a percentage, or so many more or less than these;
    /// 0 is as many as possible
    #[arg(
        short,
        long,
        short_alias = 'P',
        alias = "max-procs",
        value_name = "N|N%|+N|-N",
        default_value = "100%",
        allow_hyphen_values = true
    )]
    pub(crate) jobs: Jobs,

    /// Read arguments from the file, - is standard input; several are as several ::::
    #[arg(short, long, value_name = "FILE")]
    arg_file: Vec<OsString>,

    /// The arguments in files and on standard input end with NUL instead of newline
    #[arg(short = '0', long)]
    pub(crate) null: bool,

    /// They end with this byte; \\n, \\r, \\t, \\0 and \\\\ are as in C
    #[arg(short, long, value_name = "BYTE", value_parser = delimiter, conflicts_with = "null")]
    delimiter: Option<u8>,

    /// Cut each argument into columns at this text: {1}, {2} …
    #[arg(short = 'C', long, value_name = "TEXT", value_parser = plain_separator, conflicts_with = "pipe")]
    pub(crate) colsep: Option<Separator>,

    /// Give a job so many arguments; 0 is one that it does not get
    #[arg(short = 'n', long, value_name = "N", conflicts_with_all = ["pipe", "records"])]
    max_args: Option<usize>,

    /// Link all lists, one by one, and begin a shorter one anew
    #[arg(long, visible_alias = "xapply", conflicts_with = "pipe")]
    pub(crate) link: bool,

    /// Give a job as many arguments as fit into its command, but the last ones spread over the slots. A word with a
    /// placeholder stands there once for each
    #[arg(short = 'X', conflicts_with = "pipe")]
    repeated: bool,

    /// Likewise, and the placeholder alone stands for all
    #[arg(short = 'm', conflicts_with_all = ["pipe", "repeated"])]
    many: bool,

    /// Likewise, and the last ones are not spread
    #[arg(long, conflicts_with_all = ["pipe", "repeated", "many"])]
    xargs: bool,

    /// With -X, -m or --xargs: the command has at most so many bytes
    #[arg(short = 's', long, value_name = "SIZE", value_parser = size)]
    max_chars: Option<usize>,

    /// The first argument of each list, or the first row with --colsep, are the names of what follows: {name}
    #[arg(long, value_name = ":", value_parser = [":"], conflicts_with = "pipe")]
    header: Option<String>,

    /// This stands for the arguments, instead of {}
    #[arg(short = 'I', long = "replace", value_name = "TEXT", default_value = "{}")]
    whole: OsString,

    /// Know also {..} {...} {/..} {/...}, without two or three extensions; {+.} {+..} {+...}, the extensions; {+/}, what
    /// is before the last slash
    #[arg(long)]
    plus: bool,

    /// End a job that runs longer; it has failed. A percentage is one of the median of the jobs that succeeded, the
    /// last 101 of them, from the third on
    #[arg(long, value_name = "TIME|N%")]
    pub(crate) timeout: Option<Timeout>,

    /// Wait so long from one start to the next
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) delay: Option<Duration>,

    /// From SIGTERM to SIGKILL, where a job was ended by --timeout or --halt now
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "5")]
    pub(crate) grace: Duration,

    /// Try a job so often in all before it counts as failed; a program that cannot be run is tried once
    #[arg(long, value_name = "N", default_value = "1")]
    pub(crate) retries: NonZeroU32,

    /// When N jobs, or N% of all, have failed, succeeded or ended, start no more (soon), and also end those that run
    /// (now); or never
    #[arg(
        long,
        alias = "halt-on-error",
        value_name = "never|WHEN,WHY=N",
        default_value = "never",
        allow_hyphen_values = true
    )]
    pub(crate) halt: Halt,

    /// Write a line for each job that has ended, in GNU parallel's format
    #[arg(long, value_name = "FILE")]
    pub(crate) joblog: Option<PathBuf>,

    /// Leave out the jobs that the joblog has already
    #[arg(long, requires = "joblog")]
    resume: bool,

    /// Leave out the jobs that have succeeded by the joblog
    #[arg(long, requires = "joblog")]
    pub(crate) resume_failed: bool,

    /// Keep what each job writes in files below this directory, as DIR/1/ARGUMENT/stdout, and do not print it
    #[arg(long, value_name = "DIR", conflicts_with = "ungroup")]
    pub(crate) results: Option<PathBuf>,

    /// Print what a job wrote when it has ended; the default
    #[arg(long)]
    group: bool,

    /// Jobs write where parallel does, all at once
    #[arg(short, long, conflicts_with_all = ["group", "line_buffer", "keep_order", "tag"])]
    pub(crate) ungroup: bool,

    /// Print whole lines as they come
    #[arg(long, aliases = ["lb", "linebuffer"], conflicts_with = "group")]
    pub(crate) line_buffer: bool,

    /// Print in the order of the input
    #[arg(short, long)]
    pub(crate) keep_order: bool,

    /// Print the argument (with --pipe, the job's number) and a tab before each line
    #[arg(long)]
    pub(crate) tag: bool,

    /// Print this text, in which placeholders are replaced, and a tab before each line
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["tag", "ungroup"])]
    tagstring: Option<OsString>,

    /// Print each command before what it writes
    #[arg(short)]
    pub(crate) verbose: bool,

    /// Print each command on standard error
    #[arg(short = 't', long = "verbose")]
    pub(crate) trace: bool,

    /// Show how far it is, and a summary in the end
    #[arg(long, aliases = ["progress", "eta"])]
    pub(crate) bar: bool,

    /// Say in the end how many jobs there were and what they used
    #[arg(long)]
    summary: bool,

    /// Cut standard input into blocks of whole records, and give each to a job as its standard input
    #[arg(long, conflicts_with = "null")]
    pub(crate) pipe: bool,

    /// Has no meaning here; GNU parallel wants it said
    #[arg(long, hide = true)]
    will_cite: bool,

    /// The most that a block has, unless a single record has more; k, M and G stand for powers of 1024
    #[arg(long, value_name = "SIZE", value_parser = size, default_value = "1M", requires = "pipe")]
    pub(crate) block: usize,

    /// What ends a record; \\n, \\r, \\t, \\0 and \\\\ are as in C. Without --recstart it is \\n; if empty, a block is cut anywhere
    #[arg(long, value_name = "TEXT", value_parser = end, requires = "pipe")]
    recend: Option<Separator>,

    /// What starts a record; with --recend, a record ends where the two come together
    #[arg(long, value_name = "TEXT", value_parser = separator, requires = "pipe")]
    recstart: Option<Separator>,

    /// Give a job so many arguments; with --pipe, so many records, whatever their size
    #[arg(short = 'N', long = "max-replace-args", value_name = "N", conflicts_with = "block")]
    records: Option<usize>,

    #[command(flatten)]
    hosts: OfHosts,

    /// Print the commands, quoted for a shell, and run nothing
    #[arg(long, alias = "dryrun")]
    pub(crate) dry_run: bool,

    /// The program with its words, or a line for a shell; then ::: and the arguments, unless those come from elsewhere
    // One argument, so that no option is looked for after the program.
    #[arg(value_name = "COMMAND", trailing_var_arg = true)]
    words: Vec<OsString>,

    /// As they were given.
    #[arg(skip)]
    command: Vec<OsString>,

    /// Of the arguments, as the header has them.
    #[arg(skip)]
    pub(crate) names: Vec<OsString>,

    /// Where jobs run.
    #[arg(skip)]
    pub(crate) logins: Vec<Login>,

    /// How they run there.
    #[arg(skip)]
    pub(crate) remote: Remote,

    /// What is run.
    #[arg(skip)]
    pub(crate) template: Template,

    /// What is printed before each line.
    #[arg(skip)]
    pub(crate) tag_template: Option<Template>,

    /// Where arguments come from; standard input if there is none.
    #[arg(skip)]
    pub(crate) sources: Vec<Source>,
}

impl Options {
    pub(crate) fn from_command_line() -> Result<Options, clap::Error> {
        let mut options = Options::try_parse()?;
        let words = std::mem::take(&mut options.words);
        let files = std::mem::take(&mut options.arg_file).into_iter();
        options.sources = files.map(|name| Source { from: From::File(name), linked: false }).collect();
        options.command = options.split(words).map_err(|error| usage(&error))?;
        options.logins = options.hosts.logins().map_err(|error| usage(&error))?;
        if options.header.is_none() {
            options.prepare(&[]).map_err(|error| usage(&error))?;
        }
        Ok(options)
    }

    pub(crate) fn has_header(&self) -> bool {
        self.header.is_some()
    }

    /// Where a job gets as many arguments as fit.
    pub(crate) fn fill(&self, slots: usize) -> Option<Fill> {
        let limit = self.max_chars.unwrap_or(LONGEST_LINE).min(LONGEST_LINE);
        let slots = (!self.xargs).then_some(slots);
        let fills = self.repeated || self.many || self.xargs;
        fills.then(|| Fill::new(self.template.clone(), limit, self.count(), slots))
    }

    pub(crate) fn blocks(&self) -> Blocks {
        let records = self.records.and_then(NonZeroUsize::new);
        let size = records.map_or(Size::Bytes(self.block), Size::Records);
        let (end, start) = (self.recend.as_ref(), self.recstart.as_ref());
        let default: &[u8] = if start.is_none() { b"\n" } else { b"" };
        Blocks::new(size, end.map_or(default, |end| &end.0), start.map_or(b"", |start| &start.0))
    }

    /// Finds the placeholders. What is not known is an error.
    pub(crate) fn prepare(&mut self, names: &[OsString]) -> Result<(), String> {
        self.names = names.to_vec();
        let syntax = Syntax { whole: &self.whole, plus: self.plus };
        let numbered = |word: &OsString| by_number(word, names);
        let command: Vec<_> = self.command.iter().map(numbered).collect();
        if self.pipe && command.is_empty() {
            return Err("with --pipe there is a command".to_owned());
        }
        let is_nothing = |separator: &Option<Separator>| separator.as_ref().is_some_and(|it| it.0.is_empty());
        if self.pipe && self.records.is_some() && (self.records == Some(0) || is_nothing(&self.recend)) {
            return Err("-N: with --pipe, it is a number of records from 1".to_owned());
        }
        if self.whole.is_empty() {
            return Err("-I: it is empty".to_owned());
        }
        let directory = self.results.as_deref().map(|path| path.as_os_str().as_bytes()).unwrap_or_default();
        if directory.contains(&b'{') || directory.ends_with(b".csv") || directory.ends_with(b".tsv") {
            return Err("--results: only a directory is known, no placeholder and no table".to_owned());
        }
        let template = Template::new(&command, syntax)?;
        let template = if self.pipe { template } else { template.or_append() };
        self.template = if self.repeated { template.repeated() } else { template };
        self.remote = self.hosts.remote(syntax, names, self.grace)?;
        let tag = match (&self.tagstring, self.tag) {
            (Some(text), _) => Some(Template::new(&[numbered(text)], syntax)?),
            (None, true) if self.pipe => Some(Template::new(&["{#}".into()], syntax)?),
            (None, true) => Some(Template::new(std::slice::from_ref(&self.whole), syntax)?),
            (None, false) => None,
        };
        let both = [self.template.furthest(), tag.as_ref().map_or(0, Template::furthest)];
        let furthest = both.into_iter().max_by_key(|at| at.unsigned_abs()).unwrap_or(0);
        self.tag_template = tag;
        let most = match self.count() {
            Some(count) => count.max(self.sources.len()),
            None => self.sources.len().max(1),
        };
        let is_open = self.colsep.is_some() || self.repeated || self.many || self.xargs;
        if furthest.unsigned_abs() as usize > most && !is_open {
            return Err(format!("{{{furthest}}}: a job has no more than {most} argument(s)"));
        }
        Ok(())
    }

    /// How many arguments a job gets, if it is not one of each source.
    pub(crate) fn count(&self) -> Option<usize> {
        self.max_args.or(self.records).filter(|_| !self.pipe)
    }

    pub(crate) fn delimiter(&self) -> u8 {
        self.delimiter.unwrap_or(if self.null { b'\0' } else { b'\n' })
    }

    pub(crate) fn summary(&self) -> bool {
        self.summary || self.bar
    }

    /// Whether jobs are left out that the joblog has.
    pub(crate) fn resumes(&self) -> bool {
        self.resume || self.resume_failed
    }
}

fn usage(message: &str) -> clap::Error {
    Options::command().error(ErrorKind::ValueValidation, message)
}
