//! Becoming the program that is at our place now: the process stays, and its children stay its children.

use std::env::args_os;
use std::io;
use std::os::unix::process::CommandExt;
use std::time::Duration;

use anyhow::{bail, Context, Result};
use childset::Command;

use super::Supervisor;
use crate::output::Output;
use crate::signals;
use crate::{log, say};

/// For the new program, to find the file right.
const CHECK: Duration = Duration::from_secs(10);

impl Supervisor {
    /// Returns only if that cannot be.
    pub(super) fn upgrade(&mut self) {
        let result = self.try_upgrade();
        say(format_args!("no upgrade: {:#}", result.err().unwrap_or_else(|| anyhow::anyhow!("stopping"))));
    }

    fn try_upgrade(&mut self) -> Result<()> {
        if self.stopping {
            return Ok(());
        }
        if self.means.state.is_none() {
            bail!("without --state, services would not be found again");
        }
        let exe = self.exe.as_ref().context("its own program is not known")?;
        // It may be none, or of a version that does not know the options.
        let mut check = Command::new(exe);
        check.args(args_os().skip(1)).arg("--check").kill_on_drop(true);
        match check.spawn()?.wait_timeout(CHECK)? {
            Some(exit) if exit.success() => {}
            Some(exit) => bail!("{} --check: {exit}", exe.display()),
            None => bail!("{} --check takes too long", exe.display()),
        }
        // A signal that comes before it is prepared for it waits, and so does one that has just come.
        signals::block()?;
        self.signals.give_back()?;
        // That of a service which does not run is in no pipe any more once we have closed it.
        self.units.iter_mut().filter_map(|unit| unit.output.as_mut()).for_each(Output::finish);
        say(format_args!("becoming {}", exe.display()));
        log::finish();
        let mut command = std::process::Command::new(exe);
        let error: io::Error = command.args(args_os().skip(1)).exec();
        signals::unblock()?;
        Err(error).with_context(|| exe.display().to_string())
    }
}
