//! What jobs wrote and was not printed yet.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use rustix::fs::{fallocate, FallocateFlags};

/// The most that one spool has in memory.
const MOST_OF_ONE: usize = 256 << 10;
/// The most that all have, together.
const MOST_OF_ALL: usize = 16 << 20;
/// Smaller parts of the file are given back only with all of it.
const HOLE: u64 = 64 << 10;

/// One stream: first what is in the file, in this order, then what is in memory.
#[derive(Default)]
pub(super) struct Spool {
    parts: Vec<Part>,
    memory: Vec<u8>,
}

struct Part {
    offset: u64,
    length: u64,
}

/// All spools' memory, and the one temporary file for what is beyond: any number of spools need no more
/// descriptors than that. It is unlinked from the start.
#[derive(Default)]
pub(super) struct Store {
    file: Option<File>,
    /// Where to append.
    end: u64,
    /// How much of the file belongs to spools.
    used: u64,
    /// How much all spools have in memory.
    in_memory: usize,
}

impl Spool {
    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty() && self.memory.is_empty()
    }
}

impl Store {
    pub(super) fn push(&mut self, spool: &mut Spool, bytes: &[u8]) -> io::Result<()> {
        let of_one = spool.memory.len() + bytes.len();
        if of_one <= MOST_OF_ONE && self.in_memory + bytes.len() <= MOST_OF_ALL {
            spool.memory.extend_from_slice(bytes);
            self.in_memory += bytes.len();
            return Ok(());
        }
        let memory = std::mem::take(&mut spool.memory);
        self.in_memory -= memory.len();
        self.append(spool, &memory)?;
        self.append(spool, bytes)
    }

    /// Empties the spool, giving what it held piece by piece.
    pub(super) fn take(
        &mut self,
        spool: &mut Spool,
        mut give: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let Spool { parts, memory } = std::mem::take(spool);
        self.in_memory -= memory.len();
        if let Some(file) = self.file.as_ref().filter(|_| !parts.is_empty()) {
            let mut buffer = vec![0; MOST_OF_ONE];
            for part in &parts {
                let mut done = 0;
                while done < part.length {
                    let piece = &mut buffer[..(part.length - done).min(MOST_OF_ONE as u64) as usize];
                    file.read_exact_at(piece, part.offset + done)?;
                    give(piece)?;
                    done += piece.len() as u64;
                }
            }
        }
        self.give_back(&parts);
        match memory.is_empty() {
            true => Ok(()),
            false => give(&memory),
        }
    }

    pub(super) fn discard(&mut self, spool: &mut Spool) {
        let Spool { parts, memory } = std::mem::take(spool);
        self.in_memory -= memory.len();
        self.give_back(&parts);
    }

    fn append(&mut self, spool: &mut Spool, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile()?),
        };
        file.write_all_at(bytes, self.end)?;
        let length = bytes.len() as u64;
        match spool.parts.last_mut() {
            Some(last) if last.offset + last.length == self.end => last.length += length,
            _ => spool.parts.push(Part { offset: self.end, length }),
        }
        self.end += length;
        self.used += length;
        Ok(())
    }

    fn give_back(&mut self, parts: &[Part]) {
        let Some(file) = self.file.as_ref().filter(|_| !parts.is_empty()) else {
            return;
        };
        self.used -= parts.iter().map(|part| part.length).sum::<u64>();
        if self.used == 0 && file.set_len(0).is_ok() {
            self.end = 0;
            return;
        }
        for part in parts.iter().filter(|part| part.length >= HOLE) {
            // A file system without holes keeps it until all is given back.
            let _ = fallocate(
                file,
                FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE,
                part.offset,
                part.length,
            );
        }
    }
}
