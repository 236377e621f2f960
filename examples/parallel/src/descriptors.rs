//! The descriptors above 2 that `parallel` was started with, such as those of `<(command)` and of make's jobserver.

use std::fs;
use std::io;
use std::os::fd::{OwnedFd, RawFd};

use childset::Command;
use rustix::process::{getpid, getrlimit, pidfd_getfd, pidfd_open, PidfdFlags, PidfdGetfdFlags, Resource};

/// In the flags of `/proc/self/fdinfo`, whatever the processor.
const CLOEXEC: u64 = 0o2000000;

/// With more slots, so many descriptors of ours are open that a copy of the table costs more than to leave a shared one.
/// With jobs that do nothing on a busy machine, the copy took half of the time at 128 slots, and 7% more CPU time; at 250,
/// 27% more.
const FEW_SLOTS: usize = 128;

pub(crate) struct Inherited {
    /// Our own copies, and the numbers that jobs know them by.
    copies: Vec<(RawFd, OwnedFd)>,
    /// Jobs get all that is not close-on-exec: where some cannot be mapped, or where that costs less. A new job has its
    /// own table then as soon as there is a process, and nobody waits for that before its pipes are used.
    all: bool,
}

impl Inherited {
    /// To be called before anything else opens some.
    pub(crate) fn find() -> Inherited {
        let numbers = numbers().unwrap_or_default();
        let copies: io::Result<Vec<_>> = numbers.iter().map(|&number| Ok((number, copy(number)?))).collect();
        // A number beyond the limit can be inherited, not made.
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let all = copies.is_err() || numbers.iter().any(|&number| number as u64 >= limit);
        if all {
            return Inherited { copies: Vec::new(), all };
        }
        Inherited { copies: copies.unwrap_or_default(), all }
    }

    /// Of ours, all are close-on-exec.
    pub(crate) fn for_slots(self, slots: usize) -> Inherited {
        match slots <= FEW_SLOTS {
            true => Inherited { copies: Vec::new(), all: true },
            false => self,
        }
    }

    pub(crate) fn give(&self, command: &mut Command) -> io::Result<()> {
        command.inherit_fds(self.all);
        for (number, fd) in &self.copies {
            command.fd(*number, fd.try_clone()?);
        }
        Ok(())
    }
}

fn numbers() -> io::Result<Vec<RawFd>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir("/proc/self/fdinfo")? {
        let entry = entry?;
        let number = entry.file_name().to_str().and_then(|name| name.parse::<RawFd>().ok());
        let info = fs::read_to_string(entry.path()).unwrap_or_default();
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
        let flags = flags.and_then(|flags| u64::from_str_radix(flags.trim(), 8).ok());
        numbers
            .extend(number.filter(|&number| number > 2 && flags.is_some_and(|flags| flags & CLOEXEC == 0)));
    }
    Ok(numbers)
}

/// Of the same open file description, by a way that need not trust the number.
fn copy(number: RawFd) -> io::Result<OwnedFd> {
    let me = pidfd_open(getpid(), PidfdFlags::empty())?;
    Ok(pidfd_getfd(me, number, PidfdGetfdFlags::empty())?)
}
