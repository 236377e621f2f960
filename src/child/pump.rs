//! Collecting what a child writes, while feeding it what it reads.

use std::io;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};

use super::capture::{Captured, Limit, Limits};
use super::drain::{Drain, Output, Room};
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
    /// Whether no pipe blocks.
    is_prepared: bool,
    input: Vec<u8>,
    written: usize,
    drain: Drain,
    grace: Duration,
    /// When the child is killed.
    time: Option<Instant>,
    /// How many bytes may still come before it is killed.
    room: Room,
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

impl Pump {
    /// Takes the pipes. Without input, standard input is closed at once.
    pub(super) fn new(child: &mut Child, input: Vec<u8>, limits: Limits) -> io::Result<Pump> {
        child.shared.check()?;
        Ok(Pump {
            stdin: child.stdin.take().map(Pipe::from).filter(|_| !input.is_empty()),
            is_prepared: false,
            input,
            written: 0,
            drain: Drain::new(child.stdout.take(), child.stderr.take()),
            grace: child.shared.drain_grace(),
            time: limits.time.and_then(|time| Instant::now().checked_add(time)),
            room: Room::new(limits.size),
            reached: None,
            exit: None,
            edge: None,
            #[cfg(feature = "async-io")]
            moves: 0,
        })
    }

    /// What fails is to be tried again: the pipes are lost with a `Pump` that was not made.
    fn prepare(&mut self) -> io::Result<()> {
        if !self.is_prepared {
            let mut pipes = self.stdin.iter().chain(self.drain.pipes());
            pipes.try_for_each(|pipe| pipe.set_nonblocking(true))?;
            self.is_prepared = true;
        }
        Ok(())
    }

    /// Moves some of what can be moved now.
    fn step(&mut self, shared: &Shared) -> io::Result<Progress> {
        self.prepare()?;
        // The exit first: what was written before it is in the pipes now.
        if self.exit.is_none() {
            self.exit = shared.try_wait()?;
        }
        if self.exit.is_some() {
            self.drain.end(self.grace, shared.drain_limit());
        }
        self.write()?;
        let open = self.drain.pipes().count();
        let moved = self.drain.read(&mut self.room, drop)?;
        // The end of a pipe is that of its last line.
        let is_news = moved || self.drain.pipes().count() < open;
        if self.room.is_exceeded {
            self.stop(shared, Limit::Size)?;
        } else if self.time.is_some_and(|time| time <= Instant::now()) {
            self.stop(shared, Limit::Time)?;
        }
        let Some(exit) = self.exit else {
            return Ok(if is_news { Progress::Moved } else { Progress::Idle });
        };
        Ok(match self.drain.is_over(moved) {
            true => Progress::Done(self.finish(exit)),
            false if is_news => Progress::Moved,
            false => Progress::Idle,
        })
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
        if self.exit.is_some() {
            self.drain.give_up();
        }
        if limit == Limit::Size {
            self.outputs().iter_mut().for_each(|output| output.pipe = None);
        }
        Ok(())
    }

    /// When there is something to do even if nothing happens.
    fn next_deadline(&self) -> Option<Instant> {
        [self.drain.next_deadline(), self.time].into_iter().flatten().min()
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
        let pipe_open = self.drain.pipes().next().is_some();
        let [stdout, stderr] = self.outputs().each_mut().map(|output| std::mem::take(&mut output.buffer));
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

    /// Standard output and standard error, with what has come and was not taken.
    pub(super) fn outputs(&mut self) -> &mut [Output; 2] {
        self.drain.outputs()
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
        fds.extend(self.drain.pipes().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
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
            for pipe in self.drain.pipes() {
                ready |= pipe.source()?.poll_readable(context)?.is_ready();
            }
            Ok(ready)
        }
    }
}
