//! A small supervisor: keeps the services of a TOML file running, and can be pid 1 of a container.
//!
//! One thread: a single `poll` waits for all services, the one descriptor of a `ChildSet`, and for signals and sockets. A
//! service that ends is started again as its policy says, after a delay that grows; what it left behind is killed. SIGTERM
//! stops the services side by side, those first that are `after` others, each with its signal and, after its grace,
//! SIGKILL; a second SIGTERM kills them all. SIGHUP reads the file again, SIGUSR1 prints a table. Nothing is started from
//! a file that is wrong in any line.
//!
//! When it is killed itself, the kernel kills its services, as `Command::kill_with_parent` has it. From Linux 7.1 on the
//! kernel then reaps them, too, and the table lacks the CPU time and memory of runs that are over. With `--state`, the
//! services live on, and are found again by their `Identity`: see `state/hold.rs`.
//!
//! Processes that it did not start but became the parent of (orphans, as pid 1 or with `--subreaper`) are reaped, and
//! nothing else is: see `strangers.rs`. Those that still run when all services have ended get SIGTERM, too.
//!
//! What a service with a log writes goes through a pipe into its file, and through no memory of ours: see `output/mod.rs`.
//!
//! Its own messages go to standard error, for which it never waits.
//!
//! Run with:
//!
//! ```sh
//! cd examples/supervise && cargo run --release -- services.toml
//! kill -USR1 $(pidof supervise)
//! unshare --pid --fork --mount-proc target/release/supervise services.toml
//! ```

#![deny(unsafe_code)]

mod backoff;
mod cgroup;
mod config;
mod control;
mod launch;
mod live;
mod log;
mod means;
mod notify;
mod orphans;
mod output;
mod signals;
mod state;
mod status;
mod strangers;
mod supervisor;
mod unit;
mod zombie;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use control::client;
use state::hold;
use supervisor::Supervisor;

const HELP: &str = "\
The file, in TOML:
  [[service]]
  name = \"web\"
  command = [\"/usr/bin/web\", \"--port\", \"80\"]
  restart = \"always\"          or \"on-failure\", \"never\"
  after = [\"db\"]              started when db is ready, stopped before it
  ready = \"notify\"            or \"started\", \"ended\", { check = [\"curl\", \"localhost\"] }
  watchdog = \"30s\"            killed if it has not said WATCHDOG=1 for so long
  stop = { signal = \"TERM\", grace = \"10s\" }
  log = \"/var/log/web.log\"    or { file = \"/var/log/web.log\", size = \"1M\", rotate = 10 }
The size of a log is in bytes, or with k, M or G, powers of 1024. A full disk stops no service.
All keys are in services.toml, beside the source.

Signals:
  TERM, INT  stop all services; once more: kill them
  HUP        read the file again, and change what has changed; nothing, if it is wrong;
             open the logs anew
  USR1       print a table
  USR2       become the program that is at this one's place now, with the same services (--state)

Exit code: 0 if all services were stopped or ended well, 1 if one failed for good, 2 if nothing was started; that of an \
essential service where one has ended.

Examples:
  supervise --check services.toml
  supervise --state /run/web.state --control /run/web.sock services.toml
  supervise ctl /run/web.sock restart web";

/// Keeps the services of a file running
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = HELP
)]
struct Options {
    /// Check the file, also whether programs and directories are there, and logs can be, and start nothing
    #[arg(long)]
    check: bool,

    /// Become the parent of orphans also where this is not pid 1
    #[arg(long)]
    subreaper: bool,

    /// Keep in this file which process each service is. They survive `kill -9` of supervise, which finds them again when
    /// it is started anew, and starts none twice. It is best in /run, since it says nothing after a reboot
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,

    /// Listen to `supervise ctl` at this path
    #[arg(long, value_name = "SOCKET")]
    control: Option<PathBuf>,

    /// What to run
    #[arg(required = true)]
    file: Option<PathBuf>,

    #[command(subcommand)]
    command: Option<Subcommand>,
}

#[derive(Debug, clap::Subcommand)]
enum Subcommand {
    /// Ask one that runs, by its control socket
    Ctl(client::Ctl),
}

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    if args.next().is_some_and(|first| first == hold::ARGUMENT) {
        return hold::hold(args);
    }
    let code = run(&Options::parse()).unwrap_or_else(|error| {
        say(format_args!("{error:#}"));
        2
    });
    log::finish();
    ExitCode::from(code)
}

fn run(options: &Options) -> Result<u8> {
    if let Some(Subcommand::Ctl(ctl)) = &options.command {
        return ctl.run();
    }
    let file = options.file.as_deref().context("no file")?;
    let config = read(file, options.check)?;
    if options.check {
        return Ok(0);
    }
    let me = rustix::process::getpid();
    if options.subreaper {
        rustix::process::set_child_subreaper(Some(me)).context("cannot become the parent of orphans")?;
    }
    let adopts = options.subreaper || me.is_init();
    Supervisor::new(config, options, adopts)?.run()
}

fn read(path: &Path, check: bool) -> Result<config::Config> {
    let name = || path.display().to_string();
    let text = std::fs::read_to_string(path).with_context(name)?;
    config::parse(&text, check).with_context(name)
}

/// A line on standard error.
fn say(what: std::fmt::Arguments<'_>) {
    log::write(&format!("supervise: {what}\n"));
}
