use std::future::Future;
use std::io;
use std::time::Duration;

use async_io::{Async, Timer};

use crate::pidfd::{Edge, Exit, Pidfd, State};
use crate::watch::dropped::start_reactor;
use crate::watch::registered::Source;

/// What can be awaited of a process, by `async_io::Async<Pidfd>`.
///
/// ```
/// # futures_lite::future::block_on(async {
/// use async_io::Async;
/// use childset::{AsyncPidfdExt, Pidfd, State};
/// use std::process::Command;
///
/// let child = Command::new("sh").args(["-c", "exit 3"]).spawn()?;
/// let pidfd = Async::new(Pidfd::from_child(&child)?)?;
/// pidfd.exited().await?;
/// assert_eq!(pidfd.get_ref().state()?, State::Zombie);
/// assert_eq!(pidfd.exit().await?.code(), Some(3));
/// pidfd.reaped().await?;
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
///
/// Any number of tasks may await the same pidfd. The futures are not boxed, and `Send`. The trait is sealed: only
/// `Async<Pidfd>` implements it.
pub trait AsyncPidfdExt: sealed::Sealed {
    /// Takes the exit of the process when there is one, as [`Pidfd::wait`] does, and reaps our child.
    ///
    /// A zombie that a tracer holds back costs no processor time.
    ///
    /// # Errors
    /// - [`StatusUnknown`](crate::StatusUnknown): the process has ended, and the kernel does not report how. Before
    ///   Linux 6.15, if several await one pidfd, all except one of them get this error.
    /// - `EMFILE`: a tracer holds the zombie back, and there is no descriptor left to wait for that.
    /// - The reactor cannot watch the descriptor.
    ///
    /// # Cancel safety
    /// Dropping the future before it is ready loses nothing: the exit has not been taken.
    fn exit(&self) -> impl Future<Output = io::Result<Exit>> + Send;

    /// Waits until the process has ended: it is a zombie, or gone. Nothing is reaped.
    ///
    /// # Errors
    /// The reactor cannot watch the descriptor.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    fn exited(&self) -> impl Future<Output = io::Result<()>> + Send;

    /// Waits until the process is gone: its parent has reaped it. That may be never.
    ///
    /// From Linux 6.9 on this sleeps while the process is a zombie. Before, the kernel does not report the reaping: this
    /// looks for it, after 10 ms at first, and every second in the end.
    ///
    /// # Errors
    /// The reactor cannot watch the descriptor.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    fn reaped(&self) -> impl Future<Output = io::Result<()>> + Send;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for async_io::Async<super::Pidfd> {}
}

impl AsyncPidfdExt for Async<Pidfd> {
    async fn exit(&self) -> io::Result<Exit> {
        start_reactor()?;
        take_exit(self, self.get_ref(), || self.get_ref().try_wait()).await
    }

    async fn exited(&self) -> io::Result<()> {
        start_reactor()?;
        while !self.get_ref().has_ended()? {
            self.readable().await?;
        }
        Ok(())
    }

    async fn reaped(&self) -> io::Result<()> {
        start_reactor()?;
        let pidfd = self.get_ref();
        if pidfd.tells_reaping()? {
            while pidfd.state()? != State::Reaped {
                // Nothing makes a pidfd writable, so this is woken by `EPOLLHUP` alone.
                self.writable().await?;
            }
            return Ok(());
        }
        self.exited().await?;
        let mut pause = Duration::from_millis(10);
        while pidfd.state()? != State::Reaped {
            Timer::after(pause).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
        Ok(())
    }
}

/// Waits for the end of a process, and for `take` to have its exit.
pub(crate) async fn take_exit<S>(
    source: &Async<S>,
    pidfd: &Pidfd,
    take: impl Fn() -> io::Result<Option<Exit>>,
) -> io::Result<Exit> {
    while !pidfd.has_ended()? {
        source.readable().await?;
    }
    if let Some(exit) = take()? {
        return Ok(exit);
    }
    // A zombie that cannot be reaped yet: the pidfd stays readable, and only an edge reports more.
    let edge = Source::new(Async::new_nonblocking(Edge::new(pidfd)?)?);
    loop {
        edge.get_ref().consume()?;
        if let Some(exit) = take()? {
            return Ok(exit);
        }
        edge.readable().await?;
    }
}
