//! What a job writes, into its text buffer.

use std::io::{ErrorKind, PipeReader, Read};
use std::os::fd::AsRawFd;

use glib_unix::unix_fd_add_local_full;
use gtk::glib::{ControlFlow, IOCondition, Priority};
use gtk::prelude::*;

use crate::job::Job;

/// How many characters are kept: the last.
const KEPT: i32 = 1 << 20;

/// Appends to the job's output what comes from the pipe, until its end: that is when the last process that has
/// inherited the pipe is gone, and may be long after the job's exit.
///
/// One read a wake, below the priority of redrawing: a job that never stops writing has to wait for the window,
/// not the window for the job.
pub(crate) fn follow(job: &Job, mut pipe: PipeReader) {
    let fd = pipe.as_raw_fd();
    let weak = job.downgrade();
    let mut decoder = Decoder::default();
    let conditions = IOCondition::IN | IOCondition::HUP;
    let reader = unix_fd_add_local_full(fd, Priority::DEFAULT_IDLE, conditions, move |_, _| {
        let Some(job) = weak.upgrade() else {
            return ControlFlow::Break;
        };
        let mut bytes = [0; 1 << 14];
        let trouble = match pipe.read(&mut bytes) {
            Ok(0) => String::new(),
            Ok(length) => {
                append(&job.output(), &decoder.decode(&bytes[..length]));
                return ControlFlow::Continue;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => return ControlFlow::Continue,
            Err(error) => format!("\ncannot read the output: {error}\n"),
        };
        append(&job.output(), &(decoder.end() + &trouble));
        job.reader().take();
        ControlFlow::Break
    });
    if let Some(old) = job.reader().replace(Some(reader)) {
        old.remove();
    }
}

fn append(buffer: &gtk::TextBuffer, text: &str) {
    buffer.insert(&mut buffer.end_iter(), text);
    let surplus = buffer.char_count() - KEPT;
    if surplus > 0 {
        buffer.delete(&mut buffer.start_iter(), &mut buffer.iter_at_offset(surplus));
    }
}

/// Text from bytes that come in pieces. What is not UTF-8 is replaced, and so is the null character, which GTK
/// does not take.
#[derive(Default)]
struct Decoder {
    /// The start of a character that has not come whole.
    rest: Vec<u8>,
}

impl Decoder {
    fn decode(&mut self, bytes: &[u8]) -> String {
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

    fn end(&mut self) -> String {
        match std::mem::take(&mut self.rest).is_empty() {
            true => String::new(),
            false => char::REPLACEMENT_CHARACTER.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Decoder;

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
