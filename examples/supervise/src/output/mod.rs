//! What a service writes: through a pipe, into its file.
//!
//! It leaves the pipe by splice(2), and so only when it is in the file: nothing is in our memory that would be lost when
//! we are killed. Where its lines end is seen before, on a copy, by tee(2).
//!
//! With a state file, the pipe has a name. The service has it open for reading, too, so that it is no broken pipe when we
//! are killed, and what is in it stays there for the next `supervise`.

mod file;
mod peek;

use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{chown, FileTypeExt};
use std::path::PathBuf;

use anyhow::{Context, Result};
use childset::Command;
use rustix::fs::{fchown, mknodat, open, FileType, Mode, OFlags, CWD};
use rustix::io::{ioctl_fionbio, Errno};
use rustix::pipe::{pipe_with, PipeFlags};
use rustix::process::{geteuid, Uid};

use crate::config::log::Log;
use crate::config::Service;
use crate::notify::Directory;
use file::LogFile;
use peek::Peek;

/// How often it is read in the end: what others write without an end is not waited for.
const LAST: usize = 64;

pub(crate) struct Output {
    /// Does not block.
    reader: OwnedFd,
    /// For the service; and open here, so that the pipe does not end with it.
    writer: OwnedFd,
    /// The name of the pipe, which goes with it.
    path: Option<PathBuf>,
    peek: Peek,
    file: LogFile,
}

impl Output {
    /// Also that of a predecessor's service which has none any more: somebody must read it.
    pub(crate) fn new(id: usize, service: &Service, directory: &mut Directory) -> Result<Option<Output>> {
        let why = || format!("cannot make the pipe that {} writes to", service.name);
        let name = format!("output-{id}");
        let known = directory.outlives_us().map(|path| path.join(&name)).filter(|path| path.exists());
        if service.log.is_none() && known.is_none() {
            return Ok(None);
        }
        let path = match directory.outlives_us() {
            None => None,
            Some(_) => Some(directory.path().with_context(why)?.join(&name)),
        };
        let uid = service.account.as_ref().map(|account| account.uid);
        let (reader, writer) = match &path {
            None => unnamed(uid),
            Some(path) => named(path, uid),
        }
        .with_context(why)?;
        let peek = Peek::new().with_context(why)?;
        let file = LogFile::new(&service.name, service.log.clone());
        Ok(Some(Output { reader, writer, path, peek, file }))
    }

    /// Has a command write to it.
    pub(crate) fn give(&self, command: &mut Command) -> io::Result<()> {
        // The run before may have made it so, and not every program knows what to do then.
        ioctl_fionbio(&self.writer, false)?;
        command.stdout(self.writer.try_clone()?).stderr(self.writer.try_clone()?);
        Ok(())
    }

    /// Takes what the file now says, and opens the log anew.
    pub(crate) fn reload(&mut self, log: Option<&Log>) {
        if log.is_some() {
            self.file.set(log.cloned());
        }
    }

    /// Writes a part of what there is.
    pub(crate) fn turn(&mut self) {
        self.go_on();
    }

    /// False if there is nothing.
    fn go_on(&mut self) -> bool {
        match self.peek.look(&self.reader) {
            Ok(bytes) if !bytes.is_empty() => self.file.take(&self.reader, &bytes).is_ok(),
            _ => false,
        }
    }

    /// Writes what there is.
    pub(crate) fn finish(&mut self) {
        for _ in 0..LAST {
            if !self.go_on() {
                return;
            }
        }
    }
}

impl AsFd for Output {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            let _ = fs::remove_file(path);
        }
    }
}

/// The service may open it once more, as `/dev/stderr`; so it is its user's.
fn unnamed(uid: Option<u32>) -> io::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
    ioctl_fionbio(&reader, true)?;
    if let Some(uid) = uid {
        fchown(&reader, Some(Uid::from_raw(uid)), None)?;
    }
    Ok((reader, writer))
}

fn named(path: &PathBuf, uid: Option<u32>) -> io::Result<(OwnedFd, OwnedFd)> {
    match mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    if !path.symlink_metadata()?.file_type().is_fifo() {
        return Err(ErrorKind::AlreadyExists.into());
    }
    // That of a predecessor may be another user's.
    let uid = uid.unwrap_or_else(|| geteuid().as_raw());
    chown(path, Some(uid), None)?;
    let flags = OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let reader = open(path, flags | OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty())?;
    Ok((reader, open(path, flags | OFlags::RDWR, Mode::empty())?))
}
