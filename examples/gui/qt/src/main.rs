//! Runs commands side by side: a table shows how each does and how it ends, and below it what the current one writes.
//!
//! Qt's loop watches the one descriptor of the `ChildSet` by a `QSocketNotifier`, made by a shim of C++ that the
//! `cc` crate compiles. `QProcess`, in comparison, has two pipes and two notifiers for each child, and its SIGCHLD
//! handler. What all the commands write is another descriptor: an epoll instance of their pipes.
//!
//! A command is a process group. When the window closes, or the program gets SIGTERM, SIGINT or SIGHUP, each group gets
//! SIGTERM, and SIGKILL after two seconds. If the program itself is killed (kill -9), the kernel kills the shells; what
//! those have started lives on. So does, in any case, a process that has left its group, as daemons do.
//!
//! Run with:
//!
//! ```sh
//! cargo run --manifest-path examples/gui/qt/Cargo.toml -- 'make -C lib' 'sleep 3; exit 4' 'cargo test 2>test.log'
//! cargo run --release --manifest-path examples/gui/qt/Cargo.toml -- --burst 500
//! ```

mod jobs;
mod ui;

use std::cell::RefCell;
use std::io;
use std::os::fd::AsFd;

use anyhow::Result;
use burst::{Burst, TICK};
use childset::{Exit, Stdio};
use clap::Parser;
use common::{Descriptors, EndSignals, Outputs};

use jobs::{fail, Jobs};
use ui::{Notifier, Timer, Ui, Window};

/// Runs commands side by side.
#[derive(Parser)]
struct Options {
    /// Instead: have N children end at once, and tell how long the loop stood still
    #[arg(long, value_name = "N", conflicts_with = "commands")]
    burst: Option<u16>,
    /// Commands for sh
    #[arg(required_unless_present = "burst")]
    commands: Vec<String>,
}

fn main() -> Result<()> {
    let options = Options::parse();
    // Before the window: Qt waits for ever if it gets no descriptor for its display.
    let descriptors = Descriptors::raise()?;
    let ui = Ui::new();
    match options.burst {
        Some(count) => run_burst(&ui, descriptors, count.into()),
        None => {
            let window = Window::new(&ui, options.commands.len());
            let jobs = Jobs::new(&window, descriptors)?;
            let start = |outputs: &RefCell<Outputs>| {
                for command in &options.commands {
                    jobs.start(outputs, command, Stdio::null());
                }
                Ok(())
            };
            let result = run(&ui, &window, &jobs, start, |_, _| (), || Ok(()));
            jobs.end()?;
            result
        }
    }
}

/// Runs the loop, until the window is closed.
fn run(
    ui: &Ui,
    window: &Window<'_>,
    jobs: &Jobs<'_>,
    start: impl FnOnce(&RefCell<Outputs>) -> Result<()>,
    mut exited: impl FnMut(usize, &io::Result<Exit>),
    mut tick: impl FnMut() -> io::Result<()>,
) -> Result<()> {
    let (outputs, signals) = (RefCell::new(Outputs::new()?), EndSignals::new()?);
    let trouble = RefCell::new(Ok(()));
    let connected = window.connect(|| jobs.select(), || jobs.stop());
    start(&outputs)?;
    window.select(0);
    let reading = outputs.borrow().as_fd().try_clone_to_owned()?;
    let notifiers = [
        Notifier::new(ui, jobs, || fail(&trouble, jobs.take_exits(&mut exited))),
        Notifier::new(ui, &reading, || fail(&trouble, jobs.read(&mut outputs.borrow_mut()))),
        Notifier::new(ui, &signals, || {
            if signals.take() {
                window.close();
            }
        }),
    ];
    let timers =
        [Timer::new(ui, jobs::TICK, || jobs.tick()), Timer::new(ui, TICK, || fail(&trouble, tick()))];
    ui.run();
    drop((timers, notifiers, connected));
    Ok(trouble.into_inner()?)
}

fn run_burst(ui: &Ui, descriptors: Descriptors, count: usize) -> Result<()> {
    let burst = RefCell::new(Burst::new(count)?);
    let window = Window::new(ui, count);
    let jobs = Jobs::new(&window, descriptors)?;
    let start = |outputs: &RefCell<Outputs>| {
        for number in 0..count {
            jobs.start(outputs, Burst::script(number), burst.borrow().stdin()?);
        }
        Ok(())
    };
    let mut is_reported = false;
    let tick = || {
        if !is_reported && burst.borrow_mut().tick()? {
            is_reported = true;
            burst.borrow().report("qt")?;
            jobs.report();
        }
        Ok(())
    };
    let result = run(ui, &window, &jobs, start, |row, exit| burst.borrow_mut().exited(row, exit), tick);
    jobs.end()?;
    result
}
