//! What a child writes to its pipes, and when their end is no longer waited for.

use std::io;
use std::time::{Duration, Instant};

use super::{ChildStderr, ChildStdout, Pipe};

/// How much is read of one pipe before the others get their turn.
const CHUNK: usize = 64 * 1024;

/// Standard output and standard error.
#[derive(Debug)]
pub(crate) struct Drain {
    outputs: [Output; 2],
    /// Known from the exit on.
    grace: Option<Duration>,
    /// When the pipes are given up: from the exit on, and put off whenever something comes.
    deadline: Option<Instant>,
    /// When they are given up whatever comes: set at the exit. Not before what was in them at that moment was read.
    last: Option<Instant>,
    due: usize,
}

/// One of them.
#[derive(Debug, Default)]
pub(crate) struct Output {
    pub(crate) pipe: Option<Pipe>,
    pub(crate) buffer: Vec<u8>,
    /// How much of the buffer was looked at for the end of a line.
    looked_at: usize,
}

/// How many bytes may still come.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) left: usize,
    pub(crate) is_exceeded: bool,
}

impl Room {
    pub(crate) fn new(left: usize) -> Room {
        Room { left, is_exceeded: false }
    }
}

impl Drain {
    pub(crate) fn new(stdout: Option<ChildStdout>, stderr: Option<ChildStderr>) -> Drain {
        let outputs = [stdout.map(Pipe::from), stderr.map(Pipe::from)];
        let outputs = outputs.map(|pipe| Output { pipe, ..Output::default() });
        Drain { outputs, grace: None, deadline: None, last: None, due: 0 }
    }

    pub(crate) fn pipes(&self) -> impl Iterator<Item = &Pipe> {
        self.outputs.iter().filter_map(|output| output.pipe.as_ref())
    }

    pub(crate) fn outputs(&mut self) -> &mut [Output; 2] {
        &mut self.outputs
    }

    /// Reads some of what has come. True if anything had. `closed` gets each pipe that is at its end, or has failed.
    pub(crate) fn read(&mut self, room: &mut Room, mut closed: impl FnMut(Pipe)) -> io::Result<bool> {
        let mut moved = false;
        for Output { pipe, buffer, .. } in &mut self.outputs {
            let Some(reading) = pipe else {
                continue;
            };
            let count = reading.try_read(buffer, CHUNK).inspect_err(|_| {
                pipe.take().into_iter().for_each(&mut closed);
            })?;
            match count {
                Some(0) => pipe.take().into_iter().for_each(&mut closed),
                Some(count) => {
                    moved = true;
                    self.due = self.due.saturating_sub(count);
                    let excess = count.saturating_sub(room.left);
                    room.left = room.left.saturating_sub(count);
                    if excess > 0 {
                        buffer.truncate(buffer.len() - excess);
                        room.is_exceeded = true;
                    }
                }
                None => {}
            }
        }
        Ok(moved)
    }

    /// The child has ended: from now on the end of the pipes is not waited for without end.
    pub(crate) fn end(&mut self, grace: Duration, limit: Duration) {
        if self.grace.is_none() {
            self.grace = Some(grace);
            self.last = Instant::now().checked_add(limit);
            self.due = self.pipes().map(Pipe::pending).sum();
        }
    }

    /// Nothing more is waited for.
    pub(crate) fn give_up(&mut self) {
        self.last = Some(Instant::now());
        self.due = 0;
    }

    /// Whether nothing more is to be waited for, after a `read`.
    pub(crate) fn is_over(&mut self, moved: bool) -> bool {
        let Some(grace) = self.grace else {
            return false;
        };
        if moved || self.deadline.is_none() {
            self.deadline = Instant::now().checked_add(grace);
        }
        let is_past = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= Instant::now());
        let is_silent = !moved && is_past(self.deadline);
        self.pipes().next().is_none() || is_silent || (self.due == 0 && is_past(self.last))
    }

    /// When there is something to do even if nothing comes.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        [self.deadline, self.last.filter(|_| self.due == 0)].into_iter().flatten().min()
    }
}

impl Output {
    /// Takes all whole lines, and what is too long for one.
    pub(crate) fn take_lines(&mut self, longest: usize, mut take: impl FnMut(Vec<u8>)) {
        let Output { buffer, looked_at, .. } = self;
        let mut start = 0;
        while let Some(length) = buffer[*looked_at..].iter().position(|&byte| byte == b'\n') {
            if longest == 0 {
                break;
            }
            let end = *looked_at + length + 1;
            take(buffer[start..end].to_vec());
            (start, *looked_at) = (end, end);
        }
        if buffer.len() - start > longest {
            take(buffer[start..].to_vec());
            start = buffer.len();
        }
        buffer.drain(..start);
        *looked_at = buffer.len();
    }

    /// As [`take_lines`](Output::take_lines); at the end of the pipe, also what is left.
    pub(crate) fn take_come(&mut self, longest: usize, mut take: impl FnMut(Vec<u8>)) {
        self.take_lines(longest, &mut take);
        if self.pipe.is_none() {
            self.take_rest().into_iter().for_each(take);
        }
    }

    /// All that is left, after the last line.
    pub(crate) fn take_rest(&mut self) -> Option<Vec<u8>> {
        self.looked_at = 0;
        Some(std::mem::take(&mut self.buffer)).filter(|rest| !rest.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::Output;

    #[test]
    fn lines_are_whole() {
        let (mut output, mut lines) = (Output::default(), Vec::new());
        for (came, whole, left) in [
            ("on", vec![], "on"),
            ("e\ntw", vec!["one\n"], "tw"),
            ("o\n\n3", vec!["two\n", "\n"], "3"),
            ("4567890", vec!["34567890"], ""),
            ("\n", vec!["\n"], ""),
        ] {
            output.buffer.extend_from_slice(came.as_bytes());
            output.take_lines(7, |line| lines.push(String::from_utf8(line).unwrap()));
            assert_eq!(
                (std::mem::take(&mut lines), &output.buffer[..]),
                (whole.into_iter().map(String::from).collect(), left.as_bytes())
            );
            assert_eq!(output.looked_at, output.buffer.len());
        }
        output.buffer.extend_from_slice(b"a\nb");
        output.take_lines(0, |chunk| assert_eq!(chunk, b"a\nb"));
        assert!(output.buffer.is_empty() && output.take_rest().is_none());
        output.buffer.extend_from_slice(b"rest");
        assert_eq!(output.take_rest(), Some(b"rest".to_vec()));
    }
}
