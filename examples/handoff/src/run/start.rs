//! The one who starts processes, and stays their parent.

use std::ffi::OsString;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use anyhow::{bail, Context, Result};
use async_io::Async;
use async_signal::Signals;
use childset::{ChildSet, Command, Exited};
use futures_lite::future::{block_on, or};
use futures_lite::StreamExt;

use super::ENDING;
use crate::passing;
use crate::report::{complain, say};
use crate::taker::taker;

const GRACE: Duration = Duration::from_secs(5);

/// Removes the socket in the end.
struct Bound<'a>(&'a Path);

impl Drop for Bound<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.0);
    }
}

pub(crate) fn start(path: &Path, users: &[u32], command: &[OsString]) -> Result<()> {
    // Before signals are caught, since it may wait for another one who starts.
    let listener = passing::listen(path).with_context(|| format!("cannot listen at {}", path.display()))?;
    let _bound = Bound(path);
    let mut signals = Signals::new(ENDING)?;
    let listener = Async::new(listener)?;
    let set = ChildSet::new()?;
    let hand_over = async {
        loop {
            let peer = listener.read_with(passing::accept).await?;
            if let Err(error) = start_for(&peer, users, command, &set) {
                complain(format_args!("{error:#}"));
            }
        }
    };
    // Whoever has a pidfd can wait, but none but the parent can reap.
    let reap = async {
        let mut exits = set.exits();
        while let Some(exited) = exits.try_next().await? {
            report(exited);
        }
        Ok(())
    };
    let until_signal = async { Ok(signals.try_next().await.map(drop)?) };
    block_on(async {
        let result = or(or::<Result<()>, _, _>(hand_over, reap), until_signal).await;
        let mut shutdown = set.shutdown(GRACE);
        while let Some(exited) = shutdown.try_next().await? {
            report(exited);
        }
        result
    })
}

/// Starts the command for a peer. If that cannot be handed over, it is killed.
fn start_for(peer: &OwnedFd, users: &[u32], command: &[OsString], set: &ChildSet<u32>) -> Result<()> {
    let taker = taker(peer)?;
    if !users.is_empty() && !users.contains(&taker.user) {
        bail!("{taker} is refused");
    }
    let child = Command::new(&command[0]).args(&command[1..]).kill_on_drop(true).spawn()?;
    let pid = child.id();
    let name = command[0].to_string_lossy();
    passing::send(peer, name.as_bytes(), &[child.pidfd().as_fd()])
        .with_context(|| format!("{name} (pid {pid}) cannot be handed over, and is killed"))?;
    say(format_args!("{pid}: handed over to {taker}"));
    set.insert(child, pid).map_err(|refused| refused.error)?;
    Ok(())
}

fn report(exited: Exited<u32>) {
    match exited.exit {
        Ok(exit) => say(format_args!("{}: {}", exited.tag, exit.status())),
        Err(error) => say(format_args!("{}: {error}", exited.tag)),
    }
}
