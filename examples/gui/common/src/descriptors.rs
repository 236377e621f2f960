//! The limit of open descriptors: each job takes two or three.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use childset::{Command, Resource, SpawnError};
use rustix::process::{getrlimit, setrlimit, Resource as Limited, Rlimit};

/// How many descriptors are left to the window.
const RESERVE: u64 = 24;

/// The limit that this program was started with, which is the one for its jobs, and the raised one, which is its own.
#[derive(Clone, Copy, Debug)]
pub struct Descriptors {
    given: Rlimit,
}

impl Descriptors {
    /// Raises the limit as far as is allowed. For the start of a program: a library of windows may wait for ever if it gets
    /// no descriptor.
    ///
    /// # Errors
    /// None that is known to happen.
    pub fn raise() -> io::Result<Descriptors> {
        let given = getrlimit(Limited::Nofile);
        setrlimit(Limited::Nofile, Rlimit { current: given.maximum, ..given })?;
        Ok(Descriptors { given })
    }

    /// Has a job start with the limit that this program was started with: `select` fails with larger numbers.
    ///
    /// # Errors
    /// `EMFILE`: too few descriptors would be left for the window, whose library ends the program if it gets none.
    pub fn give(&self, command: &mut Command) -> io::Result<()> {
        // The lowest number that is free.
        let lowest = File::open("/dev/null")?.as_raw_fd() as u64;
        if self.given.maximum.is_some_and(|limit| lowest + RESERVE > limit) {
            return Err(rustix::io::Errno::MFILE.into());
        }
        let [soft, hard] = [self.given.current, self.given.maximum].map(|limit| limit.unwrap_or(u64::MAX));
        command.rlimit(Resource::NOFILE, soft, hard);
        Ok(())
    }

    /// What an error is to a person: the limit, if that was reached.
    pub fn explain(&self, error: &io::Error) -> String {
        let errno = SpawnError::raw_os_error(error).map(rustix::io::Errno::from_raw_os_error);
        match (errno, self.given.maximum) {
            (Some(rustix::io::Errno::MFILE), Some(limit)) => {
                format!("the limit of {limit} open files is reached (ulimit -Hn)")
            }
            _ => error.to_string(),
        }
    }
}
