//! A small window to run jobs in: type a command, see how it ends, stop it.
//!
//! iced's executor takes the exits from a stream, in a task that runs as long as the window; each becomes a message. With
//! the feature `smol`, that executor and the stream are woken by the same thread, which is async-io's.
//!
//! A job is a process group. When the window closes, or the program gets SIGTERM, SIGINT or SIGHUP, each group gets
//! SIGTERM, and SIGKILL after two seconds; the window shows it. If the program itself is killed (kill -9), the kernel kills
//! the shells; what those have started lives on. So does, in any case, a process that has left its group, as daemons do.
//!
//! Run with:
//!
//! ```sh
//! cargo run --manifest-path examples/gui/iced/Cargo.toml -- 'sleep 5' 'exit 3'
//! cargo run --release --manifest-path examples/gui/iced/Cargo.toml -- --burst 500
//! ```

mod app;

use std::cell::Cell;
use std::time::Instant;

use anyhow::{Context, Result};
use burst::Burst;
use childset::Stdio;
use clap::Parser;
use common::{Descriptors, EndSignals, Jobs, GRACE};

use app::App;

/// Runs commands, and shows how they end.
#[derive(Parser)]
struct Options {
    /// Instead: have N children end at once, and tell how long the loop stood still
    #[arg(long, value_name = "N", conflicts_with = "commands")]
    burst: Option<u16>,
    /// Commands for sh, to start with
    commands: Vec<String>,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let (mut jobs, signals) = (Jobs::new(Descriptors::raise()?)?, EndSignals::new()?);
    let burst = options.burst.map(|count| Burst::new(count.into())).transpose()?;
    for command in &options.commands {
        jobs.start(command, Stdio::null());
    }
    for number in burst.iter().flat_map(Burst::numbers) {
        jobs.start(Burst::script(number), burst.as_ref().expect("it has numbers").stdin()?);
    }
    let rest = jobs.rest().clone();
    let app = App::new(jobs, signals, burst)?;
    let trouble = app.trouble();
    // It is called once.
    let boot = Cell::new(Some(app));
    iced::application(move || boot.take().expect("one start").begin(), App::update, App::view)
        .title("Jobs")
        .subscription(App::subscription)
        .theme(iced::Theme::Light)
        .window_size((640.0, 400.0))
        // They end first.
        .exit_on_close_request(false)
        .run()
        .context("cannot open a window")?;
    rest.lock().wait(Instant::now() + GRACE);
    trouble.take().map_or(Ok(()), |trouble| Err(trouble.into()))
}
