//! What of the jobs' output is printed when.

mod results;
mod sink;
mod spool;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::launch::Job;
use crate::options::Options;
use crate::template::Template;
use results::Results;
use sink::Sink;
use spool::{Spool, Store};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Stream {
    Out,
    Err,
}

pub(crate) struct Output {
    line_buffer: bool,
    /// What each line starts with, before a tab.
    tag: Option<Template>,
    results: Option<PathBuf>,
    names: Vec<OsString>,
    order: Option<Order>,
    store: Store,
    sink: Sink,
}

/// For `--keep-order`.
struct Order {
    /// The number of the job whose turn it is: all before it are printed.
    next: u64,
    /// What jobs wrote that have ended before their turn.
    waiting: BTreeMap<u64, Held>,
}

/// What one try of a job wrote and was not printed yet.
pub(crate) struct Held {
    pub(crate) number: u64,
    /// What each line starts with.
    tag: Option<Vec<u8>>,
    results: Option<Results>,
    spools: [Spool; 2],
    /// What was printed of a stream ends within a line.
    in_line: [bool; 2],
}

impl Output {
    pub(crate) fn new(options: &mut Options) -> Output {
        Output {
            line_buffer: options.line_buffer,
            tag: options.tag_template.take(),
            results: options.results.take(),
            names: std::mem::take(&mut options.names),
            order: options.keep_order.then(|| Order { next: 1, waiting: BTreeMap::new() }),
            store: Store::default(),
            sink: Sink::default(),
        }
    }

    pub(crate) fn hold(&self, job: &Job) -> Result<Held> {
        let create =
            |directory: &PathBuf| Results::create(directory, &self.names, job).context(CANNOT_KEEP_RESULTS);
        let results = self.results.as_ref().map(create).transpose()?;
        let tag = self.tag.as_ref().map(|tag| [&tag.text(job)[..], b"\t"].concat());
        Ok(Held { tag, results, ..Held::nothing(job.number) })
    }

    /// What a job runs, before what it writes.
    pub(crate) fn say(&mut self, held: Option<&mut Held>, line: &[u8]) -> Result<()> {
        match held {
            Some(held) => self.keep(held, Stream::Out, line),
            None => self.sink.write(Stream::Out, line).context("cannot write standard output"),
        }
    }

    /// Whether nobody reads standard output any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.sink.is_closed(Stream::Out)
    }

    /// How many jobs have ended and wait for their turn.
    pub(crate) fn waiting(&self) -> usize {
        self.order.as_ref().map_or(0, |order| order.waiting.len())
    }

    /// The job that has its turn, if it may print before it has ended: what is held of it is to be
    /// [released](Output::release).
    pub(crate) fn turn(&self) -> Option<u64> {
        self.order.as_ref().filter(|_| self.line_buffer).map(|order| order.next)
    }

    /// A job wrote this.
    pub(crate) fn take(&mut self, held: &mut Held, stream: Stream, bytes: &[u8]) -> Result<()> {
        match &mut held.results {
            Some(results) => results.write(stream, bytes).context(CANNOT_KEEP_RESULTS),
            None => self.keep(held, stream, bytes),
        }
    }

    fn keep(&mut self, held: &mut Held, stream: Stream, bytes: &[u8]) -> Result<()> {
        if self.sink.is_closed(stream) {
            return Ok(());
        }
        let is_next = self.order.as_ref().map(|order| order.next == held.number);
        let printable = match is_next {
            _ if !self.line_buffer => 0,
            // Nobody else prints meanwhile, so it need not be whole lines.
            Some(is_next) => {
                if is_next {
                    bytes.len()
                } else {
                    0
                }
            }
            None => bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1),
        };
        let (now, later) = bytes.split_at(printable);
        if !now.is_empty() {
            self.print_held(held, stream)?;
            print(&mut self.sink, held, stream, now)?;
        }
        self.store.push(&mut held.spools[stream as usize], later).context(CANNOT_KEEP)
    }

    /// Prints what is held of the job that has its turn now.
    pub(crate) fn release(&mut self, held: &mut Held) -> Result<()> {
        self.print_held(held, Stream::Out)?;
        self.print_held(held, Stream::Err)
    }

    /// A job has ended for good.
    pub(crate) fn end(&mut self, held: Held) -> Result<()> {
        match &mut self.order {
            Some(order) if order.next != held.number => {
                order.waiting.insert(held.number, held);
                Ok(())
            }
            _ => {
                self.print_all(held)?;
                self.print_waiting()
            }
        }
    }

    /// A try has ended, and there is another one.
    pub(crate) fn retry(&mut self, mut held: Held) -> Result<()> {
        if self.line_buffer && self.order.is_none() {
            return self.print_all(held);
        }
        held.spools.iter_mut().for_each(|spool| self.store.discard(spool));
        self.end_lines(&mut held)
    }

    /// No more jobs: prints also what waits for some that were never done.
    pub(crate) fn finish(&mut self) -> Result<()> {
        let waiting = self.order.as_mut().map(|order| std::mem::take(&mut order.waiting));
        waiting.into_iter().flatten().try_for_each(|(_, held)| self.print_all(held))
    }

    fn print_waiting(&mut self) -> Result<()> {
        while let Some(order) = &mut self.order {
            order.next += 1;
            let Some(held) = order.waiting.remove(&order.next) else {
                break;
            };
            self.print_all(held)?;
        }
        Ok(())
    }

    fn print_all(&mut self, mut held: Held) -> Result<()> {
        self.release(&mut held)?;
        self.end_lines(&mut held)
    }

    /// Adds the newline that another job's lines need.
    fn end_lines(&mut self, held: &mut Held) -> Result<()> {
        for stream in [Stream::Out, Stream::Err] {
            if (self.line_buffer || self.tag.is_some()) && held.in_line[stream as usize] {
                print(&mut self.sink, held, stream, b"\n")?;
            }
        }
        Ok(())
    }

    fn print_held(&mut self, held: &mut Held, stream: Stream) -> Result<()> {
        let mut spool = std::mem::take(&mut held.spools[stream as usize]);
        if spool.is_empty() {
            return Ok(());
        }
        let mut printed = Ok(());
        let sink = &mut self.sink;
        self.store
            .take(&mut spool, |bytes| {
                if printed.is_ok() {
                    printed = print(sink, held, stream, bytes);
                }
                Ok(())
            })
            .context("cannot read the temporary file with what jobs wrote")?;
        printed
    }
}

impl Held {
    /// Of a job that is left out, for instance.
    pub(crate) fn nothing(number: u64) -> Held {
        Held { number, tag: None, results: None, spools: Default::default(), in_line: [false; 2] }
    }
}

const CANNOT_KEEP_RESULTS: &str = "cannot keep the results of a job";
const CANNOT_KEEP: &str = "cannot keep what jobs write in a temporary file";

fn print(sink: &mut Sink, held: &mut Held, stream: Stream, bytes: &[u8]) -> Result<()> {
    let in_line = std::mem::replace(&mut held.in_line[stream as usize], bytes.last() != Some(&b'\n'));
    let result = match &held.tag {
        None => sink.write(stream, bytes),
        Some(tag) => {
            let mut tagged = Vec::with_capacity(2 * bytes.len());
            for (index, line) in bytes.split_inclusive(|&byte| byte == b'\n').enumerate() {
                if index > 0 || !in_line {
                    tagged.extend_from_slice(tag);
                }
                tagged.extend_from_slice(line);
            }
            sink.write(stream, &tagged)
        }
    };
    result.with_context(|| match stream {
        Stream::Out => "cannot write standard output",
        Stream::Err => "cannot write standard error",
    })
}
