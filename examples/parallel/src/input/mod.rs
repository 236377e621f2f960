//! What there is a job for each of: arguments from the command line, from files, or from standard input as they are
//! wanted; or blocks of standard input.

mod gather;
mod product;
mod stream;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use anyhow::{Context, Result};
use rustix::event::{poll, PollFd, PollFlags};
use rustix::io::Errno;

use crate::blocks::Blocks;
use crate::options::{From, Options, Source};
use gather::Gather;
pub(crate) use gather::{Fill, LONGEST_LINE};
use product::Product;
use stream::Stream;

pub(crate) enum Input {
    Rows(Rows),
    Blocks(Blocks),
}

pub(crate) enum Next {
    /// The arguments of one job.
    Arguments(Vec<OsString>),
    Block(Vec<u8>),
    /// More has to be read first.
    Later,
    End,
}

/// Arguments, cut into columns and gathered as the options say.
pub(crate) struct Rows {
    lists: Lists,
    colsep: Option<Vec<u8>>,
    gather: Gather,
    /// For a job that does not have all yet.
    gathered: Vec<OsString>,
}

enum Lists {
    Product(Product),
    Stream(Stream),
}

impl Input {
    pub(crate) fn of_sources(options: &Options) -> Result<Input> {
        let delimiter = options.delimiter();
        let lists = match options.sources.as_slice() {
            [] => Lists::Stream(Stream::new(None, delimiter)),
            [Source { from: From::File(name), .. }] => Lists::Stream(Stream::new(open(name)?, delimiter)),
            sources => Lists::Product(product(sources, delimiter, options.link)?),
        };
        let colsep = options.colsep.as_ref().map(|colsep| colsep.0.clone());
        let gather = options.count().map_or(Gather::Row, Gather::Count);
        Ok(Input::Rows(Rows { lists, colsep, gather, gathered: Vec::new() }))
    }

    /// Has a job get as many arguments as fit.
    pub(crate) fn fill(&mut self, fill: Fill) {
        if let Input::Rows(rows) = self {
            rows.gather = Gather::Fill(fill);
        }
    }

    /// Takes the first argument of each list, or the first row's columns: the names of what follows.
    pub(crate) fn header(&mut self) -> io::Result<Vec<OsString>> {
        loop {
            if let Input::Rows(rows) = self {
                match rows.header() {
                    Some(names) => return Ok(names),
                    None if rows.lists.is_done() => return Ok(Vec::new()),
                    None => {}
                }
            }
            self.wait()?;
        }
    }

    /// Takes arguments or a block that are there already.
    pub(crate) fn next(&mut self) -> Next {
        match self {
            Input::Rows(rows) => rows.next(),
            Input::Blocks(blocks) => match blocks.take() {
                Some(block) => Next::Block(block),
                None if blocks.is_done() => Next::End,
                None => Next::Later,
            },
        }
    }

    /// Whether to read on: of arguments no more than there is a slot for, but one block in advance.
    pub(crate) fn wants(&self, slot_is_free: bool) -> bool {
        match self {
            Input::Rows(Rows { lists: Lists::Stream(stream), .. }) => slot_is_free && !stream.has_ended(),
            Input::Rows(_) => false,
            Input::Blocks(blocks) => blocks.wants_more(),
        }
    }

    /// Whether all was taken.
    pub(crate) fn is_done(&self) -> bool {
        match self {
            Input::Rows(rows) => rows.gathered.is_empty() && rows.lists.is_done(),
            Input::Blocks(blocks) => blocks.is_done(),
        }
    }

    /// How many jobs are left, once that is known.
    pub(crate) fn left(&self) -> Option<u64> {
        match self {
            Input::Rows(rows) => {
                let rows_left = match &rows.lists {
                    Lists::Product(product) => product.left(),
                    Lists::Stream(stream) => stream.has_ended().then(|| stream.count())?,
                };
                match rows.gather {
                    Gather::Row => Some(rows_left),
                    Gather::Count(count) => Some(rows_left.div_ceil(count.max(1) as u64)),
                    Gather::Fill(_) => self.is_done().then_some(0),
                }
            }
            Input::Blocks(blocks) => blocks.is_done().then_some(0),
        }
    }

    /// Reads once. Called after [`Next::Later`], when `poll` says that there is something.
    pub(crate) fn read(&mut self) -> io::Result<()> {
        match self {
            Input::Rows(Rows { lists: Lists::Stream(stream), .. }) => stream.read(),
            Input::Rows(_) => Ok(()),
            Input::Blocks(blocks) => blocks.read(),
        }
    }

    /// What is read.
    pub(crate) fn fd<'a>(&'a self, stdin: &'a io::Stdin) -> BorrowedFd<'a> {
        match self {
            Input::Rows(Rows { lists: Lists::Stream(stream), .. }) => stream.fd(stdin),
            _ => stdin.as_fd(),
        }
    }

    /// Waits for it, and reads.
    pub(crate) fn wait(&mut self) -> io::Result<()> {
        let stdin = io::stdin();
        let fd = self.fd(&stdin);
        match poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::IN)], None) {
            Ok(_) => self.read(),
            Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Rows {
    fn next(&mut self) -> Next {
        loop {
            let Some(row) = self.row() else {
                return match (self.lists.is_done(), &mut self.gather) {
                    (true, _) if self.gathered.is_empty() => Next::End,
                    (true, Gather::Fill(fill)) => Next::Arguments(fill.take(&mut self.gathered)),
                    (true, _) => Next::Arguments(std::mem::take(&mut self.gathered)),
                    (false, _) => Next::Later,
                };
            };
            match &mut self.gather {
                Gather::Fill(fill) => match fill.add(&mut self.gathered, row) {
                    Some(full) => return Next::Arguments(full),
                    None => continue,
                },
                Gather::Count(0) => return Next::Arguments(Vec::new()),
                Gather::Count(_) | Gather::Row => self.gathered.extend(row),
            }
            let wanted = if let Gather::Count(count) = self.gather { count } else { 0 };
            if self.gathered.len() >= wanted {
                return Next::Arguments(std::mem::take(&mut self.gathered));
            }
        }
    }

    fn row(&mut self) -> Option<Vec<OsString>> {
        let row = match &mut self.lists {
            Lists::Product(product) => product.take()?,
            Lists::Stream(stream) => vec![stream.take()?],
        };
        Some(self.columns(row))
    }

    fn columns(&self, row: Vec<OsString>) -> Vec<OsString> {
        match &self.colsep {
            Some(colsep) => row.iter().flat_map(|value| columns(value, colsep)).collect(),
            None => row,
        }
    }

    fn header(&mut self) -> Option<Vec<OsString>> {
        let row = match &mut self.lists {
            Lists::Product(product) => product.take_first_of_each(),
            Lists::Stream(stream) => vec![stream.take()?],
        };
        Some(self.columns(row))
    }
}

impl Lists {
    fn is_done(&self) -> bool {
        match self {
            Lists::Product(product) => product.left() == 0,
            Lists::Stream(stream) => stream.is_done(),
        }
    }
}

fn product(sources: &[Source], delimiter: u8, link: bool) -> Result<Product> {
    let mut product = Product::new();
    let mut linked = Vec::new();
    for source in sources {
        let list = match &source.from {
            From::List(list) => list.clone(),
            From::File(name) => read_all(name, delimiter)?,
        };
        match source.linked {
            _ if link => linked.push(list),
            true => product.link(list),
            false => product.add(list),
        }
    }
    if link {
        product.add_linked(linked);
    }
    Ok(product)
}

/// `None` is standard input.
fn open(name: &OsStr) -> Result<Option<File>> {
    let open = || File::open(name).with_context(|| format!("cannot read {}", name.to_string_lossy()));
    (name != "-").then(open).transpose()
}

fn read_all(name: &OsStr, delimiter: u8) -> Result<Vec<OsString>> {
    let mut stream = Stream::new(open(name)?, delimiter);
    let mut list = Vec::new();
    while !stream.is_done() {
        match stream.take() {
            Some(argument) => list.push(argument),
            None => stream.read().with_context(|| format!("cannot read {}", name.to_string_lossy()))?,
        }
    }
    Ok(list)
}

fn columns<'a>(value: &'a OsStr, colsep: &'a [u8]) -> impl Iterator<Item = OsString> + 'a {
    let mut rest = Some(value.as_bytes());
    std::iter::from_fn(move || {
        let line = rest?;
        let at = line.windows(colsep.len()).position(|window| window == colsep);
        rest = at.map(|at| &line[at + colsep.len()..]);
        Some(OsString::from_vec(line[..at.unwrap_or(line.len())].to_vec()))
    })
}
