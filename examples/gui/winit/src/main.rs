//! Finds out how often a command fails: runs it again and again, on a wall of cells, one for each run.
//!
//! A cell is dark until its run starts, blue while it runs, and then green for success, red with a hole for another exit
//! code, purple with a bar for a signal, and yellow with a hole if it could not be started. The line at the bottom says how
//! the run under the pointer does.
//!
//! A run is a process group. When the window closes, or the program gets SIGTERM, SIGINT or SIGHUP, each group gets
//! SIGTERM, and SIGKILL after two seconds. If the program itself is killed (kill -9), the kernel kills the commands; what
//! those have started lives on. So does, in any case, a process that has left its group, as daemons do.
//!
//! No descriptor can be put into winit's loop, but winit's loop can be put into one's own: it is a descriptor
//! itself. So this one waits with poll(2) for winit's and that of the `ChildSet`, and there is neither a thread nor a proxy
//! that wakes the loop. On Wayland, winit has a thread of its own.
//!
//! Run with:
//!
//! ```sh
//! cargo run --release --manifest-path examples/gui/winit/Cargo.toml -- -n 300 -j 8 sh -c 'test $(date +%N) -lt 900000000'
//! cargo run --release --manifest-path examples/gui/winit/Cargo.toml -- -n 50 sh -c 'cargo test >log.$RUN 2>&1'
//! cargo run --release --manifest-path examples/gui/winit/Cargo.toml -- --burst 500
//! ```

mod app;
mod runs;
mod text;
mod wall;

use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use burst::Burst;
use clap::Parser;
use common::{Descriptors, EndSignals};
use rustix::event::{poll, PollFd, PollFlags, Timespec};
use winit::event_loop::EventLoop;
use winit::platform::pump_events::{EventLoopExtPumpEvents, PumpStatus};

use app::App;
use runs::Runs;

/// How many exits to take before winit has its turn.
const BATCH: usize = 32;

/// Runs a command again and again, and shows how often it fails.
#[derive(Parser)]
struct Options {
    /// How often to run it
    #[arg(short = 'n', long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
    /// How many runs at a time
    #[arg(short, long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..))]
    jobs: u16,
    /// Instead: have N children end at once, and tell how long the loop stood still
    #[arg(long, value_name = "N", conflicts_with = "command")]
    burst: Option<u16>,
    /// The command; each run has its number in the environment, as RUN
    #[arg(required_unless_present = "burst", trailing_var_arg = true)]
    command: Vec<OsString>,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let (descriptors, signals) = (Descriptors::raise()?, EndSignals::new()?);
    let mut event_loop = EventLoop::new().context("cannot open a display")?;
    let (runs, burst) = match options.burst {
        Some(count) => (Runs::new(count, count, descriptors)?, Some(Burst::new(count.into())?)),
        None => (Runs::new(options.runs, options.jobs, descriptors)?, None),
    };
    let display = event_loop.owned_display_handle();
    let mut app = App::new(display, runs, options.command, burst)?;
    let result = run(&mut event_loop, &mut app, &signals);
    app.runs.end()?;
    result
}

fn run(event_loop: &mut EventLoop<()>, app: &mut App, signals: &EndSignals) -> Result<()> {
    loop {
        if let PumpStatus::Exit(_) = event_loop.pump_app_events(Some(Duration::ZERO), app) {
            return std::mem::replace(&mut app.result, Ok(()));
        }
        // Drawing talks to the display, and may have fetched events with the answers: no descriptor reports those.
        if std::mem::take(&mut app.has_drawn) {
            continue;
        }
        wait([event_loop.as_fd(), app.runs.as_fd(), signals.as_fd()], app.deadline)?;
        app.has_to_end |= signals.take();
        // Level-triggered: what is left is there at the next turn.
        for _ in 0..BATCH {
            if !app.take_exit()? {
                break;
            }
        }
    }
}

/// Waits until one of the descriptors is readable, or until the deadline.
fn wait(fds: [BorrowedFd<'_>; 3], deadline: Option<Instant>) -> Result<()> {
    let mut fds = fds.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
    let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
    let timeout = left.map(Timespec::try_from).transpose()?;
    match poll(&mut fds, timeout.as_ref()) {
        // After a signal the turn is an empty one.
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error).context("poll"),
    }
}
