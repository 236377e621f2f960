//! Standard error, which is never waited for: whoever reads it, or does not, must not hold up the services.
//!
//! What does not fit is kept, up to a bound, and written when there is room; beyond it, the oldest lines are lost. Services write there, too, so that its mode
//! is not ours to change: a pipe or a terminal is opened once more.

use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::time::{Duration, Instant};

use rustix::event::{poll, PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::net::{send, SendFlags};

/// In bytes.
const MOST: usize = 1 << 15;
/// How long the last lines may take in the end.
const LAST: Duration = Duration::from_secs(1);

enum Sink {
    /// A file does not block.
    Plain,
    /// A pipe or a terminal, by a description of our own.
    Own(File),
    Socket,
    /// What cannot be opened once more. It blocks if others fill it between our look and our write.
    Shared,
}

struct Log {
    sink: Sink,
    waiting: Vec<u8>,
    /// Lines that found no room, all older than what waits.
    lost: u64,
}

thread_local! {
    /// There is one thread.
    static LOG: RefCell<Log> = RefCell::new(Log { sink: Sink::of_stderr(), waiting: Vec::with_capacity(MOST), lost: 0 });
}

/// Says whole lines, now or later.
pub(crate) fn write(text: &str) {
    LOG.with_borrow_mut(|log| {
        for line in text.split_inclusive('\n') {
            log.make_room(line.len());
            log.waiting.extend_from_slice(line.as_bytes());
        }
        log.flush();
    });
}

/// To be asked for room while this gives one.
pub(crate) fn wants() -> Option<OwnedFd> {
    LOG.with_borrow(|log| match (log.waiting.is_empty(), &log.sink) {
        (true, _) => None,
        (false, Sink::Own(file)) => file.as_fd().try_clone_to_owned().ok(),
        (false, _) => io::stderr().as_fd().try_clone_to_owned().ok(),
    })
}

pub(crate) fn flush() {
    LOG.with_borrow_mut(Log::flush);
}

/// The last lines have a moment.
pub(crate) fn finish() {
    let end = Instant::now() + LAST;
    loop {
        flush();
        let left = end.saturating_duration_since(Instant::now());
        let Some(fd) = wants().filter(|_| !left.is_zero()) else {
            return;
        };
        let left = Timespec::try_from(left).ok();
        if poll(&mut [PollFd::new(&fd, PollFlags::OUT)], left.as_ref())
            .is_err_and(|error| error != Errno::INTR)
        {
            return;
        }
    }
}

impl Log {
    fn make_room(&mut self, wanted: usize) {
        let mut cut = 0;
        while cut < self.waiting.len() && self.waiting.len() - cut + wanted > MOST {
            let line = self.waiting[cut..].iter().position(|&byte| byte == b'\n');
            cut += line.map_or(self.waiting.len() - cut, |end| end + 1);
            self.lost += 1;
        }
        self.waiting.drain(..cut);
    }

    fn flush(&mut self) {
        if self.lost > 0 {
            let lines = format!("supervise: {} lines are lost: nobody read them\n", self.lost);
            match self.sink.write(lines.as_bytes()) {
                Err(Errno::AGAIN | Errno::INTR) => return,
                _ => self.lost = 0,
            }
        }
        while !self.waiting.is_empty() {
            match self.sink.write(&self.waiting) {
                Ok(count) => drop(self.waiting.drain(..count)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                // That nobody may read it is no reason to stop.
                Err(_) => self.waiting.clear(),
            }
        }
    }
}

impl Sink {
    fn of_stderr() -> Sink {
        let Ok(kind) = std::fs::metadata("/proc/self/fd/2").map(|metadata| metadata.file_type()) else {
            return Sink::Shared;
        };
        if kind.is_file() {
            return Sink::Plain;
        }
        if kind.is_socket() {
            return Sink::Socket;
        }
        let flags = (rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY).bits();
        let own = OpenOptions::new().write(true).custom_flags(flags as i32).open("/proc/self/fd/2");
        own.map_or(Sink::Shared, Sink::Own)
    }

    /// At most a page, which a pipe takes as a whole or not at all.
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Errno> {
        const PAGE: usize = 4096;
        let page = match bytes.get(..PAGE) {
            Some(page) => &page[..page.iter().rposition(|&byte| byte == b'\n').map_or(PAGE, |at| at + 1)],
            None => bytes,
        };
        match self {
            Sink::Plain => rustix::io::write(io::stderr(), page),
            Sink::Own(file) => file.write(page).map_err(|error| match error.kind() {
                ErrorKind::WouldBlock => Errno::AGAIN,
                _ => Errno::from_io_error(&error).unwrap_or(Errno::IO),
            }),
            Sink::Socket => send(io::stderr(), page, SendFlags::DONTWAIT | SendFlags::NOSIGNAL),
            Sink::Shared => {
                let stderr = io::stderr();
                match poll(&mut [PollFd::new(&stderr, PollFlags::OUT)], Some(&Timespec::default()))? {
                    0 => Err(Errno::AGAIN),
                    _ => rustix::io::write(stderr, page),
                }
            }
        }
    }
}
