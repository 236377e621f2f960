//! The child's standard descriptors, and our ends of its pipes.

use std::io;
use std::os::fd::{OwnedFd, RawFd};

use rustix::pipe::{pipe_with, PipeFlags};

use super::lift::{lift, lift_inherited, lift_own};
use crate::child::Kind;
use crate::command::options::Options;
use crate::sys::held::Held;
use crate::sys::low::{above_stdio, out_of_the_way};
use crate::sys::plan::Source;

pub(super) struct Standard {
    pub(super) theirs: [Theirs; 3],
    pub(super) pipes: [Option<OwnedFd>; 3],
}

pub(super) enum Theirs {
    Inherit,
    Null,
    Fd(Held),
    Closed,
    Stdout,
}

impl Standard {
    /// All inherited.
    #[inline]
    pub(super) fn new() -> Standard {
        Standard { theirs: [Theirs::Inherit, Theirs::Inherit, Theirs::Inherit], pipes: [None, None, None] }
    }

    pub(super) fn open(&mut self, stdio: [&Kind; 3], options: &Options) -> io::Result<()> {
        // As of most children, which is not to cost them anything.
        if stdio.iter().all(|kind| matches!(kind, Kind::Inherit)) {
            return Ok(());
        }
        for (number, kind) in stdio.into_iter().enumerate() {
            self.theirs[number] = match kind {
                Kind::Inherit | Kind::Std(_) => continue,
                Kind::Null => Theirs::Null,
                Kind::Stdout => Theirs::Stdout,
                Kind::None(errno) => return Err(io::Error::from_raw_os_error(*errno)),
                Kind::Fd(fd) => Theirs::Fd(lift(fd, options)?),
                Kind::Piped => {
                    let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
                    let (our, their) = if number == 0 { (write, read) } else { (read, write) };
                    self.pipes[number] = Some(out_of_the_way(above_stdio(our)?));
                    Theirs::Fd(lift_own(their, options)?)
                }
            };
        }
        Ok(())
    }

    /// Copies what is inherited: the child gets what is there now, whatever becomes of it.
    pub(super) fn copy_inherited(&mut self, options: &Options) -> io::Result<()> {
        for (number, theirs) in self.theirs.iter_mut().enumerate() {
            if let Theirs::Inherit = theirs {
                let copy = lift_inherited(number as RawFd, options)?;
                *theirs = copy.map_or(Theirs::Closed, Theirs::Fd);
            }
        }
        Ok(())
    }

    pub(super) fn sources(&self) -> [Source<'_>; 3] {
        sources(&self.theirs)
    }
}

pub(super) fn sources(theirs: &[Theirs; 3]) -> [Source<'_>; 3] {
    theirs.each_ref().map(|theirs| match theirs {
        Theirs::Inherit => Source::Inherit,
        Theirs::Null => Source::Null,
        Theirs::Fd(fd) => Source::Fd(fd),
        Theirs::Closed => Source::Closed,
        Theirs::Stdout => Source::Stdout,
    })
}

/// The descriptors among them.
pub(super) fn held(theirs: &[Theirs; 3]) -> impl Iterator<Item = &Held> {
    theirs.iter().filter_map(|theirs| match theirs {
        Theirs::Fd(fd) => Some(fd),
        Theirs::Inherit | Theirs::Null | Theirs::Closed | Theirs::Stdout => None,
    })
}
