//! Children in mio: one `SourceFd` for all of them.
//!
//! mio is edge-triggered: it reports the set once, and again only when another child ends. Whoever leaves an exit
//! untaken may not be told of it again, so each wake-up drains the set.
//!
//! Run with: `cargo run --example in_mio`

#[allow(unreachable_pub)]
mod burst;

use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::time::Instant;

use burst::{Burst, TICK};
use childset::ChildSet;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

const EXITS: Token = Token(0);

fn main() -> anyhow::Result<()> {
    let set = ChildSet::new()?;
    let mut burst = Burst::new(500)?;
    burst.spawn(&set)?;

    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(64);
    poll.registry().register(&mut SourceFd(&set.as_raw_fd()), EXITS, Interest::READABLE)?;

    let mut due = Instant::now() + TICK;
    loop {
        match poll.poll(&mut events, Some(due.saturating_duration_since(Instant::now()))) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            result => result?,
        }
        if events.iter().any(|event| event.token() == EXITS) {
            while let Some(exited) = set.try_wait()? {
                burst.exited(exited.tag, &exited.exit);
            }
        }
        if due <= Instant::now() {
            due = Instant::now() + TICK;
            if burst.tick()? {
                break;
            }
        }
    }
    // mio has only its number: deregister, then drop.
    poll.registry().deregister(&mut SourceFd(&set.as_raw_fd()))?;
    Ok(burst.report("mio")?)
}
