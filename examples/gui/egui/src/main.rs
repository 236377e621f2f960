//! A small window to run jobs in: type a command, see how it ends, stop it.
//!
//! egui draws a frame when something happens, and no descriptor can be put into its loop. But it can be woken from anywhere,
//! and that is all that a stream asks for: each frame polls the exits, with a waker that has egui draw one more. So
//! there is no channel, no thread but async-io's, and no frame while nothing happens.
//!
//! A job is a process group. When the window closes, or the program gets SIGTERM, SIGINT or SIGHUP, each group gets
//! SIGTERM, and SIGKILL after two seconds. If the program itself is killed (kill -9), the kernel kills the shells; what
//! those have started lives on. So does, in any case, a process that has left its group, as daemons do.
//!
//! Run with:
//!
//! ```sh
//! cargo run --manifest-path examples/gui/egui/Cargo.toml -- 'sleep 5' 'exit 3'
//! cargo run --release --manifest-path examples/gui/egui/Cargo.toml -- --burst 500
//! ```

mod window;

use anyhow::{anyhow, Result};
use burst::Burst;
use childset::Stdio;
use clap::Parser;
use common::{Descriptors, EndSignals, Jobs};
use eframe::{egui::ViewportBuilder, NativeOptions};

use window::Window;

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
    let mut result = Ok(());
    let size = ViewportBuilder::default().with_inner_size([640.0, 400.0]);
    let shown = eframe::run_native(
        "Jobs",
        NativeOptions { viewport: size, ..NativeOptions::default() },
        Box::new(|creation| {
            Ok(Box::new(Window::new(&creation.egui_ctx, &mut jobs, signals, burst, &mut result)?))
        }),
    );
    jobs.end()?;
    shown.map_err(|error| anyhow!("cannot open a window: {error}"))?;
    result
}
