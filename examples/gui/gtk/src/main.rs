//! A window to run jobs in: type a command, see how it does, stop it or run it again, and read what it writes.
//!
//! GTK's one thread does it all. The jobs are in a `ChildSet`, whose descriptor is a source in the main loop; there
//! is no SIGCHLD handler, which would be at odds with the one of `g_child_watch_add`, and no helper thread.
//!
//! A job is a process group. When the window closes, or the program gets SIGTERM, SIGINT or SIGHUP, each group gets
//! SIGTERM, and SIGKILL after five seconds. If the program itself is killed (kill -9), the kernel kills the shells; what
//! those have started lives on. So does, in any case, a process that has left its group, as daemons do.
//!
//! Run with:
//!
//! ```sh
//! cargo run --manifest-path examples/gui/gtk/Cargo.toml -- 'make -j2' 'ping -c 60 example.org'
//! cargo run --release --manifest-path examples/gui/gtk/Cargo.toml -- --burst 500
//! ```

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::os::fd::{AsFd, AsRawFd};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result};
use burst::{Burst, TICK};
use childset::Stdio;
use childset_gtk::{Job, JobsWindow, Runner};
use clap::Parser;
use common::{Descriptors, EndSignals};
use glib_unix::unix_fd_add_local;
use gtk::glib;
use gtk::glib::{ControlFlow, IOCondition};
use gtk::prelude::*;

/// How long a job has to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);

/// A window to run jobs in.
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
    let descriptors = Descriptors::raise()?;
    gtk::init().context("cannot open a display")?;
    let runner = Runner::new(GRACE, descriptors)?;
    let parts = JobsWindow::new(&runner);
    let main_loop = glib::MainLoop::new(None, false);
    let quit = main_loop.clone();
    parts.connect_closed(move || quit.quit());
    parts.window.present();
    let signals = EndSignals::new()?;
    let window = parts.window.clone();
    unix_fd_add_local(signals.as_fd().as_raw_fd(), IOCondition::IN, move |_, _| {
        if signals.take() {
            window.close();
        }
        ControlFlow::Continue
    });

    for command in &options.commands {
        let job = runner.start(command, Stdio::null());
        parts.selection.set_selected(job.number() - 1);
    }
    let result = Rc::new(RefCell::new(Ok(())));
    if let Some(count) = options.burst {
        let (main_loop, result) = (main_loop.clone(), Rc::clone(&result));
        start_burst(&runner, count.into(), move |trouble| {
            *result.borrow_mut() = Err(trouble);
            main_loop.quit();
        })?;
    }
    main_loop.run();
    result.replace(Ok(()))
}

fn start_burst(runner: &Rc<Runner>, count: usize, fail: impl Fn(anyhow::Error) + 'static) -> Result<()> {
    let burst = Burst::new(count)?;
    for number in burst.numbers() {
        runner.start(Burst::script(number), burst.stdin()?);
    }
    let burst = Rc::new(RefCell::new(burst));
    let seeing = Rc::clone(&burst);
    runner.connect_exit(move |job, exit| seeing.borrow_mut().exited(job.number() as usize - 1, exit));
    let runner = Rc::clone(runner);
    glib::timeout_add_local(TICK, move || {
        let mut burst = burst.borrow_mut();
        let reported = match burst.tick() {
            Ok(false) => return ControlFlow::Continue,
            Ok(true) => burst.report("gtk"),
            Err(error) => Err(error),
        };
        match reported {
            Ok(()) => report_rows(&runner),
            Err(error) => fail(error.into()),
        }
        ControlFlow::Break
    });
    Ok(())
}

/// Prints how many rows the list has of each status that it shows.
fn report_rows(runner: &Runner) {
    let mut shown = BTreeMap::<_, usize>::new();
    for job in runner.jobs().iter::<Job>().flatten() {
        *shown.entry(job.status()).or_default() += 1;
    }
    let shown: Vec<_> = shown.iter().map(|(status, count)| format!("{count} {status}")).collect();
    println!("gtk: {}", shown.join(", "));
}
