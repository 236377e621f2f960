use std::future::Future;
use std::io;
use std::pin::Pin;

use async_executor::LocalExecutor;
use async_process::{driver, Command, Stdio};
use futures_util::stream::{FuturesUnordered, StreamExt};

use super::{Commands, Contender, Ended};

/// Under the same `block_on` as childset.
pub(crate) struct Plain {
    commands: Commands,
    running: FuturesUnordered<Pin<Box<dyn Future<Output = io::Result<Ended>>>>>,
}

impl Contender for Plain {
    fn new(commands: Commands) -> io::Result<Plain> {
        Ok(Plain { commands, running: FuturesUnordered::new() })
    }

    fn spawn(&mut self, program: usize, tag: u32) -> io::Result<()> {
        let mut command = Command::new(&self.commands.programs[program]);
        if self.commands.piped {
            command.stdout(Stdio::piped());
        }
        let mut child = command.spawn()?;
        let pid = child.id();
        self.running
            .push(Box::pin(async move { Ok(Ended { tag, pid, success: child.status().await?.success() }) }));
        Ok(())
    }

    async fn next(&mut self) -> io::Result<Ended> {
        self.running.next().await.expect("a child is outstanding")
    }

    fn block_on<T>(scenario: impl Future<Output = T>) -> T {
        async_io::block_on(scenario)
    }
}

pub(crate) struct Driven(Plain);

impl Contender for Driven {
    fn new(commands: Commands) -> io::Result<Driven> {
        Ok(Driven(Plain::new(commands)?))
    }

    fn spawn(&mut self, program: usize, tag: u32) -> io::Result<()> {
        self.0.spawn(program, tag)
    }

    async fn next(&mut self) -> io::Result<Ended> {
        self.0.next().await
    }

    fn block_on<T>(scenario: impl Future<Output = T>) -> T {
        let executor = LocalExecutor::new();
        executor.spawn(driver()).detach();
        async_io::block_on(executor.run(scenario))
    }
}
