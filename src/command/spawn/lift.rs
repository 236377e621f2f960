//! Where descriptors live: those that a child is to get, and those that no child needs.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;

use rustix::io::{fcntl_dupfd_cloexec, Errno};

use crate::command::error::SpawnError;
use crate::command::options::Options;
use crate::sys::descriptors::{copy_of_inherited, is_free};
use crate::sys::held::Held;
use crate::sys::needs::{ByDescriptor, Needs};

/// The descriptor for the child, or a copy: its number is none that the child is to have, so that installing another
/// does not overwrite it.
pub(super) fn lift(fd: &Arc<OwnedFd>, options: &Options) -> io::Result<Held> {
    match options.is_wanted(fd.as_raw_fd()) {
        true => copy(fd, options).map(Held::alone),
        false => Ok(Held::shared(fd)),
    }
}

/// As [`lift`], of one that is for this child alone.
pub(super) fn lift_own(fd: OwnedFd, options: &Options) -> io::Result<Held> {
    match options.is_wanted(fd.as_raw_fd()) {
        true => copy(&fd, options).map(Held::alone),
        false => Ok(Held::alone(fd)),
    }
}

/// A copy of what the child would inherit under this number; nothing if that is nothing.
pub(super) fn lift_inherited(number: RawFd, options: &Options) -> io::Result<Option<Held>> {
    let mut from = 3;
    loop {
        match copy_of_inherited(number, from)? {
            Some(copy) if options.is_wanted(copy.as_raw_fd()) => from = copy.as_raw_fd() + 1,
            copy => return Ok(copy.map(Held::alone)),
        }
    }
}

/// All descriptors of [`Command::fd`](crate::Command::fd), in their order: number, and source.
pub(super) fn lift_all(options: &Options) -> io::Result<Vec<(RawFd, Held)>> {
    if options.fds.is_empty() {
        return Ok(Vec::new());
    }
    let sources = options.fds.iter();
    sources
        .map(|(number, source)| match number {
            0.. => Ok((*number, lift(source, options)?)),
            _ => Err(SpawnError::new(format!("give the child descriptor {number}"), libc::EBADF).into()),
        })
        .collect()
}

/// Copies of what the child uses itself, so that `execve` closes them; `paths` are the numbers that paths lead through.
#[cold]
pub(super) fn lift_needs(options: &Options, paths: &[RawFd]) -> io::Result<Box<Needs>> {
    let lifted = |fd: Option<&Arc<OwnedFd>>| {
        let copy = fd.map(|fd| copy(fd, options).map(Held::alone));
        copy.transpose()
    };
    let program = lifted(options.program_fd.as_ref())?.map(|fd| {
        let path = format!("/dev/fd/{}", fd.number());
        ByDescriptor { fd, path: [[path.as_bytes()]].into_iter().collect() }
    });
    Ok(Box::new(Needs {
        terminal: lifted(options.controlling_terminal.as_ref())?,
        foreground: lifted(options.foreground.as_ref())?,
        namespaces: lifted(options.namespaces.as_ref().map(|(process, _)| process))?,
        directory: lifted(options.directory_fd.as_ref())?,
        program,
        paths: paths.iter().copied().filter(|&number| !is_free(number)).collect(),
    }))
}

fn copy(fd: &OwnedFd, options: &Options) -> io::Result<OwnedFd> {
    let mut from = 3;
    loop {
        let copy = copy_from(fd, from)?;
        if !options.is_wanted(copy.as_raw_fd()) {
            return Ok(copy);
        }
        from = copy.as_raw_fd() + 1;
    }
}

/// A copy with the lowest free number from this one on; `EMFILE` also if the limit does not allow the number.
pub(super) fn copy_from(fd: &OwnedFd, number: RawFd) -> io::Result<OwnedFd> {
    Ok(fcntl_dupfd_cloexec(fd, number).map_err(|error| match error {
        Errno::INVAL => Errno::MFILE,
        error => error,
    })?)
}

/// Ranges of descriptors, both ends included.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    /// Of the ranges, for which nothing need be allocated if none is left out.
    only: Option<[(u32, u32); 1]>,
    several: Vec<(u32, u32)>,
}

impl Ranges {
    /// What the options have closed, up to `last`; `installed` is whether 0, 1 and 2 are.
    pub(super) fn to_close(
        options: &Options,
        installed: [bool; 3],
        fds: &[(RawFd, Held)],
        needs: Option<&Needs>,
        last: u32,
    ) -> Ranges {
        if fds.is_empty() && needs.is_none() && options.close.is_empty() {
            let only = (!options.inherit_fds && last >= 3).then_some([(3, last)]);
            return Ranges { only, several: Vec::new() };
        }
        let left = fds.iter().map(|&(number, _)| number);
        let left = left.chain(needs.into_iter().flat_map(Needs::numbers)).map(|number| number as u32);
        match (&options.close[..], options.inherit_fds) {
            ([], true) => Ranges::default(),
            ([], false) => Ranges::between(left, last),
            (ranges, inherit) => {
                let unasked = (!inherit).then_some((3, u32::MAX));
                let mut installed: Vec<u32> = (0..3).filter(|&number| installed[number as usize]).collect();
                installed.extend(left);
                installed.sort_unstable();
                let mut several = Vec::new();
                for (first, end) in ranges.iter().copied().chain(unasked) {
                    leave_out(&installed, first, end.min(last), &mut several);
                }
                Ranges { only: None, several }
            }
        }
    }

    /// All from 3 to `last` but these.
    fn between(left: impl Iterator<Item = u32>, last: u32) -> Ranges {
        let mut numbers: Vec<_> = left.collect();
        numbers.sort_unstable();
        let mut several = Vec::new();
        leave_out(&numbers, 3, last, &mut several);
        Ranges { only: None, several }
    }

    pub(super) fn as_slice(&self) -> &[(u32, u32)] {
        match &self.only {
            Some(only) => only,
            None => &self.several,
        }
    }
}

/// Adds the parts of a range that lie between these numbers, which are in order.
fn leave_out(numbers: &[u32], start: u32, last: u32, ranges: &mut Vec<(u32, u32)>) {
    let mut first = start;
    for &number in numbers.iter().filter(|number| (start..=last).contains(number)) {
        if number > first {
            ranges.push((first, number - 1));
        }
        first = number.saturating_add(1);
    }
    if first <= last {
        ranges.push((first, last));
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::sync::Arc;

    use super::{Held, Needs, Options, Ranges};

    #[test]
    fn ranges_leave_out_what_is_installed() {
        let between =
            |numbers: &[u32], last| Ranges::between(numbers.iter().copied(), last).as_slice().to_vec();
        assert_eq!(between(&[], 2), []);
        assert_eq!(between(&[], 9), [(3, 9)]);
        assert_eq!(between(&[3], 9), [(4, 9)]);
        assert_eq!(between(&[9, 5], 12), [(3, 4), (6, 8), (10, 12)]);
        assert_eq!(between(&[3, 4], 4), []);
        assert_eq!(between(&[7], u32::MAX), [(3, 6), (8, u32::MAX)]);
    }

    #[test]
    fn what_is_installed_is_not_closed() {
        let to_close = |close: &[(u32, u32)], inherit_fds, last| {
            let options = Options { close: close.to_vec(), inherit_fds, ..Options::default() };
            let null = Arc::new(File::open("/dev/null").unwrap().into());
            let (fds, paths) = ([(5, Held::shared(&null))], vec![1]);
            let needs = Needs {
                terminal: None,
                foreground: None,
                namespaces: None,
                directory: None,
                program: None,
                paths,
            };
            Ranges::to_close(&options, [false; 3], &fds, Some(&needs), last).as_slice().to_vec()
        };
        assert_eq!(to_close(&[], true, 9), []);
        assert_eq!(to_close(&[], false, 9), [(3, 4), (6, 9)]);
        assert_eq!(to_close(&[(0, 2)], true, 9), [(0, 0), (2, 2)]);
        assert_eq!(to_close(&[(0, 2)], false, 9), [(0, 0), (2, 2), (3, 4), (6, 9)]);
        assert_eq!(to_close(&[(5, 5)], true, 9), []);
        assert_eq!(to_close(&[(4, u32::MAX)], true, u32::MAX), [(4, 4), (6, u32::MAX)]);
        assert_eq!(to_close(&[(4, u32::MAX), (9, 9)], true, 7), [(4, 4), (6, 7)]);
    }
}
