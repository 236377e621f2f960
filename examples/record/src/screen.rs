//! The terminal that we run on.

use std::io;
use std::os::fd::AsFd;

use rustix::termios::{tcgetattr, tcgetwinsize, tcsetattr, OptionalActions, Termios, Winsize};

/// Our terminal in raw mode, so that each key passes as it is; as it was once this is dropped.
pub(crate) struct Raw(Termios);

impl Raw {
    /// `None` if standard input is no terminal.
    pub(crate) fn new() -> io::Result<Option<Raw>> {
        let Some(before) = attributes() else {
            return Ok(None);
        };
        let mut raw = before.clone();
        raw.make_raw();
        // Drained, not flushed: keys that were pressed early are for the command.
        tcsetattr(rustix::stdio::stdin(), OptionalActions::Drain, &raw)?;
        Ok(Some(Raw(before)))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // The terminal is gone if it fails.
        let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Drain, &self.0);
    }
}

/// How our terminal is set, if standard input is one.
pub(crate) fn attributes() -> Option<Termios> {
    tcgetattr(rustix::stdio::stdin()).ok()
}

/// The size of our terminal, or the usual one where there is none.
pub(crate) fn size() -> (u16, u16) {
    let ends = [rustix::stdio::stdin(), rustix::stdio::stdout()];
    let sizes = ends.iter().filter_map(|end| tcgetwinsize(end.as_fd()).ok());
    let known = sizes.into_iter().find(|Winsize { ws_row, ws_col, .. }| *ws_row > 0 && *ws_col > 0);
    known.map_or((24, 80), |size| (size.ws_row, size.ws_col))
}
