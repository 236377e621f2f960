//! Children in calloop: one `Generic` source for all of them, in each of calloop's modes.
//!
//! 500 children end at once, and the loop's 5 ms timer must not wait for them.
//!
//! Run with: `cargo run --example in_calloop -- level` (or `edge`, or `oneshot`)

#[allow(unreachable_pub)]
mod burst;

use burst::{Burst, TICK};
use calloop::generic::Generic;
use calloop::timer::{TimeoutAction, Timer};
use calloop::{EventLoop, Interest, Mode, PostAction};
use childset::ChildSet;

/// Exits taken before the loop looks at its other sources.
const BATCH: usize = 32;

/// How the set is registered.
#[derive(Clone, Copy, Debug)]
enum Trigger {
    Level,
    Edge,
    Oneshot,
}

impl Trigger {
    fn of_arguments() -> anyhow::Result<Trigger> {
        match std::env::args().nth(1).as_deref() {
            None | Some("level") => Ok(Trigger::Level),
            Some("edge") => Ok(Trigger::Edge),
            Some("oneshot") => Ok(Trigger::Oneshot),
            Some(other) => anyhow::bail!("{:?} is none of: level, edge, oneshot", other),
        }
    }

    /// The mode; how many exits to take at a wake-up; and what the callback returns then.
    fn rule(self) -> (Mode, usize, PostAction) {
        match self {
            // What is left keeps the source ready.
            Trigger::Level => (Mode::Level, BATCH, PostAction::Continue),
            // What is left may not be reported again: drain it.
            Trigger::Edge => (Mode::Edge, usize::MAX, PostAction::Continue),
            // Silent until it is registered again; ready at once then, if exits are left.
            Trigger::Oneshot => (Mode::OneShot, BATCH, PostAction::Reregister),
        }
    }
}

fn main() -> anyhow::Result<()> {
    let trigger = Trigger::of_arguments()?;
    let mut event_loop = EventLoop::<Burst>::try_new()?;
    let handle = event_loop.handle();

    let set = ChildSet::new()?;
    let mut burst = Burst::new(500)?;
    burst.spawn(&set)?;

    // The source owns the set, so that it is deregistered before it is dropped. An `Rc<ChildSet<_>>` goes in as
    // well, for other callbacks to spawn into.
    let (mode, most, then) = trigger.rule();
    let source = Generic::new(set, Interest::READ, mode);
    handle
        .insert_source(source, move |_, set, burst| {
            for _ in 0..most {
                let Some(exited) = set.try_wait()? else { break };
                burst.exited(exited.tag, &exited.exit);
            }
            Ok(then)
        })
        .map_err(|error| error.error)?;

    let signal = event_loop.get_signal();
    handle
        .insert_source(Timer::from_duration(TICK), move |_, (), burst| match burst.tick() {
            Ok(false) => TimeoutAction::ToDuration(TICK),
            _ => {
                signal.stop();
                TimeoutAction::Drop
            }
        })
        .map_err(|error| error.error)?;

    event_loop.run(None, &mut burst, |_| ())?;
    Ok(burst.report(&format!("calloop {trigger:?}").to_lowercase())?)
}
