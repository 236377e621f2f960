//! The one who takes a process over.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use async_io::{Async, Timer};
use async_signal::{Signal, Signals};
use childset::{AsyncPidfdExt, Gone, Pidfd};
use futures_lite::future::{block_on, or, pending};
use futures_lite::StreamExt;

use super::ENDING;
use crate::passing::{self, Refused};
use crate::report::{complain, say, FAILED, SIGNALLED};

/// The kernel does not say when a full queue has room.
const LOOK: Duration = Duration::from_millis(20);

enum Event {
    Taken(Pidfd, String),
    Signal(Signal),
}

pub(crate) fn take(path: &Path) -> Result<u8> {
    let mut signals = Signals::new(ENDING)?;
    let first = async { or(receive(path), signal(&mut signals)).await };
    let (pidfd, name) = match block_on(first)? {
        Event::Taken(pidfd, name) => (pidfd, name),
        Event::Signal(signal) => return Ok(SIGNALLED + signal as u8),
    };
    match pidfd.pid() {
        Ok(Some(pid)) => say(format_args!("took {name} (pid {pid})")),
        Ok(None) => say(format_args!("took {name} (in another pid namespace)")),
        Err(error) if Gone::from_io_error(&error).is_some() => {
            say(format_args!("took {name} (it has ended)"))
        }
        Err(error) => return Err(error.into()),
    }
    let process = Async::new(pidfd)?;
    let pass_on = async {
        while let Some(signal) = signals.try_next().await? {
            if let Err(error) = process.get_ref().send_signal(signal as i32) {
                complain(format_args!("{signal:?}: {error}"));
            }
        }
        pending().await
    };
    let exit = block_on(or(process.exit(), pass_on)).context(name)?;
    say(exit.status());
    let code = exit.code().or(exit.signal().map(|signal| i32::from(SIGNALLED) + signal.as_raw()));
    Ok(code.unwrap_or(FAILED.into()) as u8)
}

async fn receive(path: &Path) -> Result<Event> {
    let socket = loop {
        match passing::connect(path) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => drop(Timer::after(LOOK).await),
            socket => break socket.with_context(|| format!("cannot connect to {}", path.display()))?,
        }
    };
    let socket = Async::new_nonblocking(socket)?;
    loop {
        match passing::receive(&socket) {
            Err(Refused::Io(error)) if error.kind() == ErrorKind::WouldBlock => socket.readable().await?,
            received => return Ok(received.map(|(pidfd, name)| Event::Taken(pidfd, name))?),
        }
    }
}

async fn signal(signals: &mut Signals) -> Result<Event> {
    match signals.try_next().await? {
        Some(signal) => Ok(Event::Signal(signal)),
        None => pending().await,
    }
}
