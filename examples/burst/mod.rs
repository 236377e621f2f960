//! The test of each event loop in this directory: children that all end at once. It prints how many exits a loop saw,
//! and how long its timer stood still meanwhile.

use std::fs;
use std::io::{self, ErrorKind, Read};
use std::net::Shutdown;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use childset::{ChildSet, Command, Exit, Signal};

/// How often the loop is to call [`Burst::tick`].
pub const TICK: Duration = Duration::from_millis(5);

/// What the children do, in turn: each says that it is there, and ends when its standard input does.
const SCRIPTS: [&str; 3] =
    ["echo >&0; read line; exit 0", "echo >&0; read line; exit 3", "echo >&0; read line; kill -9 $$"];

/// A number of children, and what the loop made of their end.
pub struct Burst {
    /// The other end is the standard input of all children.
    ours: UnixStream,
    theirs: UnixStream,
    wanted: usize,
    ready: usize,
    /// Children that have come out of the set, and of those, the ones that ended as they were to.
    out: usize,
    seen: usize,
    /// The loop's last tick, since the children end.
    last: Option<Instant>,
    longest: Duration,
}

impl Burst {
    /// For `wanted` children, none of which is there yet.
    ///
    /// # Errors
    /// `EMFILE`: no descriptors.
    pub fn new(wanted: usize) -> io::Result<Burst> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        Ok(Burst { ours, theirs, wanted, ready: 0, out: 0, seen: 0, last: None, longest: Duration::ZERO })
    }

    /// The numbers of the children.
    pub fn numbers(&self) -> Range<usize> {
        0..self.wanted
    }

    /// What `sh -c` is to run as this child.
    pub fn script(number: usize) -> &'static str {
        SCRIPTS[number % SCRIPTS.len()]
    }

    /// The standard input of a child.
    ///
    /// # Errors
    /// `EMFILE`: no descriptors.
    pub fn stdin(&self) -> io::Result<OwnedFd> {
        Ok(self.theirs.try_clone()?.into())
    }

    /// Makes the children, in a set. What is in it already when this fails, ends with this process.
    ///
    /// # Errors
    /// Those of spawning: `EMFILE`, `EAGAIN` ...
    pub fn spawn(&self, set: &ChildSet<usize>) -> io::Result<()> {
        for number in self.numbers() {
            let mut child = Command::new("sh");
            child.args(["-c", Burst::script(number)]).stdin(self.stdin()?);
            set.spawn(&mut child, number)?;
        }
        Ok(())
    }

    /// A child has come out of the set.
    pub fn exited(&mut self, number: usize, exit: &io::Result<Exit>) {
        let is_right = exit.as_ref().is_ok_and(|exit| match number % SCRIPTS.len() {
            0 => exit.success(),
            1 => exit.code() == Some(3),
            _ => exit.signal() == Some(Signal::KILL),
        });
        self.out += 1;
        match is_right {
            true => self.seen += 1,
            false => eprintln!("child {number} ended otherwise than it was to: {exit:?}"),
        }
    }

    /// The loop has come round. Once all children are there, it has them end; true when all have come out.
    ///
    /// # Errors
    /// None that a pair of sockets can cause.
    pub fn tick(&mut self) -> io::Result<bool> {
        let now = Instant::now();
        match &mut self.last {
            Some(last) => {
                self.longest = self.longest.max(now.duration_since(*last).saturating_sub(TICK));
                *last = now;
            }
            None => {
                self.count_ready()?;
                // One that ended too soon may not have said that it is there.
                if self.ready + self.out >= self.wanted {
                    self.ours.shutdown(Shutdown::Write)?;
                    self.last = Some(Instant::now());
                }
            }
        }
        Ok(self.out == self.wanted)
    }

    /// Prints what the loop has seen, and on standard error which threads this process has.
    ///
    /// # Errors
    /// Not each child has come out as it was to; and those of reading `/proc`.
    pub fn report(&self, event_loop: &str) -> io::Result<()> {
        let threads = threads()?;
        let (seen, count, longest) = (self.seen, threads.len(), self.longest.as_millis());
        eprintln!("{event_loop}: threads: {}", threads.join(", "));
        println!("{event_loop}: exits seen {seen}, threads {count}, longest stall {longest} ms");
        match seen == self.wanted {
            true => Ok(()),
            false => Err(io::Error::other(format!("{seen} of {} exits were right", self.wanted))),
        }
    }

    fn count_ready(&mut self) -> io::Result<()> {
        let mut buffer = [0; 1024];
        loop {
            match self.ours.read(&mut buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(length) => self.ready += length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// The names of this process's threads.
fn threads() -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for task in fs::read_dir("/proc/self/task")? {
        // A thread that has ended meanwhile has none.
        if let Ok(name) = fs::read_to_string(task?.path().join("comm")) {
            names.push(name.trim_end().to_owned());
        }
    }
    Ok(names)
}
