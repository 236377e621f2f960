//! Runs commands until each has succeeded: those that fail are run again after a pause.
//!
//! Each command has a task of its own in GLib's main loop, which awaits the command's end and the pause. It is
//! the shape of a service on GLib (of D-Bus, of GStreamer) that runs programs: one thread in all, and no
//! `g_child_watch_add`, whose SIGCHLD handler and worker thread it does without.
//!
//! A command is a process group, which is killed when the program gets SIGTERM, SIGINT or SIGHUP. If the program itself is
//! killed (kill -9), the kernel kills the shells; what those have started lives on. So does, in any case, a process that
//! has left its group, and what a command has left behind that ended by itself.
//!
//! Run with:
//!
//! ```sh
//! cargo run --manifest-path examples/gui/glib/Cargo.toml -- 'ping -c 1 example.org' 'test -e /tmp/ready'
//! cargo run --release --manifest-path examples/gui/glib/Cargo.toml -- --burst 500
//! ```

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::os::fd::AsFd;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use anyhow::{anyhow, Context, Result};
use burst::{Burst, TICK};
use childset::{ChildSet, Command, Unit};
use childset_glib::{next, readable, watch, BATCH, PRIORITY};
use clap::Parser;
use common::{Descriptors, EndSignals};
use glib::{ControlFlow, MainContext, MainLoop, Priority};

/// Runs commands until each has succeeded.
#[derive(Parser)]
struct Options {
    /// Seconds before a command that failed is run again
    #[arg(long, default_value_t = 1.0, value_parser = seconds)]
    pause: f64,
    /// Run a command at most so often
    #[arg(long, value_name = "N")]
    tries: Option<u32>,
    /// Instead: have N children end at once, and tell how long the loop stood still
    #[arg(long, value_name = "N", conflicts_with = "commands")]
    burst: Option<usize>,
    /// Commands for sh
    #[arg(required_unless_present = "burst")]
    commands: Vec<String>,
}

fn seconds(text: &str) -> Result<f64> {
    let seconds: f64 = text.parse()?;
    Duration::try_from_secs_f64(seconds)?;
    Ok(seconds)
}

fn main() -> Result<()> {
    let options = Options::parse();
    match options.burst {
        Some(count) => run_burst(count),
        None => MainContext::default().block_on(run(options)),
    }
}

async fn run(options: Options) -> Result<()> {
    let pause = Duration::from_secs_f64(options.pause);
    // Two descriptors a command.
    let (descriptors, signals) = (Descriptors::raise()?, EndSignals::new()?);
    let start =
        |command| MainContext::default().spawn_local(retry(command, pause, options.tries, descriptors));
    let mut tasks: Vec<_> = options.commands.into_iter().map(start).collect();
    let all = async {
        let mut result = Ok(());
        for task in &mut tasks {
            let done = task.await.map_err(|_| anyhow!("a task panicked"))?;
            result = result.and(done);
        }
        result
    };
    let done = {
        let (mut all, mut told) = (pin!(all), pin!(readable(signals.as_fd(), Priority::DEFAULT)));
        std::future::poll_fn(|context| match told.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(anyhow!("told to end"))),
            Poll::Pending => all.as_mut().poll(context),
        })
        .await
    };
    // A task that is not over drops its set, which kills its command.
    tasks.iter().for_each(|task| task.abort());
    done
}

async fn retry(command: String, pause: Duration, tries: Option<u32>, descriptors: Descriptors) -> Result<()> {
    let set = ChildSet::new()?;
    let mut tried = 0;
    loop {
        let mut shell = Command::new("sh");
        shell.args(["-c", &command]).unit(Unit::ProcessGroup).kill_on_drop(true).kill_with_parent(true);
        let spawned = descriptors.give(&mut shell).and_then(|()| Ok(set.spawn(&mut shell, ())?));
        spawned.map_err(|error| anyhow!("{command}: {}", descriptors.explain(&error)))?;
        tried += 1;
        let exited = next(&set, PRIORITY).await?.context("the set has one child")?;
        let exit = exited.exit.with_context(|| command.clone())?;
        println!("{command}: {}", exit.status());
        if exit.success() {
            return Ok(());
        }
        if tries.is_some_and(|tries| tried >= tries) {
            return Err(anyhow!("{command}: failed {tried} times"));
        }
        glib::timeout_future(pause).await;
    }
}

fn run_burst(count: usize) -> Result<()> {
    let set = Rc::new(ChildSet::new()?);
    let burst = Burst::new(count)?;
    for number in burst.numbers() {
        let mut shell = Command::new("sh");
        shell.args(["-c", Burst::script(number)]).stdin(burst.stdin()?);
        set.spawn(&mut shell, number).map_err(io::Error::from)?;
    }
    let burst = Rc::new(RefCell::new(burst));
    let result = Rc::new(RefCell::new(Ok(())));
    let main_loop = MainLoop::new(None, false);

    let stop = {
        let (main_loop, result) = (main_loop.clone(), Rc::clone(&result));
        move |with| {
            *result.borrow_mut() = with;
            main_loop.quit();
        }
    };
    let on_exit = {
        let (burst, stop) = (Rc::clone(&burst), stop.clone());
        watch(&set, PRIORITY, BATCH, move |exited| match exited {
            Ok(exited) => burst.borrow_mut().exited(exited.tag, &exited.exit),
            Err(error) => stop(Err(error)),
        })
    };
    let ticking = Rc::clone(&burst);
    glib::timeout_add_local(TICK, move || {
        match ticking.borrow_mut().tick() {
            Ok(false) => return ControlFlow::Continue,
            Ok(true) => stop(Ok(())),
            Err(error) => stop(Err(error)),
        }
        ControlFlow::Break
    });
    main_loop.run();
    drop(on_exit);
    result.replace(Ok(()))?;
    let report = burst.borrow().report("glib");
    Ok(report?)
}
