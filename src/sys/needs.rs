//! Descriptors that a child uses on its way to `execve`, and that are not for its program.

use std::os::fd::RawFd;

use super::held::Held;
use super::strings::CStrings;

/// Copies, which `execve` closes, except for the paths.
pub(crate) struct Needs {
    /// To become the controlling terminal.
    pub(crate) terminal: Option<Held>,
    /// The terminal whose foreground group the child's is to be.
    pub(crate) foreground: Option<Held>,
    /// The process whose namespaces to join.
    pub(crate) namespaces: Option<Held>,
    /// The working directory.
    pub(crate) directory: Option<Held>,
    pub(crate) program: Option<ByDescriptor>,
    /// The numbers of this process's own descriptors that paths lead through. They stay as they are.
    pub(crate) paths: Vec<RawFd>,
}

/// A program that is named by a descriptor.
pub(crate) struct ByDescriptor {
    pub(crate) fd: Held,
    /// `/dev/fd/N`, for the interpreter of a script.
    pub(crate) path: CStrings,
}

impl Needs {
    /// Those that are held for the child.
    pub(crate) fn held(&self) -> impl Iterator<Item = &Held> {
        let program = self.program.as_ref().map(|program| &program.fd);
        let own = [&self.terminal, &self.foreground, &self.namespaces, &self.directory];
        own.into_iter().filter_map(Option::as_ref).chain(program)
    }

    /// The numbers that must be open until `execve`.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = RawFd> + '_ {
        self.held().map(Held::number).chain(self.paths.iter().copied())
    }
}

/// The number, or one that is no descriptor.
pub(super) fn number<'n>(needs: Option<&'n Needs>, of: impl FnOnce(&'n Needs) -> &'n Option<Held>) -> usize {
    needs.and_then(|needs| of(needs).as_ref()).map_or(usize::MAX, |held| held.number() as usize)
}
