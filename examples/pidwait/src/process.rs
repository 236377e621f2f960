//! A process as `/proc` has it. Names and arguments are bytes.

use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{open, openat, readlinkat, Mode, OFlags};
use shared::Stat;

/// A directory of `/proc`: it reads nothing of a later process with the same number.
pub(crate) struct Process {
    pub(crate) pid: u32,
    directory: OwnedFd,
}

/// The real and the effective one.
pub(crate) struct Ids {
    pub(crate) users: (u32, u32),
    pub(crate) groups: (u32, u32),
    /// It is a thread of this process.
    pub(crate) process: u32,
}

impl Process {
    pub(crate) fn open(pid: u32) -> io::Result<Process> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Process { pid, directory: open(format!("/proc/{pid}"), flags, Mode::empty())? })
    }

    /// In no order.
    pub(crate) fn pids() -> io::Result<impl Iterator<Item = u32>> {
        let entries = std::fs::read_dir("/proc")?;
        Ok(entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()))
    }

    pub(crate) fn stat(&self) -> io::Result<Stat> {
        let stat = self.read("stat")?;
        Stat::parse(&stat).ok_or_else(|| malformed("stat"))
    }

    pub(crate) fn ids(&self) -> io::Result<Ids> {
        let status = self.read("status")?;
        let ids = |name: &[u8]| {
            let line = status.split(|&byte| byte == b'\n').find_map(|line| line.strip_prefix(name))?;
            let mut numbers = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
            let first = numbers.next()?.parse().ok()?;
            Some((first, numbers.next().and_then(|number| number.parse().ok()).unwrap_or(first)))
        };
        let all = || Some(Ids { users: ids(b"Uid:")?, groups: ids(b"Gid:")?, process: ids(b"Tgid:")?.0 });
        all().ok_or_else(|| malformed("status"))
    }

    /// With blanks between the words; empty for a zombie and a thread of the kernel.
    pub(crate) fn command_line(&self) -> io::Result<Vec<u8>> {
        let mut line = self.read("cmdline")?;
        while line.last() == Some(&0) {
            line.pop();
        }
        line.iter_mut().filter(|byte| **byte == 0).for_each(|byte| *byte = b' ');
        Ok(line)
    }

    /// What the link of a namespace says, which is another one for each.
    pub(crate) fn namespace(&self, kind: &str) -> io::Result<Vec<u8>> {
        Ok(readlinkat(&self.directory, format!("ns/{kind}"), Vec::new())?.into_bytes())
    }

    /// The name of that of version 2; none where there is none.
    pub(crate) fn cgroup(&self) -> io::Result<Option<Vec<u8>>> {
        let all = self.read("cgroup")?;
        let mut lines = all.split(|&byte| byte == b'\n');
        Ok(lines.find_map(|line| line.strip_prefix(b"0::")).map(<[u8]>::to_vec))
    }

    /// With a zero byte after each variable.
    pub(crate) fn environment(&self) -> io::Result<Vec<u8>> {
        self.read("environ")
    }

    /// The mask of those that have a handler.
    pub(crate) fn caught_signals(&self) -> io::Result<u64> {
        let status = self.read("status")?;
        let line = status.split(|&byte| byte == b'\n').find_map(|line| line.strip_prefix(b"SigCgt:"));
        let mask = line.and_then(|line| u64::from_str_radix(std::str::from_utf8(line).ok()?.trim(), 16).ok());
        mask.ok_or_else(|| malformed("status"))
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let file = openat(&self.directory, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut std::fs::File::from(file), &mut bytes)?;
        Ok(bytes)
    }
}

fn malformed(file: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("/proc/PID/{file} is not as it was"))
}
