//! Children that all end at once, and how long a loop stood still meanwhile: what `--burst` of the programs
//! beside it does.

use std::fs;
use std::io::{self, ErrorKind, Read};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use childset::Exit;

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
    /// Exits that were those that the children were made with.
    seen: usize,
    /// Since when the children end, and the loop's last tick.
    ending: Option<Instant>,
    longest: Duration,
}

impl Burst {
    /// For `wanted` children, which the caller spawns.
    ///
    /// # Errors
    /// `EMFILE`: no descriptors.
    pub fn new(wanted: usize) -> io::Result<Burst> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        Ok(Burst { ours, theirs, wanted, ready: 0, seen: 0, ending: None, longest: Duration::ZERO })
    }

    /// The numbers of the children.
    pub fn numbers(&self) -> std::ops::Range<usize> {
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

    /// A child has come out of the set.
    pub fn exited(&mut self, number: usize, exit: &io::Result<Exit>) {
        let is_right = exit.as_ref().is_ok_and(|exit| match number % SCRIPTS.len() {
            0 => exit.success(),
            1 => exit.code() == Some(3),
            _ => exit.signal() == Some(9),
        });
        match is_right {
            true => self.seen += 1,
            false => eprintln!("child {number} ended otherwise than it was to: {exit:?}"),
        }
    }

    /// The loop has come round. Once all children are there, it has them end; true when all exits were seen.
    ///
    /// # Errors
    /// None that a pair of sockets can cause.
    pub fn tick(&mut self) -> io::Result<bool> {
        let now = Instant::now();
        match &mut self.ending {
            Some(last) => {
                self.longest = self.longest.max(now.duration_since(*last).saturating_sub(TICK));
                *last = now;
            }
            None => {
                self.count_ready()?;
                if self.ready == self.wanted {
                    self.ours.shutdown(Shutdown::Write)?;
                    self.ending = Some(Instant::now());
                }
            }
        }
        Ok(self.seen == self.wanted)
    }

    /// Prints what the loop has seen, and on standard error which threads this process has.
    ///
    /// # Errors
    /// Those of writing, and of reading `/proc`.
    pub fn report(&self, event_loop: &str) -> io::Result<()> {
        let threads = threads()?;
        let (seen, count, longest) = (self.seen, threads.len(), self.longest.as_millis());
        eprintln!("{event_loop}: threads: {}", threads.join(", "));
        println!("{event_loop}: exits seen {seen}, threads {count}, longest stall {longest} ms");
        Ok(())
    }

    fn count_ready(&mut self) -> io::Result<()> {
        let mut buffer = [0; 1024];
        loop {
            match self.ours.read(&mut buffer) {
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
