use std::future::Future;
use std::io;
use std::pin::Pin;

use futures_util::stream::{FuturesUnordered, StreamExt};
use zruntime::process::{Command, Stdio};
use zruntime::LocalRuntime;

use super::{Commands, Contender, Ended};

thread_local! {
    static RUNTIME: LocalRuntime = LocalRuntime::new().expect("a runtime");
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
        let mut command = Command::new(&self.commands.programs[program]);
        if self.commands.piped {
            command.stdout(Stdio::piped());
        }
        let mut child = RUNTIME.with(|runtime| command.spawn(runtime))?;
        let pid = child.id();
        self.running
            .push(Box::pin(async move { Ok(Ended { tag, pid, success: child.status().await?.success() }) }));
        Ok(())
    }

    async fn next(&mut self) -> io::Result<Ended> {
        self.running.next().await.expect("a child is outstanding")
    }

    fn block_on<T>(scenario: impl Future<Output = T>) -> T {
        RUNTIME.with(|runtime| runtime.block_on(scenario))
    }
}
