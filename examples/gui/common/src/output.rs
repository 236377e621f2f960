//! What jobs write, as text.

use std::collections::HashMap;
use std::io::{self, ErrorKind, PipeReader, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{epoll, Timespec};

/// How much one read takes.
const CHUNK: usize = 1 << 14;

/// The output of any number of jobs, as one descriptor: readable, level-triggered, while something of it can be read.
#[derive(Debug)]
pub struct Outputs {
    epoll: OwnedFd,
    open: HashMap<u64, (PipeReader, Decoder)>,
}

impl Outputs {
    /// Of no job yet.
    ///
    /// # Errors
    /// `EMFILE`: no descriptors.
    pub fn new() -> io::Result<Outputs> {
        Ok(Outputs { epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?, open: HashMap::new() })
    }

    /// Adds the output of a job. One that is there under this number is dropped.
    ///
    /// # Errors
    /// `ENOSPC`: there are too many.
    pub fn add(&mut self, number: usize, pipe: PipeReader) -> io::Result<()> {
        let number = number as u64;
        self.open.remove(&number);
        epoll::add(&self.epoll, &pipe, epoll::EventData::new_u64(number), epoll::EventFlags::IN)?;
        self.open.insert(number, (pipe, Decoder::default()));
        Ok(())
    }

    /// Whether more may come from a job: somebody holds its pipe.
    pub fn is_open(&self, number: usize) -> bool {
        self.open.contains_key(&(number as u64))
    }

    /// Passes on what has come: of each job one chunk, of so many jobs at most. Never blocks.
    ///
    /// # Errors
    /// None that is known to happen.
    pub fn try_read(&mut self, jobs: usize, mut take: impl FnMut(usize, &str)) -> io::Result<()> {
        let mut events = Vec::with_capacity(jobs);
        match epoll::wait(
            &self.epoll,
            rustix::buffer::spare_capacity(&mut events),
            Some(&Timespec::default()),
        ) {
            Err(rustix::io::Errno::INTR) => return Ok(()),
            result => result?,
        };
        for event in events {
            let key = event.data.u64();
            let Some((pipe, decoder)) = self.open.get_mut(&key) else { continue };
            let mut bytes = [0; CHUNK];
            let rest = match pipe.read(&mut bytes) {
                Ok(0) => decoder.end(),
                Ok(length) => {
                    take(key as usize, &decoder.decode(&bytes[..length]));
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => decoder.end() + &format!("\ncannot read the output: {error}\n"),
            };
            // Closing a pipe takes it out of epoll: nobody else has this end.
            self.open.remove(&key);
            take(key as usize, &rest);
        }
        Ok(())
    }
}

impl AsFd for Outputs {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

/// Text from bytes that come in pieces. What is not UTF-8 is replaced, and so is the null character, which GTK
/// does not take.
#[derive(Debug, Default)]
pub struct Decoder {
    /// The start of a character that has not come whole.
    rest: Vec<u8>,
}

impl Decoder {
    /// The text of some more bytes.
    pub fn decode(&mut self, bytes: &[u8]) -> String {
        self.rest.extend_from_slice(bytes);
        let bytes = std::mem::take(&mut self.rest);
        let mut text = String::with_capacity(bytes.len());
        let mut chunks = bytes.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            text.push_str(chunk.valid());
            let invalid = chunk.invalid();
            let is_cut_off = chunks.peek().is_none()
                && std::str::from_utf8(invalid).is_err_and(|error| error.error_len().is_none());
            match is_cut_off {
                true => self.rest = invalid.to_vec(),
                false if invalid.is_empty() => {}
                false => text.push(char::REPLACEMENT_CHARACTER),
            }
        }
        text.replace('\0', "\u{2400}")
    }

    /// What is left at the end.
    pub fn end(&mut self) -> String {
        match std::mem::take(&mut self.rest).is_empty() {
            true => String::new(),
            false => char::REPLACEMENT_CHARACTER.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Decoder, Outputs};
    use std::io::Write;

    #[test]
    fn outputs_of_several_jobs() {
        let mut outputs = Outputs::new().unwrap();
        let mut writers = Vec::new();
        for number in 0..3 {
            let (reader, writer) = std::io::pipe().unwrap();
            outputs.add(number, reader).unwrap();
            writers.push(writer);
        }
        let mut seen = Vec::new();
        let mut read = |outputs: &mut Outputs| {
            outputs.try_read(8, |number, text| seen.push((number, text.to_owned()))).unwrap();
            seen.sort();
            std::mem::take(&mut seen)
        };
        assert!(read(&mut outputs).is_empty());
        writers[2].write_all(b"two\xc3").unwrap();
        writers[0].write_all(b"zero").unwrap();
        assert_eq!(read(&mut outputs), [(0, "zero".into()), (2, "two".into())]);
        writers.truncate(2);
        assert_eq!(read(&mut outputs), [(2, "\u{fffd}".into())]);
        assert!(!outputs.is_open(2) && outputs.is_open(1));
    }

    #[test]
    fn pieces_make_the_same_text_wherever_they_are_cut() {
        let bytes = "a é € 🦀\n".as_bytes();
        for cut in 0..=bytes.len() {
            let mut decoder = Decoder::default();
            let (head, tail) = bytes.split_at(cut);
            let text = decoder.decode(head) + &decoder.decode(tail) + &decoder.end();
            assert_eq!(text, "a é € 🦀\n");
        }
    }

    #[test]
    fn what_is_no_text_is_replaced() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.decode(b"a\xffb\0c\xe2\x82"), "a\u{fffd}b\u{2400}c");
        assert_eq!(decoder.decode(b"d"), "\u{fffd}d");
        assert_eq!(decoder.decode(b"\xf0\x9f"), "");
        assert_eq!(decoder.end(), "\u{fffd}");
    }
}
