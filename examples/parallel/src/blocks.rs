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
    /// What ends a record, and what starts the next one. If both are empty, a record is a byte.
    between: Vec<u8>,
    /// How much of that is the end.
    end_length: usize,
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
    pub(crate) fn new(size: Size, record_end: &[u8], record_start: &[u8]) -> Blocks {
        Blocks {
            size,
            between: [record_end, record_start].concat(),
            end_length: record_end.len(),
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
        if self.between.is_empty() {
            return Some(size);
        }
        if self.searched == 0 {
            let first = self.first();
            let (between, block) = (&self.between, self.buffer.get(first..size).unwrap_or_default());
            let at = match between[..] {
                [byte] => block.iter().rposition(|&other| other == byte),
                _ => block.windows(between.len()).rposition(|window| window == between),
            };
            if let Some(at) = at {
                return Some(first + at + self.end_length);
            }
            self.skip_to(size);
        }
        self.find_end()
    }

    fn find_end_of(&mut self, wanted: usize) -> Option<usize> {
        let mut cut = self.searched;
        while self.records < wanted {
            cut = self.find_end()?;
            // Where nothing ends a record, it is the start of the next one that is not to be found again.
            self.searched = cut + self.first();
            self.records += 1;
        }
        Some(cut)
    }

    fn find_end(&mut self) -> Option<usize> {
        let between = &self.between;
        let from = self.searched.max(self.first()).min(self.buffer.len());
        let unsearched = &self.buffer[from..];
        let at = match between[..] {
            [byte] => unsearched.iter().position(|&other| other == byte),
            _ => unsearched.windows(between.len()).position(|window| window == between),
        };
        let found = at.map(|at| from + at + self.end_length);
        if found.is_none() {
            self.skip_to(self.buffer.len());
        }
        found
    }

    /// The start of the first record is not where one ends.
    fn first(&self) -> usize {
        usize::from(self.end_length == 0)
    }

    /// No end of a record lies before this; one may have begun.
    fn skip_to(&mut self, searched: usize) {
        self.searched = (searched + 1).saturating_sub(self.between.len()).max(self.searched);
    }
}
