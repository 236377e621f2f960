//! Hands processes over: one program starts them and passes on their pidfds, another one, which is not their parent,
//! waits for them, signals them, and learns how they ended.
//!
//! A pidfd stays the right process whatever becomes of its number, so the receiver need not trust a pid that came
//! over a socket. The parent still has to reap; only then does the kernel tell the receiver the status (Linux 6.15).
//! The one who starts knows who takes: by a pidfd (Linux 6.5), and by the user who connected.
//!
//! Run with:
//!
//! ```sh
//! cargo run --example handoff -- start /tmp/jobs.sock -- sh -c 'sleep 60; exit 7'   # until Ctrl-C
//! cargo run --example handoff -- take /tmp/jobs.sock   # in another terminal; Ctrl-C goes to the process
//! ```

mod passing;
mod taker;

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{bail, Context, Result};
use async_io::Async;
use async_signal::{Signal, Signals};
use childset::{AsyncPidfdExt, ChildSet, Command, Exited};
use clap::{Parser, Subcommand};
use futures_lite::future::{block_on, or};
use futures_lite::StreamExt;

/// Of `handoff` itself having failed, as opposed to the process.
const FAILED: u8 = 125;
const GRACE: Duration = Duration::from_secs(5);
const ENDING: [Signal; 2] = [Signal::Int, Signal::Term];

/// Passes processes from the one who starts them to another one who waits for them.
#[derive(Parser)]
#[command(name = "handoff", max_term_width = 100)]
struct Options {
    #[command(subcommand)]
    part: Part,
}

#[derive(Subcommand)]
enum Part {
    /// Starts the command once for each that connects, and hands that process over
    Start {
        /// The socket, which is made, and removed in the end
        socket: PathBuf,
        /// Hand over to these users alone, by number
        #[arg(long = "user", value_name = "UID,...", value_delimiter = ',')]
        users: Vec<u32>,
        /// The program and its words
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
    /// Takes a process over, passes signals on to it, and ends as it does
    Take {
        /// The socket of the one who starts
        socket: PathBuf,
    },
}

/// Whether somebody reads it does not matter.
macro_rules! say {
    ($($text:tt)*) => { drop(writeln!(io::stdout(), $($text)*)) };
}

fn main() -> ExitCode {
    let result = match Options::parse().part {
        Part::Start { socket, users, command } => start(&socket, &users, &command).map(|()| 0),
        Part::Take { socket } => take(&socket),
    };
    result.map_or_else(
        |error| {
            let _ = writeln!(io::stderr(), "handoff: {error:#}");
            ExitCode::from(FAILED)
        },
        ExitCode::from,
    )
}

/// Removes the socket in the end.
struct Bound<'a>(&'a Path);

impl Drop for Bound<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.0);
    }
}

fn start(path: &Path, users: &[u32], command: &[OsString]) -> Result<()> {
    let mut signals = Signals::new(ENDING)?;
    let listener = passing::listen(path).with_context(|| format!("cannot listen at {}", path.display()))?;
    let _bound = Bound(path);
    let listener = Async::new(listener)?;
    let set = ChildSet::new()?;
    let hand_over = async {
        loop {
            let peer = listener.read_with(passing::accept).await?;
            if let Err(error) = start_for(&peer, users, command, &set) {
                let _ = writeln!(io::stderr(), "handoff: {error:#}");
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
    let taker = taker::taker(peer)?;
    if !users.is_empty() && !users.contains(&taker.user) {
        bail!("{taker} is refused");
    }
    let child = Command::new(&command[0]).args(&command[1..]).kill_on_drop(true).spawn()?;
    let pid = child.id();
    let name = command[0].to_string_lossy();
    passing::send(peer, name.as_bytes(), &[child.pidfd().as_fd()])
        .with_context(|| format!("{name} (pid {pid}) cannot be handed over, and is killed"))?;
    say!("{pid}: handed over to {taker}");
    set.insert(child, pid).map_err(|refused| refused.error)?;
    Ok(())
}

fn report(exited: Exited<u32>) {
    match exited.exit {
        Ok(exit) => say!("{}: {}", exited.tag, exit.status()),
        Err(error) => say!("{}: {error}", exited.tag),
    }
}

fn take(path: &Path) -> Result<u8> {
    let mut signals = Signals::new(ENDING)?;
    let socket = passing::connect(path).with_context(|| format!("cannot connect to {}", path.display()))?;
    let (pidfd, name) = passing::receive(&socket)?;
    drop(socket);
    match pidfd.pid()? {
        Some(pid) => say!("took {name} (pid {pid})"),
        None => say!("took {name} (in another pid namespace)"),
    }
    let process = Async::new(pidfd)?;
    let pass_on = async {
        while let Some(signal) = signals.try_next().await? {
            if let Err(error) = process.get_ref().send_signal(signal as i32) {
                let _ = writeln!(io::stderr(), "handoff: {signal:?}: {error}");
            }
        }
        std::future::pending().await
    };
    let exit = block_on(or(process.exit(), pass_on)).context(name)?;
    say!("{}", exit.status());
    let code = exit.code().or(exit.signal().map(|signal| 128 + signal.as_raw()));
    Ok(code.unwrap_or(FAILED.into()) as u8)
}
