use std::future::Future;
use std::io;

use childset::{ChildSet, Command, Exited, Prepared, Spawn, Stdio};

use super::{Commands, Contender, Ended};

/// On this thread alone, which drives the reactor of async-io meanwhile. Spawns, or launches.
pub(crate) struct Awaiting<const LAUNCHES: bool> {
    set: ChildSet<u32>,
    prepared: Vec<Prepared>,
}

impl<const LAUNCHES: bool> Contender for Awaiting<LAUNCHES> {
    fn new(commands: Commands) -> io::Result<Self> {
        let prepared = (0..commands.programs.len()).map(|program| command(&commands, program).prepare());
        Ok(Awaiting { set: ChildSet::new()?, prepared: prepared.collect::<Result<_, _>>()? })
    }

    fn spawn(&mut self, program: usize, tag: u32) -> io::Result<()> {
        start(&self.set, &self.prepared[program], tag, LAUNCHES)
    }

    async fn next(&mut self) -> io::Result<Ended> {
        ended(self.set.next().await.expect("a child is outstanding")?)
    }

    fn block_on<T>(scenario: impl Future<Output = T>) -> T {
        async_io::block_on(scenario)
    }
}

/// Without async-io.
pub(crate) struct Blocking(Awaiting<false>);

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
pub(crate) struct ByCommand<const LAUNCHES: bool> {
    set: ChildSet<u32>,
    commands: Commands,
}

impl<const LAUNCHES: bool> Contender for ByCommand<LAUNCHES> {
    fn new(commands: Commands) -> io::Result<Self> {
        Ok(ByCommand { set: ChildSet::new()?, commands })
    }

    fn spawn(&mut self, program: usize, tag: u32) -> io::Result<()> {
        start(&self.set, &mut command(&self.commands, program), tag, LAUNCHES)
    }

    async fn next(&mut self) -> io::Result<Ended> {
        ended(self.set.next().await.expect("a child is outstanding")?)
    }

    fn block_on<T>(scenario: impl Future<Output = T>) -> T {
        async_io::block_on(scenario)
    }
}

fn start(set: &ChildSet<u32>, command: impl Spawn, tag: u32, launches: bool) -> io::Result<()> {
    match launches {
        true => set.launch(command, tag)?,
        false => set.spawn(command, tag)?,
    };
    Ok(())
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
