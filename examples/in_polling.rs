//! Children in a loop of one's own around `polling::Poller`: one source for all of them.
//!
//! `polling` is one-shot unless told otherwise: a source that was reported is silent until `modify`, which reports
//! it again at once if exits are left. So a bounded batch loses nothing, and the 5 ms timer does not wait for
//! 500 children that end at once.
//!
//! Run with: `cargo run --example in_polling`

// `Poller::add` is unsafe: the descriptor must outlive its registration.
#![allow(unsafe_code)]

#[allow(unreachable_pub)]
mod burst;

use std::time::Instant;

use burst::{Burst, TICK};
use childset::ChildSet;
use polling::{Event, Events, Poller};

/// The key of the set among the sources of the poller.
const EXITS: usize = 0;

/// Exits taken before the loop looks at its other work.
const BATCH: usize = 32;

fn main() -> anyhow::Result<()> {
    let set = ChildSet::new()?;
    let mut burst = Burst::new(500)?;
    burst.spawn(&set)?;

    let poller = Poller::new()?;
    // SAFETY: the set outlives the poller, which was made after it and is dropped before it.
    unsafe { poller.add(&set, Event::readable(EXITS))? };

    let mut events = Events::new();
    let mut due = Instant::now() + TICK;
    loop {
        events.clear();
        poller.wait(&mut events, Some(due.saturating_duration_since(Instant::now())))?;
        if events.iter().any(|event| event.key == EXITS) {
            for _ in 0..BATCH {
                let Some(exited) = set.try_wait()? else { break };
                burst.exited(exited.tag, &exited.exit);
            }
            // After the batch, not before it: once is enough, and nothing that ends in between is missed.
            poller.modify(&set, Event::readable(EXITS))?;
        }
        if due <= Instant::now() {
            due = Instant::now() + TICK;
            if burst.tick()? {
                break;
            }
        }
    }
    poller.delete(&set)?;
    Ok(burst.report("polling")?)
}
