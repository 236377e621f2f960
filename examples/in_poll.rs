//! Children in a loop of one's own around poll(2): one entry for all of them, however many there are.
//!
//! 500 children end at once, and the loop's 5 ms timer must not wait for them.
//!
//! Run with: `cargo run --example in_poll`

#[allow(unreachable_pub)]
mod burst;

use std::time::Instant;

use burst::{Burst, TICK};
use childset::ChildSet;
use rustix::event::{poll, PollFd, PollFlags, Timespec};
use rustix::io::Errno;

/// Exits taken before the loop looks at its other work. What is left keeps the descriptor readable.
const BATCH: usize = 32;

fn main() -> anyhow::Result<()> {
    let set = ChildSet::new()?;
    let mut burst = Burst::new(500)?;
    burst.spawn(&set)?;

    let mut due = Instant::now() + TICK;
    loop {
        // Your own descriptors go into the same array.
        let mut fds = [PollFd::new(&set, PollFlags::IN)];
        let left = due.saturating_duration_since(Instant::now());
        let timeout = Timespec { tv_sec: 0, tv_nsec: left.subsec_nanos().into() };
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        if fds[0].revents().contains(PollFlags::IN) {
            for _ in 0..BATCH {
                let Some(exited) = set.try_wait()? else { break };
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
    Ok(burst.report("poll")?)
}
