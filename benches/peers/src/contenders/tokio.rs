use std::future::Future;
use std::io;
use std::pin::Pin;
use std::process::Stdio;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::process::Command;
use tokio::runtime::Builder;
use tokio::task::JoinSet;

use super::{Commands, Contender, Ended};

pub(crate) struct Joined {
    commands: Commands,
    running: JoinSet<io::Result<Ended>>,
}

impl Contender for Joined {
    fn new(commands: Commands) -> io::Result<Joined> {
        Ok(Joined { commands, running: JoinSet::new() })
    }

    fn spawn(&mut self, program: usize, tag: u32) -> io::Result<()> {
        self.running.spawn(spawn(&self.commands, program, tag)?);
        Ok(())
    }

    async fn next(&mut self) -> io::Result<Ended> {
        self.running.join_next().await.expect("a child is outstanding")?
    }

    fn block_on<T>(scenario: impl Future<Output = T>) -> T {
        block_on(scenario)
    }
}

pub(crate) struct Unordered {
    commands: Commands,
    running: FuturesUnordered<Pin<Box<dyn Future<Output = io::Result<Ended>>>>>,
}

impl Contender for Unordered {
    fn new(commands: Commands) -> io::Result<Unordered> {
        Ok(Unordered { commands, running: FuturesUnordered::new() })
    }

    fn spawn(&mut self, program: usize, tag: u32) -> io::Result<()> {
        self.running.push(Box::pin(spawn(&self.commands, program, tag)?));
        Ok(())
    }

    async fn next(&mut self) -> io::Result<Ended> {
        self.running.next().await.expect("a child is outstanding")
    }

    fn block_on<T>(scenario: impl Future<Output = T>) -> T {
        block_on(scenario)
    }
}

fn block_on<T>(scenario: impl Future<Output = T>) -> T {
    Builder::new_current_thread().enable_io().build().expect("a runtime").block_on(scenario)
}

fn spawn(
    commands: &Commands,
    program: usize,
    tag: u32,
) -> io::Result<impl Future<Output = io::Result<Ended>> + Send + 'static> {
    let mut command = Command::new(&commands.programs[program]);
    if commands.piped {
        command.stdout(Stdio::piped());
    }
    let mut child = command.spawn()?;
    let pid = child.id().expect("nobody has waited for it");
    Ok(async move { Ok(Ended { tag, pid, success: child.wait().await?.success() }) })
}
