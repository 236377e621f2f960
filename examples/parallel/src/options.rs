//! The command line.

use std::ffi::OsString;
use std::num::{NonZeroU32, NonZeroUsize};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use crate::template::Template;
use crate::values::{delimiter, plain_separator, separator, size, time, Halt, Jobs, Separator, Timeout};

const DETAILS: &str = "\
Placeholders, replaced anywhere in any word of the command:
  {}    the arguments             {1}  {2}  the first one, the second one; {-1} the last one
  {.}   without their extension   {1.}      and so on
  {/}   without their directory
  {//}  their directory
  {/.}  without directory and extension
  {#}   the number of the job, from 1; also in PARALLEL_SEQ
  {%}   the slot that it runs in, from 1; also in PARALLEL_JOBSLOT
Where the command has none, the arguments are appended to it. A placeholder that GNU parallel has and this one has \
not is an error.

A command of several words is a program with its arguments: they are given to it as they are, no shell sees them. A \
command of one word with a blank, or another character that shells know, is a line for $PARALLEL_SHELL, $SHELL or sh; \
what replaces a placeholder in it is quoted:
  parallel 'gzip < {} > {}.gz' ::: *.log
Without a command, the arguments are such lines:
  parallel < commands

  ::: A B   arguments                    :::+ A B   linked to the list before, one by one
  :::: F G  arguments in files           ::::+ F    likewise
Of several lists, each argument of one comes with each of the others.

Jobs read /dev/null, or with --pipe their block. What a job writes is printed when it has ended, as a whole: it is \
kept in memory, and in an unlinked temporary file (in TMPDIR) where it is much. Of a job that is tried again, only \
the last try's is printed. A job has ended when it has exited and its pipes are closed, or silent for 200 ms if what \
it left behind holds them. With --tag and --line-buffer, a last line without its newline gets one. While \
standard output takes nothing, parallel waits for it: also time-outs and signals do. If it is closed, the running \
jobs are ended as by --halt now.

Each job leads a process group of its own: to end a job is to send SIGTERM to the group, and SIGKILL to what is left \
of it after the grace. SIGINT (Ctrl-C), SIGTERM and SIGHUP send SIGTERM to all jobs and start no more; the second \
one sends SIGKILL.

Exit status: the number of failed jobs, at most 101; those that were ended count as failed, unless --halt \
ended them for successes or ends. At least 1 after a \
signal, or if standard output was closed. 255 if the options are wrong or parallel itself failed.";

/// Runs a command once for each argument, several at a time.
#[derive(Parser, Debug)]
#[command(
    name = "parallel",
    version,
    override_usage = "parallel [OPTIONS] [COMMAND [WORD]...] ::: [ARGUMENT]...\n       parallel [OPTIONS] [COMMAND [WORD]...] < ARGUMENTS",
    after_help = DETAILS,
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

    /// Give a job so many arguments
    #[arg(short = 'n', long, value_name = "N", conflicts_with_all = ["pipe", "records"])]
    max_args: Option<NonZeroUsize>,

    /// This stands for the arguments, instead of {}
    #[arg(short = 'I', long = "replace", value_name = "TEXT", default_value = "{}")]
    whole: OsString,

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

    /// Keep what each job writes in files below this directory, too, as DIR/1/ARGUMENT/stdout
    #[arg(long, value_name = "DIR", conflicts_with = "ungroup")]
    pub(crate) results: Option<PathBuf>,

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

    /// Print this text, in which placeholders are replaced, and a tab before each line
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["tag", "ungroup"])]
    tagstring: Option<OsString>,

    /// Print each command before what it writes
    #[arg(short)]
    pub(crate) verbose: bool,

    /// Show how far it is, and a summary in the end
    #[arg(long, aliases = ["progress", "eta"])]
    pub(crate) bar: bool,

    /// Say in the end how many jobs there were and what they used
    #[arg(long)]
    summary: bool,

    /// Cut standard input into blocks of whole records, and give each to a job as its standard input
    #[arg(long, conflicts_with = "null")]
    pub(crate) pipe: bool,

    /// The most that a block has, unless a single record has more; k, M and G stand for powers of 1024
    #[arg(long, value_name = "SIZE", value_parser = size, default_value = "1M", requires = "pipe")]
    pub(crate) block: usize,

    /// What ends a record; \\n, \\r, \\t, \\0 and \\\\ are as in C
    #[arg(long, value_name = "TEXT", value_parser = separator, default_value = "\\n", requires = "pipe")]
    pub(crate) recend: Separator,

    /// Give a job so many arguments; with --pipe, so many records, whatever their size
    #[arg(short = 'N', long = "max-replace-args", value_name = "N", conflicts_with = "block")]
    pub(crate) records: Option<NonZeroUsize>,

    /// Print the commands, quoted for a shell, and run nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// The program with its words, or a line for a shell; then ::: and the arguments, unless those come from elsewhere
    // One argument, so that no option is looked for after the program.
    #[arg(value_name = "COMMAND", trailing_var_arg = true)]
    words: Vec<OsString>,

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

#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) from: From,
    /// To the one before, by `+`.
    pub(crate) linked: bool,
}

#[derive(Debug)]
pub(crate) enum From {
    List(Vec<OsString>),
    /// `-` is standard input.
    File(OsString),
}

impl Options {
    pub(crate) fn from_command_line() -> Result<Options, clap::Error> {
        let mut options = Options::try_parse()?;
        let words = std::mem::take(&mut options.words);
        let files = std::mem::take(&mut options.arg_file).into_iter();
        options.sources = files.map(|name| Source { from: From::File(name), linked: false }).collect();
        let command = options.split(words).map_err(|error| usage(&error))?;
        options.prepare(&command).map_err(|error| usage(&error))?;
        Ok(options)
    }

    /// Takes the sources out of the command line; the command is what comes before.
    fn split(&mut self, words: Vec<OsString>) -> Result<Vec<OsString>, String> {
        let mut command = Vec::new();
        let mut separator: Option<&str> = None;
        let mut lacks_file = false;
        for word in words {
            let is_separator = [":::", ":::+", "::::", "::::+"].iter().any(|other| word == *other);
            if lacks_file && is_separator {
                break;
            }
            lacks_file = word == "::::" || word == "::::+";
            match word.to_str() {
                Some(list @ (":::" | ":::+")) => {
                    let linked = list.ends_with('+');
                    self.sources.push(Source { from: From::List(Vec::new()), linked });
                    separator = Some(if linked { ":::+" } else { ":::" });
                }
                Some("::::") => separator = Some("::::"),
                Some("::::+") => separator = Some("::::+"),
                _ => match (separator, self.sources.last_mut()) {
                    (None, _) => command.push(word),
                    (Some(":::" | ":::+"), Some(Source { from: From::List(list), .. })) => list.push(word),
                    (Some(separator), _) => {
                        let linked = separator.ends_with('+');
                        self.sources.push(Source { from: From::File(word), linked });
                    }
                },
            }
        }
        if self.pipe && (!self.sources.is_empty() || separator.is_some()) {
            return Err("with --pipe there are no arguments, and so no ::: and no -a".to_owned());
        }
        if self.sources.first().is_some_and(|first| first.linked) {
            return Err("there is no list before the first one to link it to".to_owned());
        }
        if lacks_file {
            return Err("there is no file after ::::".to_owned());
        }
        Ok(command)
    }

    /// Finds the placeholders. What is not known is an error.
    fn prepare(&mut self, command: &[OsString]) -> Result<(), String> {
        if self.pipe && command.is_empty() {
            return Err("with --pipe there is a command".to_owned());
        }
        if self.whole.is_empty() {
            return Err("-I: it is empty".to_owned());
        }
        let directory = self.results.as_deref().map(|path| path.as_os_str().as_bytes()).unwrap_or_default();
        if directory.contains(&b'{') || directory.ends_with(b".csv") || directory.ends_with(b".tsv") {
            return Err("--results: only a directory is known, no placeholder and no table".to_owned());
        }
        let template = Template::new(command, &self.whole)?;
        self.template = if self.pipe { template } else { template.or_append() };
        let tag = match (&self.tagstring, self.tag) {
            (Some(text), _) => Some(Template::new(std::slice::from_ref(text), &self.whole)?),
            (None, true) if self.pipe => Some(Template::new(&["{#}".into()], &self.whole)?),
            (None, true) => Some(Template::new(std::slice::from_ref(&self.whole), &self.whole)?),
            (None, false) => None,
        };
        let both = [self.template.furthest(), tag.as_ref().map_or(0, Template::furthest)];
        let furthest = both.into_iter().max_by_key(|at| at.unsigned_abs()).unwrap_or(0);
        self.tag_template = tag;
        let most = match self.count() {
            Some(count) => count.max(self.sources.len()),
            None => self.sources.len().max(1),
        };
        if furthest.unsigned_abs() as usize > most && self.colsep.is_none() {
            return Err(format!("{{{furthest}}}: a job has no more than {most} argument(s)"));
        }
        Ok(())
    }

    /// How many arguments a job gets, if it is not one of each source.
    pub(crate) fn count(&self) -> Option<usize> {
        self.max_args.or(self.records).filter(|_| !self.pipe).map(NonZeroUsize::get)
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
