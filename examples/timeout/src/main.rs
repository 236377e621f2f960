//! coreutils's `timeout`: runs a command, and ends it when its time is over.
//!
//! All of its options and exit codes, on two descriptors: a `ChildSet`, which is readable when the command has ended,
//! and a signalfd for what is to be passed on. No timer, no signal handler, and no signal to a reused pid. When it is
//! killed itself, so is the command.
//!
//! It differs from coreutils in little: durations are those of the C locale, `SIGPIPE` is at its default in the command,
//! and `-s CHLD` does not hang.
//!
//! For example:
//!
//! ```sh
//! timeout 2.5 sleep 10; echo $?
//! timeout -v -k 1 -s INT 3 sh -c 'trap "" INT; sleep 10'
//! ```

mod duration;
mod options;
mod report;
mod run;
mod signals;

use std::os::unix::process::ExitStatusExt;
use std::process::ExitCode;

use anyhow::{Context, Result};
use childset::{Pidfd, Signal};
use rustix::process::{set_dumpable_behavior, DumpableBehavior};
use signal_hook::low_level::emulate_default_handler;

use options::Options;
use report::{code_of, complain, SIGNALLED, TIMED_OUT, TROUBLE};
use run::Run;

fn main() -> ExitCode {
    let options = match Options::from_command_line() {
        Ok(options) => options,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(TROUBLE) } else { ExitCode::SUCCESS };
        }
    };
    match run(&options) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            complain(format_args!("{error:#}"));
            ExitCode::from(code_of(&error))
        }
    }
}

fn run(options: &Options) -> Result<u8> {
    let mut run = Run::start(options)?;
    let exit = run.wait()?;
    let code = match exit.signal() {
        Some(signal) => {
            if exit.status().core_dumped() {
                complain(format_args!("the monitored command dumped core"));
            }
            if !run.timed_out {
                die_of(signal)?;
            }
            SIGNALLED + signal.as_raw() as u8
        }
        None => exit.code().unwrap_or_default() as u8,
    };
    let was_killed = exit.signal() == Some(Signal::KILL);
    Ok(if run.timed_out && !options.preserve_status && !was_killed { TIMED_OUT } else { code })
}

/// Ends as the command did, so that whoever waits for us learns of the signal; but without a second core dump.
fn die_of(signal: Signal) -> Result<()> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable).context("cannot forbid a core dump")?;
    // It does not know all.
    emulate_default_handler(signal.as_raw())
        .or_else(|_| {
            signals::unblock(signal.as_raw())
                .and_then(|()| Pidfd::open(std::process::id())?.send_signal(signal))
        })
        .context("cannot end as the command did")
}
