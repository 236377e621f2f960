//! The file that a service's output goes to, and those that were it before.
//!
//! Where it cannot be written, the output is dropped, by whole lines, and each piece that comes is a new attempt. So a
//! service never waits for a disk that is full, and neither do we.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::pipe::{splice, SpliceFlags};

use crate::config::log::Log;
use crate::say;

/// How far back the start of an unfinished line is looked for in a file that is opened.
const BACK: u64 = 1 << 16;

pub(super) struct LogFile {
    /// Of the service.
    name: String,
    /// None: its output is for nobody any more.
    log: Option<Log>,
    open: Option<File>,
    /// The length of the line at its end, if that has no newline.
    line: u64,
    /// So many bytes were dropped since it could be written.
    lost: Option<u64>,
    /// The next bytes are the rest of a line that was dropped.
    skips: bool,
}

impl LogFile {
    pub(super) fn new(name: &str, log: Option<Log>) -> LogFile {
        LogFile { name: name.into(), log, open: None, line: 0, lost: None, skips: false }
    }

    pub(super) fn set(&mut self, log: Option<Log>) {
        (self.log, self.open) = (log, None);
    }

    /// Takes some of these bytes, at least one, which are the first in the pipe. Fails if the pipe does.
    pub(super) fn take(&mut self, pipe: &OwnedFd, bytes: &[u8]) -> io::Result<()> {
        if self.skips {
            let rest = line_end(bytes).unwrap_or(bytes.len());
            return self.lose(pipe, &bytes[..rest]);
        }
        let Some(log) = self.log.clone() else {
            if self.lost.is_none() {
                say(format_args!("{}: what it writes is dropped: it has no log any more", self.name));
            }
            return self.lose(pipe, bytes);
        };
        match self.write(&log, pipe, bytes) {
            Ok(()) => {
                if let Some(lost) = self.lost.take() {
                    let (name, file) = (&self.name, log.file.display());
                    say(format_args!("{name}: {file} is written again, {lost} bytes were dropped"));
                }
                Ok(())
            }
            Err(error) => {
                self.open = None;
                if self.lost.is_none() {
                    let (name, file) = (&self.name, log.file.display());
                    say(format_args!("{name}: what it writes is dropped: cannot write {file}: {error}"));
                }
                self.lose(pipe, bytes)
            }
        }
    }

    fn lose(&mut self, pipe: &OwnedFd, bytes: &[u8]) -> io::Result<()> {
        let mut left = vec![0; bytes.len()];
        let mut left = &mut left[..];
        while !left.is_empty() {
            match rustix::io::read(pipe, &mut *left) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => left = &mut left[count..],
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        *self.lost.get_or_insert(0) += bytes.len() as u64;
        self.skips = bytes.last() != Some(&b'\n');
        Ok(())
    }

    fn write(&mut self, log: &Log, pipe: &OwnedFd, bytes: &[u8]) -> io::Result<()> {
        loop {
            let (file, mut length) = self.current(&log.file)?;
            self.line = self.line.min(length);
            if self.line > 0 && self.lost.is_some() {
                // Its rest was dropped.
                file.write_all_at(b"\n", length)?;
                (self.line, length) = (0, length + 1);
            }
            let count = share(bytes, length, self.line, log.size);
            if count == 0 {
                rotate(log)?;
                (self.open, self.line) = (None, 0);
                continue;
            }
            return match splice(pipe, None, &file, Some(&mut length), count, SpliceFlags::NONBLOCK) {
                Ok(0) => Err(ErrorKind::WriteZero.into()),
                Ok(count) => {
                    self.line = match bytes[..count].iter().rposition(|&byte| byte == b'\n') {
                        Some(end) => (count - end - 1) as u64,
                        None => self.line + count as u64,
                    };
                    self.open = Some(file);
                    Ok(())
                }
                Err(error) => Err(error.into()),
            };
        }
    }

    /// With its length. Opened anew if it was removed.
    fn current(&mut self, path: &Path) -> io::Result<(File, u64)> {
        if let Some(file) = self.open.take() {
            let metadata = file.metadata()?;
            if metadata.nlink() > 0 {
                return Ok((file, metadata.len()));
            }
        }
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false);
        let file = options.mode(0o640).custom_flags(flags).open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other("it is no regular file"));
        }
        let length = metadata.len();
        let back = length.min(BACK);
        let mut end = vec![0; back as usize];
        file.read_exact_at(&mut end, length - back)?;
        self.line = end.iter().rev().take_while(|&&byte| byte != b'\n').count() as u64;
        Ok((file, length))
    }
}

/// After the first newline.
fn line_end(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|&byte| byte == b'\n').map(|at| at + 1)
}

/// How many of the bytes that come next still belong into a file, which has this length, and ends with so much of a line;
/// none if the next file is to begin.
///
/// Whole lines, as far as they fit. A line of which the start is in the file is continued beyond its size, and only one
/// that is longer than a file goes on in the next.
fn share(next: &[u8], length: u64, line: u64, size: u64) -> usize {
    let within = |most: u64| next.len().min(usize::try_from(most).unwrap_or(usize::MAX));
    let room = within(size.saturating_sub(length));
    if room == next.len() {
        return room;
    }
    if let Some(end) = next[..room].iter().rposition(|&byte| byte == b'\n') {
        return end + 1;
    }
    match (line, length) {
        (0, 0) => room,
        (0, _) => 0,
        _ => line_end(next).unwrap_or(next.len()).min(within(size.saturating_sub(line))),
    }
}

/// `log` becomes `log.1`, that `log.2`, and so on. A number that is free, since we were killed on the way, is where it
/// ends: nothing is removed that need not be.
fn rotate(log: &Log) -> io::Result<()> {
    let old = |number: u32| {
        let mut name = log.file.clone().into_os_string();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    };
    let free = (1..=log.rotate).find(|&number| old(number).symlink_metadata().is_err());
    if free.is_none() {
        // Also those of a time when more were kept.
        for number in log.rotate.max(1).. {
            match fs::remove_file(old(number)) {
                Err(error) if error.kind() == ErrorKind::NotFound => break,
                result => result?,
            }
        }
    }
    for number in (1..free.unwrap_or(log.rotate)).rev() {
        fs::rename(old(number), old(number + 1))?;
    }
    match log.rotate {
        0 => fs::remove_file(&log.file),
        _ => fs::rename(&log.file, old(1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written in pieces of any length, all lines are whole in the files, except those that are longer than one.
    #[test]
    fn shares() {
        for seed in 0..200 {
            let mut random = fastrand::Rng::with_seed(seed);
            let (size, longest) = (random.u64(1..100), random.usize(0..150));
            let mut all = Vec::new();
            for _ in 0..50 {
                all.extend((0..random.usize(0..=longest)).map(|_| random.alphabetic() as u8));
                all.push(b'\n');
            }
            let (mut at, mut line, mut files) = (0, 0, vec![Vec::new()]);
            while at < all.len() {
                let next = &all[at..all.len().min(at + random.usize(1..=120))];
                let file = files.last_mut().unwrap();
                let count = share(next, file.len() as u64, line, size);
                assert!(count > 0 || !file.is_empty(), "seed {seed}");
                if count == 0 {
                    (line, files) = (0, [files, vec![Vec::new()]].concat());
                    continue;
                }
                file.extend_from_slice(&next[..count]);
                at += count;
                let unfinished = file.iter().rev().take_while(|&&byte| byte != b'\n').count();
                line = unfinished as u64;
                assert!((file.len() as u64) < 2 * size, "seed {seed}");
            }
            assert_eq!(files.concat(), all);
            for pair in files.windows(2) {
                let last = pair[0].split(|&byte| byte == b'\n').next_back().unwrap().len() as u64;
                assert!(last == 0 || last == size, "seed {seed}: {pair:?}");
                assert!(!pair[0].is_empty(), "seed {seed}");
            }
        }
    }

    #[test]
    fn old_files_by_their_numbers() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let names = || {
            let mut names: Vec<_> =
                fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names.into_iter().map(|name| name.into_string().unwrap()).collect::<Vec<_>>()
        };
        let read = |name: &str| fs::read_to_string(path(name)).unwrap();
        let mut log = Log { file: path("log"), size: 4096, rotate: 3 };
        for text in ["a", "b", "c", "d", "e"] {
            fs::write(path("log"), text).unwrap();
            rotate(&log).unwrap();
        }
        assert_eq!(names(), ["log.1", "log.2", "log.3"]);
        assert_eq!(["log.1", "log.2", "log.3"].map(read), ["e", "d", "c"]);
        // We were killed between two renames.
        fs::rename(path("log.1"), path("log.2")).unwrap();
        fs::write(path("log"), "f").unwrap();
        rotate(&log).unwrap();
        assert_eq!(["log.1", "log.2", "log.3"].map(read), ["f", "e", "c"]);
        log.rotate = 1;
        fs::write(path("log"), "g").unwrap();
        rotate(&log).unwrap();
        assert_eq!((names(), read("log.1")), (vec!["log.1".into()], "g".into()));
        log.rotate = 0;
        fs::write(path("log"), "h").unwrap();
        rotate(&log).unwrap();
        assert_eq!(names(), [""; 0]);
    }
}
