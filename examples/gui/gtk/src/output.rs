//! What a job writes, into its text buffer.

use std::io::{ErrorKind, PipeReader, Read};
use std::os::fd::AsRawFd;

use common::Decoder;
use glib_unix::unix_fd_add_local_full;
use gtk::glib::{ControlFlow, IOCondition, Priority};
use gtk::prelude::*;

use crate::job::Job;
use crate::runner::REDRAW;

/// How many characters are kept: the last.
const KEPT: i32 = 1 << 20;

/// Appends to the job's output what comes from the pipe, until its end: that is when the last process that has
/// inherited the pipe is gone, and may be long after the job's exit.
///
/// One read a wake, at the priority of redrawing: a job that never stops writing and a window that never stops redrawing
/// take turns.
pub(crate) fn follow(job: &Job, mut pipe: PipeReader) {
    let fd = pipe.as_raw_fd();
    let weak = job.downgrade();
    let mut decoder = Decoder::default();
    let conditions = IOCondition::IN | IOCondition::HUP;
    let reader = unix_fd_add_local_full(fd, Priority::from(REDRAW), conditions, move |_, _| {
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
