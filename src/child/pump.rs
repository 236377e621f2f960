//! Collecting what a child writes, while feeding it what it reads.

use std::io;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};

use super::capture::{Captured, Limit, Limits};
use super::pipe::Pipe;
use super::unit::KILL;
use super::{Child, Shared};
use crate::pidfd::{Edge, Exit, Gone};
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
    /// When they are given up whatever comes: set at the exit. Not before what was in them at that moment was read.
    last: Option<Instant>,
    due: usize,
    /// When the child is killed.
    time: Option<Instant>,
    /// How many bytes may still come before it is killed.
    room: usize,
    room_is_exceeded: bool,
    reached: Option<Limit>,
    exit: Option<Exit>,
    /// While a tracer holds back the zombie.
    edge: Option<Edge>,
    /// How often something was moved without a pause.
    #[cfg(feature = "async-io")]
    moves: u8,
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
    pub(super) fn new(child: &mut Child, input: Vec<u8>, limits: Limits) -> io::Result<Pump> {
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
            last: None,
            due: 0,
            time: limits.time.and_then(|time| Instant::now().checked_add(time)),
            room: limits.size,
            room_is_exceeded: false,
            reached: None,
            exit: None,
            edge: None,
            #[cfg(feature = "async-io")]
            moves: 0,
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
        if self.exit.is_some() && self.last.is_none() {
            self.last = Instant::now().checked_add(shared.drain_limit());
            let pipes = self.outputs.iter().filter_map(|(pipe, _)| pipe.as_ref());
            self.due = pipes.map(Pipe::pending).sum();
        }
        self.write()?;
        let moved = self.read()?;
        if self.room_is_exceeded {
            self.stop(shared, Limit::Size)?;
        } else if self.time.is_some_and(|time| time <= Instant::now()) {
            self.stop(shared, Limit::Time)?;
        }
        let Some(exit) = self.exit else {
            return Ok(if moved { Progress::Moved } else { Progress::Idle });
        };
        let at_end = self.outputs.iter().all(|(pipe, _)| pipe.is_none());
        if moved || self.deadline.is_none() {
            self.deadline = Instant::now().checked_add(self.grace);
        }
        let is_past = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= Instant::now());
        let over = (!moved && is_past(self.deadline)) || (self.due == 0 && is_past(self.last));
        Ok(match at_end || over {
            true => Progress::Done(self.finish(exit)),
            false if moved => Progress::Moved,
            false => Progress::Idle,
        })
    }

    /// True if something came.
    fn read(&mut self) -> io::Result<bool> {
        let mut moved = false;
        for (pipe, buffer) in &mut self.outputs {
            let Some(reading) = pipe else {
                continue;
            };
            match reading.try_read(buffer, CHUNK)? {
                Some(0) => *pipe = None,
                Some(count) => {
                    moved = true;
                    self.due = self.due.saturating_sub(count);
                    let excess = count.saturating_sub(self.room);
                    self.room = self.room.saturating_sub(count);
                    if excess > 0 {
                        buffer.truncate(buffer.len() - excess);
                        self.room_is_exceeded = true;
                    }
                }
                None => {}
            }
        }
        Ok(moved)
    }

    /// Kills the unit. What has come until now is all, if there was too much of it.
    fn stop(&mut self, shared: &Shared, limit: Limit) -> io::Result<()> {
        if self.reached.is_some() {
            return Ok(());
        }
        (self.reached, self.time, self.stdin) = (Some(limit), None, None);
        let killed = Gone::is_fine(shared.send_to_unit(KILL).map(drop));
        if self.exit.is_none() {
            killed?;
        }
        if limit == Limit::Size || self.exit.is_some() {
            self.last = Some(Instant::now());
            self.due = 0;
        }
        if limit == Limit::Size {
            self.outputs.iter_mut().for_each(|(pipe, _)| *pipe = None);
        }
        Ok(())
    }

    /// When there is something to do even if nothing happens.
    fn next_deadline(&self) -> Option<Instant> {
        [self.deadline, self.last.filter(|_| self.due == 0), self.time].into_iter().flatten().min()
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
        Captured { exit, stdout, stderr, pipe_open, limit: self.reached }
    }

    /// Blocks until all is there.
    pub(super) fn run(mut self, shared: &Shared) -> io::Result<Captured> {
        loop {
            if let Some(captured) = self.advance(shared)? {
                return Ok(captured);
            }
        }
    }

    /// Moves what can be moved, or blocks until something happens. Gives all that is left at the end.
    pub(super) fn advance(&mut self, shared: &Shared) -> io::Result<Option<Captured>> {
        match self.step(shared)? {
            Progress::Done(captured) => return Ok(Some(captured)),
            Progress::Moved => return Ok(None),
            Progress::Idle => {}
        }
        // A zombie that a tracer holds back is readable all the time: only an edge reports more.
        if self.exit.is_none() && self.edge.is_none() && shared.pidfd().has_ended()? {
            self.edge = Some(Edge::new(shared.pidfd())?);
            return Ok(None);
        }
        self.block(shared)?;
        self.edge.as_ref().map_or(Ok(()), Edge::consume)?;
        Ok(None)
    }

    /// What has come of standard output and standard error, and was not taken.
    pub(super) fn outputs(&mut self) -> [&mut Vec<u8>; 2] {
        self.outputs.each_mut().map(|(_, buffer)| buffer)
    }

    fn block(&self, shared: &Shared) -> io::Result<()> {
        let left = self.next_deadline().map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let sweepers = wakes_sweepers();
        let mut fds = Vec::with_capacity(5);
        if self.exit.is_none() {
            fds.push(match &self.edge {
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
    use futures_lite::ready;

    use crate::watch::dropped::start_reactor;

    use super::*;

    impl Pump {
        /// Awaits all.
        pub(in super::super) async fn pump(mut self, shared: &Shared) -> io::Result<Captured> {
            let mut ended = pin!(shared.exit());
            let mut timer = None;
            poll_fn(move |context| loop {
                if let Some(captured) = ready!(self.poll(shared, ended.as_mut(), &mut timer, context))? {
                    return Poll::Ready(Ok(captured));
                }
            })
            .await
        }

        /// Ready if something was moved, or with all that is left at the end.
        pub(in super::super) fn poll(
            &mut self,
            shared: &Shared,
            mut ended: Pin<&mut (impl Future<Output = io::Result<Exit>> + ?Sized)>,
            timer: &mut Option<Timer>,
            context: &mut Context<'_>,
        ) -> Poll<io::Result<Option<Captured>>> {
            loop {
                if self.exit.is_none() {
                    if let Poll::Ready(exit) = ended.as_mut().poll(context) {
                        self.exit = Some(exit?);
                    }
                }
                let mut again = match self.step(shared)? {
                    Progress::Done(captured) => return Poll::Ready(Ok(Some(captured))),
                    Progress::Moved => {
                        // Bounded, so that other tasks have their turn while a child writes without a pause.
                        self.moves = (self.moves + 1) % 16;
                        if self.moves == 0 {
                            context.waker().wake_by_ref();
                            return Poll::Pending;
                        }
                        return Poll::Ready(Ok(None));
                    }
                    Progress::Idle => self.poll_pipes(context)?,
                };
                if let Some(deadline) = self.next_deadline() {
                    start_reactor()?;
                    let timer = timer.get_or_insert_with(|| Timer::at(deadline));
                    timer.set_at(deadline);
                    again |= Pin::new(timer).poll(context).is_ready();
                }
                if !again {
                    return Poll::Pending;
                }
            }
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
