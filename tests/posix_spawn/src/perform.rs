//! The file actions, done by the parent on a table that stands for the child's.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::rc::Rc;

use childset::Command;
use rustix::fs::{openat, Mode, OFlags, CWD};

use crate::actions::Action;
use crate::attributes::{Attributes, RESETIDS};
use crate::parent::{self, AsRealIds};
use crate::table::Table;

/// What the child starts with: its descriptors, and its working directory if that is not ours.
pub(crate) struct Start {
    table: Table,
    directory: Option<OwnedFd>,
    /// The terminal in whose foreground the child is put.
    terminal: Option<Rc<OwnedFd>>,
}

impl Start {
    /// Does the actions in order, up to the first that fails, whose errno it returns.
    pub(crate) fn perform(actions: &[Action], attributes: &Attributes) -> Result<Start, i32> {
        let _ids = attributes.has(RESETIDS).then(AsRealIds::new);
        let floor = actions.iter().flat_map(numbers).fold(2, RawFd::max) + 1;
        let mut start = Start { table: Table::new(floor), directory: None, terminal: None };
        actions.iter().try_for_each(|action| start.act(action))?;
        Ok(start)
    }

    fn act(&mut self, action: &Action) -> Result<(), i32> {
        match *action {
            Action::Open { fd, ref path, flags, mode } => self.open(fd, path, flags, mode)?,
            Action::Close(fd) => self.table.close(fd),
            Action::Dup2(fd, newfd) => {
                let source = self.table.get(fd)?;
                self.table.set(newfd, source, false);
            }
            Action::Chdir(ref path) => {
                let path = self.of_the_child(path)?;
                self.directory = Some(self.enter(self.open_at(&path, OFlags::PATH, Mode::empty())?)?);
            }
            Action::Fchdir(fd) => {
                let directory = self.table.get(fd)?;
                self.directory = Some(self.enter(directory)?);
            }
            Action::CloseFrom(from) => self.table.close_from(from),
            Action::TcSetPgrp(fd) => {
                self.terminal = Some(self.table.get(fd)?);
            }
        }
        Ok(())
    }

    fn open(&mut self, fd: RawFd, path: &CStr, flags: i32, mode: u32) -> Result<(), i32> {
        let path = self.of_the_child(path)?;
        self.table.close(fd);
        // This process may lead a session without a terminal, which it is not to get by this.
        let ours = OFlags::CLOEXEC | OFlags::NOCTTY;
        let flags = OFlags::from_bits_retain(flags as u32);
        let file = self.open_at(&path, flags | ours, Mode::from_bits_retain(mode))?;
        // The child's open would get the lowest free number, and move the file from there with dup2, which
        // leaves the flag behind.
        let stays = self.table.lowest_free() == fd;
        self.table.set(fd, Rc::new(file), flags.contains(OFlags::CLOEXEC) && stays);
        Ok(())
    }

    /// Opens what is at the path, from the child's working directory, above the numbers of the child's.
    fn open_at(&self, path: &CStr, flags: OFlags, mode: Mode) -> Result<OwnedFd, i32> {
        let directory = self.directory.as_ref().map_or(CWD, |directory| directory.as_fd());
        let file = openat(directory, path, flags | OFlags::CLOEXEC, mode).map_err(errno)?;
        match file.as_raw_fd() < self.table.floor {
            true => parent::copy_of(file.as_raw_fd(), self.table.floor),
            false => Ok(file),
        }
    }

    /// The directory itself, if the child may enter it: looking up `.` takes the same right.
    fn enter(&self, directory: impl AsRawFd + AsFd) -> Result<OwnedFd, i32> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let entered = openat(&directory, c".", flags, Mode::empty()).map_err(errno)?;
        match entered.as_raw_fd() < self.table.floor {
            true => parent::copy_of(entered.as_raw_fd(), self.table.floor),
            false => Ok(entered),
        }
    }

    /// A path that names one of the child's descriptors, as one that leads to the same file from here.
    fn of_the_child(&self, path: &CStr) -> Result<CString, i32> {
        let number = match path.to_bytes() {
            b"/dev/stdin" => Some(0),
            b"/dev/stdout" => Some(1),
            b"/dev/stderr" => Some(2),
            other => [&b"/dev/fd/"[..], b"/proc/self/fd/"].iter().find_map(|prefix| {
                let number = std::str::from_utf8(other.strip_prefix(*prefix)?).ok()?;
                number.parse::<u16>().ok().map(RawFd::from).filter(|fd| fd.to_string() == number)
            }),
        };
        match number {
            None => Ok(path.to_owned()),
            Some(number) => {
                let ours = self.table.number_of(number).ok_or(libc::ENOENT)?;
                CString::new(format!("/proc/self/fd/{ours}")).map_err(|_| libc::EINVAL)
            }
        }
    }

    /// Has the builder start the child so.
    pub(crate) fn apply(self, command: &mut Command) -> Result<(), i32> {
        if let Some(directory) = self.directory {
            command.current_dir_fd(directory);
        }
        if let Some(terminal) = self.terminal {
            command.foreground(parent::copy_of(terminal.as_raw_fd(), self.table.floor)?);
        }
        self.table.apply(command)
    }
}

fn numbers(action: &Action) -> Vec<RawFd> {
    match *action {
        Action::Dup2(fd, newfd) => vec![fd, newfd],
        Action::Open { fd, .. } | Action::Close(fd) | Action::Fchdir(fd) => vec![fd],
        Action::CloseFrom(fd) | Action::TcSetPgrp(fd) => vec![fd],
        Action::Chdir(_) => vec![],
    }
}

fn errno(error: rustix::io::Errno) -> i32 {
    error.raw_os_error()
}
