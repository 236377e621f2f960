//! Those who are compared: each does the same, in its own way.

use std::fmt;
use std::io;

use anyhow::{Context, Result};
use futures_lite::future::{block_on, or};
use zruntime::LocalRuntime;

const PROGRAM: &str = "true";

#[derive(Clone, Copy)]
pub(crate) enum Contender {
    AsyncProcess,
    /// Its futures are driven by `driver()`, not by a thread.
    Driven,
    Ours,
    Zruntime,
}

#[derive(Clone, Copy)]
pub(crate) enum What {
    Status,
    Output,
    Piped,
}

impl What {
    pub(crate) const ALL: [What; 3] = [What::Status, What::Output, What::Piped];

    pub(crate) fn name(self) -> &'static str {
        match self {
            What::Status => "status",
            What::Output => "output",
            What::Piped => "piped",
        }
    }

    pub(crate) fn named(name: &str) -> Result<What> {
        What::ALL.into_iter().find(|what| what.name() == name).context("no such thing to measure")
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            What::Status => "`Command::status()`",
            What::Output => "`Command::output()`",
            What::Piped => "`spawn()` with a pipe, `Child::output()`",
        })
    }
}

/// Runs children until there is nothing more to do.
macro_rules! run {
    ($process:path, $next:ident $(, $runtime:expr)?) => {
        async {
            use $process as process;
            for number in 0.. {
                let Some(what) = $next(number) else { break };
                let mut command = process::Command::new(PROGRAM);
                let success = match what {
                    What::Status => command.status($($runtime)?).await?.success(),
                    What::Output => command.output($($runtime)?).await?.status.success(),
                    What::Piped => {
                        let child = command.stdout(process::Stdio::piped()).spawn($($runtime)?)?;
                        child.output().await?.status.success()
                    }
                };
                assert!(success);
            }
            io::Result::Ok(())
        }
    };
}

impl Contender {
    pub(crate) const ALL: [Contender; 4] =
        [Contender::AsyncProcess, Contender::Driven, Contender::Ours, Contender::Zruntime];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Contender::AsyncProcess => "async-process",
            Contender::Driven => "driven",
            Contender::Ours => "ours",
            Contender::Zruntime => "zruntime",
        }
    }

    pub(crate) fn named(name: &str) -> Result<Contender> {
        let found = Contender::ALL.into_iter().find(|contender| contender.name() == name);
        found.context("no such contender")
    }

    /// One child after the other, as long as `next` gives something to do.
    pub(crate) fn run(self, mut next: impl FnMut(u32) -> Option<What>) -> io::Result<()> {
        match self {
            Contender::AsyncProcess => block_on(run!(theirs, next)),
            Contender::Driven => {
                let driver = async { match theirs::driver().await {} };
                block_on(or(run!(theirs, next), driver))
            }
            Contender::Ours => block_on(run!(ours, next)),
            Contender::Zruntime => {
                let runtime = LocalRuntime::new()?;
                runtime.block_on(run!(zruntime::process, next, &runtime))
            }
        }
    }
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Contender::AsyncProcess => "async-process 2.5",
            Contender::Driven => "async-process 2.5, `driver()`",
            Contender::Ours => "this crate",
            Contender::Zruntime => "zruntime 0.2",
        })
    }
}
