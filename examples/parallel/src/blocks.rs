//! Standard input in blocks of whole records, for `--pipe`.

use std::io;
use std::num::NonZeroUsize;

use rustix::io::Errno;

/// What a pipe holds.
const CHUNK: usize = 1 << 16;

/// When a block is full.
#[derive(Clone, Copy)]
pub(crate) enum Size {
    Bytes(usize),
    Records(NonZeroUsize),
}

pub(crate) struct Blocks {
    size: Size,
    /// What ends a record; not empty.
    record_end: Vec<u8>,
    /// What was read and not yet taken: at most a block, unless one record is longer, and a chunk.
    buffer: Vec<u8>,
    /// Where to search on for the end of a record.
    searched: usize,
    /// How many records ended before this.
    records: usize,
    /// The next block is `buffer[..cut]`.
    cut: Option<usize>,
    ended: bool,
    /// What one call reads goes here first.
    chunk: Box<[u8]>,
}

impl Blocks {
    pub(crate) fn new(size: Size, record_end: Vec<u8>) -> Blocks {
        Blocks {
            size,
            record_end,
            buffer: Vec::new(),
            searched: 0,
            records: 0,
            cut: None,
            ended: false,
            chunk: vec![0; CHUNK].into_boxed_slice(),
        }
    }

    pub(crate) fn take(&mut self) -> Option<Vec<u8>> {
        let rest = self.buffer.split_off(self.cut.take()?);
        let mut block = std::mem::replace(&mut self.buffer, rest);
        block.shrink_to_fit();
        self.searched = 0;
        self.records = 0;
        self.find_cut();
        Some(block)
    }

    pub(crate) fn is_done(&self) -> bool {
        self.ended && self.buffer.is_empty()
    }

    pub(crate) fn wants_more(&self) -> bool {
        !self.ended && self.cut.is_none()
    }

    /// Reads once what standard input has.
    pub(crate) fn read(&mut self) -> io::Result<()> {
        let wanted = match self.size {
            // So that there is next to nothing left of it when a block is cut off.
            Size::Bytes(size) if self.buffer.len() < size => size - self.buffer.len(),
            _ => CHUNK,
        };
        match rustix::io::read(io::stdin(), &mut self.chunk[..wanted.min(CHUNK)]) {
            Ok(count) => {
                self.ended = count == 0;
                self.buffer.extend_from_slice(&self.chunk[..count]);
            }
            Err(Errno::INTR | Errno::AGAIN) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        self.find_cut();
        Ok(())
    }

    fn find_cut(&mut self) {
        self.cut = match self.size {
            Size::Bytes(size) if self.buffer.len() >= size => self.find_cut_at(size),
            Size::Bytes(_) => None,
            Size::Records(wanted) => self.find_end_of(wanted.get()),
        };
        // What is left is a block, though its last record may lack its end.
        if self.ended && self.cut.is_none() && !self.buffer.is_empty() {
            self.cut = Some(self.buffer.len());
        }
    }

    /// The last end of a record within the size, or the first one beyond it.
    fn find_cut_at(&mut self, size: usize) -> Option<usize> {
        if self.searched == 0 {
            let (end, block) = (&self.record_end, &self.buffer[..size]);
            let at = match end[..] {
                [byte] => block.iter().rposition(|&other| other == byte),
                _ => block.windows(end.len()).rposition(|window| window == end),
            };
            if let Some(at) = at {
                return Some(at + end.len());
            }
            self.skip_to(size);
        }
        self.find_end()
    }

    fn find_end_of(&mut self, wanted: usize) -> Option<usize> {
        while self.records < wanted {
            self.searched = self.find_end()?;
            self.records += 1;
        }
        Some(self.searched)
    }

    fn find_end(&mut self) -> Option<usize> {
        let end = &self.record_end;
        let unsearched = &self.buffer[self.searched..];
        let at = match end[..] {
            [byte] => unsearched.iter().position(|&other| other == byte),
            _ => unsearched.windows(end.len()).position(|window| window == end),
        };
        let found = at.map(|at| self.searched + at + end.len());
        if found.is_none() {
            self.skip_to(self.buffer.len());
        }
        found
    }

    /// No end of a record lies before this; one may have begun.
    fn skip_to(&mut self, searched: usize) {
        self.searched = (searched + 1).saturating_sub(self.record_end.len()).max(self.searched);
    }
}
