//! Collecting what a child writes, while feeding it what it reads.

use std::io;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};

use super::capture::Captured;
use super::pipe::Pipe;
use super::{Child, Shared};
use crate::pidfd::{Edge, Exit};
use crate::sys::poll::poll;
use crate::watch::dropped::{sweep, wakes_sweepers};

/// The pipes of a child, and what goes through them.
#[derive(Debug)]
pub(super) struct Pump {
    stdin: Option<Pipe>,
    input: Vec<u8>,
    written: usize,
    /// Standard output and standard error.
    outputs: [(Option<Pipe>, Vec<u8>); 2],
    grace: Duration,
    /// When the pipes are given up: from the exit on, and put off whenever something comes.
    deadline: Option<Instant>,
    exit: Option<Exit>,
}

/// What a step has come to.
enum Progress {
    Done(Captured),
    Moved,
    /// Nothing can be moved until something happens.
    Idle,
}

/// How much is read of one pipe before the others get their turn.
const CHUNK: usize = 64 * 1024;

impl Pump {
    /// Takes the pipes. Without input, standard input is closed at once.
    pub(super) fn new(child: &mut Child, input: Vec<u8>) -> io::Result<Pump> {
        child.shared.check()?;
        let pump = Pump {
            stdin: child.stdin.take().map(Pipe::from).filter(|_| !input.is_empty()),
            input,
            written: 0,
            outputs: [
                (child.stdout.take().map(Pipe::from), Vec::new()),
                (child.stderr.take().map(Pipe::from), Vec::new()),
            ],
            grace: child.shared.drain_grace(),
            deadline: None,
            exit: None,
        };
        for pipe in pump.stdin.iter().chain(pump.outputs.iter().filter_map(|(pipe, _)| pipe.as_ref())) {
            pipe.set_nonblocking(true)?;
        }
        Ok(pump)
    }

    /// Moves some of what can be moved now.
    fn step(&mut self, shared: &Shared) -> io::Result<Progress> {
        // The exit first: what was written before it is in the pipes now.
        if self.exit.is_none() {
            self.exit = shared.try_wait()?;
        }
        self.write()?;
        let mut moved = false;
        for (pipe, buffer) in &mut self.outputs {
            if let Some(reading) = pipe {
                match reading.try_read(buffer, CHUNK)? {
                    Some(0) => *pipe = None,
                    Some(_) => moved = true,
                    None => {}
                }
            }
        }
        let Some(exit) = self.exit else {
            return Ok(if moved { Progress::Moved } else { Progress::Idle });
        };
        let at_end = self.outputs.iter().all(|(pipe, _)| pipe.is_none());
        if moved || self.deadline.is_none() {
            self.deadline = Instant::now().checked_add(self.grace);
        }
        let over = !moved && self.deadline.is_some_and(|deadline| deadline <= Instant::now());
        Ok(match at_end || over {
            true => Progress::Done(self.finish(exit)),
            false if moved => Progress::Moved,
            false => Progress::Idle,
        })
    }

    fn write(&mut self) -> io::Result<()> {
        while let Some(stdin) = &self.stdin {
            match stdin.try_write(&self.input[self.written..]) {
                Ok(Some(count)) => self.written += count,
                Ok(None) => break,
                // The child need not read all.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.written = self.input.len(),
                Err(error) => return Err(error),
            }
            if self.written == self.input.len() {
                self.stdin = None;
            }
        }
        Ok(())
    }

    fn finish(&mut self, exit: Exit) -> Captured {
        let pipe_open = self.outputs.iter().any(|(pipe, _)| pipe.is_some());
        let [stdout, stderr] = [0, 1].map(|index| std::mem::take(&mut self.outputs[index].1));
        Captured { exit, stdout, stderr, pipe_open }
    }

    /// Blocks until all is there.
    pub(super) fn run(mut self, shared: &Shared) -> io::Result<Captured> {
        let mut edge = None;
        loop {
            match self.step(shared)? {
                Progress::Done(captured) => return Ok(captured),
                Progress::Moved => continue,
                Progress::Idle => {}
            }
            // A zombie that a tracer holds back is readable all the time: only an edge tells of more.
            if self.exit.is_none() && edge.is_none() && shared.pidfd().has_ended()? {
                edge = Some(Edge::new(shared.pidfd())?);
                continue;
            }
            let left = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            self.block(shared, edge.as_ref(), left)?;
            if let Some(edge) = &edge {
                edge.consume()?;
            }
        }
    }

    fn block(&self, shared: &Shared, edge: Option<&Edge>, left: Option<Duration>) -> io::Result<()> {
        let sweepers = wakes_sweepers();
        let mut fds = Vec::with_capacity(5);
        if self.exit.is_none() {
            fds.push(match edge {
                Some(edge) => PollFd::new(edge, PollFlags::IN),
                None => PollFd::new(shared.pidfd(), PollFlags::IN),
            });
        }
        fds.extend(self.stdin.iter().map(|pipe| PollFd::new(pipe, PollFlags::OUT)));
        let outputs = self.outputs.iter().filter_map(|(pipe, _)| pipe.as_ref());
        fds.extend(outputs.map(|pipe| PollFd::new(pipe, PollFlags::IN)));
        fds.extend(sweepers.map(|epoll| PollFd::new(epoll, PollFlags::IN)));
        poll(&mut fds, left)?;
        sweep();
        Ok(())
    }
}

#[cfg(feature = "async-io")]
mod awaited {
    use std::future::{poll_fn, Future};
    use std::pin::{pin, Pin};
    use std::task::{Context, Poll};

    use async_io::Timer;

    use crate::watch::dropped::start_reactor;

    use super::*;

    impl Pump {
        /// Awaits all.
        pub(in super::super) async fn pump(mut self, shared: &Shared) -> io::Result<Captured> {
            let mut ended = pin!(shared.exit());
            let mut timer = None;
            poll_fn(move |context| {
                // Bounded, so that a chatty child leaves the executor its turn.
                for _ in 0..16 {
                    if self.exit.is_none() {
                        if let Poll::Ready(exit) = ended.as_mut().poll(context) {
                            self.exit = Some(exit?);
                        }
                    }
                    let mut again = match self.step(shared)? {
                        Progress::Done(captured) => return Poll::Ready(Ok(captured)),
                        Progress::Moved => true,
                        Progress::Idle => self.poll_pipes(context)?,
                    };
                    if let Some(deadline) = self.deadline {
                        start_reactor()?;
                        let timer = timer.get_or_insert_with(|| Timer::at(deadline));
                        timer.set_at(deadline);
                        again |= Pin::new(timer).poll(context).is_ready();
                    }
                    if !again {
                        return Poll::Pending;
                    }
                }
                context.waker().wake_by_ref();
                Poll::Pending
            })
            .await
        }

        /// Whether any pipe became ready meanwhile; else the task is woken when one does.
        fn poll_pipes(&self, context: &mut Context<'_>) -> io::Result<bool> {
            let mut ready = false;
            if let Some(stdin) = &self.stdin {
                ready |= stdin.source()?.poll_writable(context)?.is_ready();
            }
            for pipe in self.outputs.iter().filter_map(|(pipe, _)| pipe.as_ref()) {
                ready |= pipe.source()?.poll_readable(context)?.is_ready();
            }
            Ok(ready)
        }
    }
}
