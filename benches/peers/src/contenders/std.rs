use std::io;
use std::process::{Command, Stdio};
use std::sync::mpsc::{channel, Receiver, Sender};
use std::thread;

use super::{Commands, Contender, Ended};

pub(crate) struct Threads {
    commands: Commands,
    sender: Sender<io::Result<Ended>>,
    receiver: Receiver<io::Result<Ended>>,
}

impl Contender for Threads {
    fn new(commands: Commands) -> io::Result<Threads> {
        let (sender, receiver) = channel();
        Ok(Threads { commands, sender, receiver })
    }

    fn spawn(&mut self, program: usize, tag: u32) -> io::Result<()> {
        let mut command = Command::new(&self.commands.programs[program]);
        if self.commands.piped {
            command.stdout(Stdio::piped());
        }
        let mut child = command.spawn()?;
        let sender = self.sender.clone();
        thread::Builder::new().spawn(move || {
            let pid = child.id();
            let status = child.wait();
            // The receiver has gone if another child has failed.
            let _ = sender.send(status.map(|status| Ended { tag, pid, success: status.success() }));
        })?;
        Ok(())
    }

    async fn next(&mut self) -> io::Result<Ended> {
        self.receiver.recv().expect("this end has a sender, too")
    }
}
