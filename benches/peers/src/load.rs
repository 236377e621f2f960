use std::path::PathBuf;

use anyhow::{ensure, Result};

/// What each contender has to do: all of this, and nothing else.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    pub(crate) children: usize,
    pub(crate) in_flight: usize,
    pub(crate) program: PathBuf,
}

impl Load {
    /// How many to spawn before the first wait.
    pub(crate) fn at_first(&self) -> usize {
        self.in_flight.min(self.children)
    }

    /// How many to spawn after that, one for each that ended.
    pub(crate) fn later(&self) -> usize {
        self.children - self.at_first()
    }
}

/// Every contender looks at every status.
pub(crate) fn check(success: bool) -> Result<()> {
    ensure!(success, "the child failed");
    Ok(())
}
