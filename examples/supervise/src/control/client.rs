//! `supervise ctl`: asks, and prints the answer.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Print the table of services
    Status,
    /// Start a service that was stopped or has ended; returns when it is ready
    Start { service: String },
    /// Stop a service, which stays so; returns when it has ended
    Stop { service: String },
    /// Stop a service and start it again; returns when it is ready
    Restart { service: String },
}

#[derive(Debug, clap::Args)]
pub(crate) struct Ctl {
    /// That of `--control`
    socket: PathBuf,

    #[command(subcommand)]
    verb: Verb,
}

impl Ctl {
    /// The exit code: 0 if it was done, 1 if not.
    pub(crate) fn run(&self) -> Result<u8> {
        let line = match &self.verb {
            Verb::Status => "status".into(),
            Verb::Start { service } => format!("start {service}"),
            Verb::Stop { service } => format!("stop {service}"),
            Verb::Restart { service } => format!("restart {service}"),
        };
        let answer = ask(&self.socket, &line).with_context(|| self.socket.display().to_string())?;
        let (first, rest) = answer.split_once('\n').unwrap_or((&answer, ""));
        print!("{rest}");
        if first == "ok" {
            return Ok(0);
        }
        eprintln!("supervise: {}", if first.is_empty() { "no answer" } else { first });
        Ok(1)
    }
}

fn ask(socket: &Path, line: &str) -> std::io::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    stream.write_all(format!("{line}\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
