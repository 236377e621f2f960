use std::future::Future;
use std::io;

use childset::{ChildSet, Command, Exited, Prepared, Stdio};

use super::{Commands, Contender, Ended};

/// On this thread alone, which drives the reactor of async-io meanwhile.
pub(crate) struct Awaiting {
    set: ChildSet<u32>,
    prepared: Vec<Prepared>,
}

impl Contender for Awaiting {
    fn new(commands: Commands) -> io::Result<Awaiting> {
        let prepared = (0..commands.programs.len()).map(|program| command(&commands, program).prepare());
        Ok(Awaiting { set: ChildSet::new()?, prepared: prepared.collect::<Result<_, _>>()? })
    }

    fn spawn(&mut self, program: usize, tag: u32) -> io::Result<()> {
        self.set.spawn(&self.prepared[program], tag)?;
        Ok(())
    }

    async fn next(&mut self) -> io::Result<Ended> {
        ended(self.set.next().await.expect("a child is outstanding")?)
    }

    fn block_on<T>(scenario: impl Future<Output = T>) -> T {
        async_io::block_on(scenario)
    }
}

/// Without async-io.
pub(crate) struct Blocking(Awaiting);

impl Contender for Blocking {
    fn new(commands: Commands) -> io::Result<Blocking> {
        Ok(Blocking(Awaiting::new(commands)?))
    }

    fn spawn(&mut self, program: usize, tag: u32) -> io::Result<()> {
        self.0.spawn(program, tag)
    }

    async fn next(&mut self) -> io::Result<Ended> {
        ended(self.0.set.wait(None)?.expect("a child is outstanding"))
    }
}

/// As the peers do, which can prepare nothing.
pub(crate) struct ByCommand {
    set: ChildSet<u32>,
    commands: Commands,
}

impl Contender for ByCommand {
    fn new(commands: Commands) -> io::Result<ByCommand> {
        Ok(ByCommand { set: ChildSet::new()?, commands })
    }

    fn spawn(&mut self, program: usize, tag: u32) -> io::Result<()> {
        self.set.spawn(&mut command(&self.commands, program), tag)?;
        Ok(())
    }

    async fn next(&mut self) -> io::Result<Ended> {
        ended(self.set.next().await.expect("a child is outstanding")?)
    }

    fn block_on<T>(scenario: impl Future<Output = T>) -> T {
        async_io::block_on(scenario)
    }
}

fn command(commands: &Commands, program: usize) -> Command {
    let mut command = Command::new(&commands.programs[program]);
    if commands.piped {
        command.stdout(Stdio::piped());
    }
    command
}

fn ended(exited: Exited<u32>) -> io::Result<Ended> {
    Ok(Ended { tag: exited.tag, pid: exited.child.id(), success: exited.exit?.success() })
}
