//! The signals that `supervise` acts upon, as descriptors.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use nix::sys::signal::{kill, SigSet, Signal};
use nix::unistd::Pid;
use procfs::process::Process;
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGXFSZ};
use signal_hook::flag;
use signal_hook::low_level::pipe;

/// How often signals of one kind came: they are merged by the kernel, too.
pub(crate) struct Pipe(UnixStream);

impl Pipe {
    fn of(signals: &[i32]) -> io::Result<Pipe> {
        let (reader, writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        for &signal in signals {
            pipe::register(signal, writer.try_clone()?)?;
        }
        Ok(Pipe(reader))
    }

    /// How many came since the last call, within reason.
    pub(crate) fn take(&mut self) -> io::Result<usize> {
        match self.0.read(&mut [0; 4096]) {
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                Ok(0)
            }
            result => result,
        }
    }
}

impl AsFd for Pipe {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

pub(crate) struct Signals {
    pub(crate) stop: Pipe,
    pub(crate) table: Pipe,
    pub(crate) child: Pipe,
    pub(crate) upgrade: Pipe,
    pub(crate) reload: Pipe,
}

impl Signals {
    /// SIGHUP and SIGINT stay ignored if they were (by `nohup`, or in the background of a script).
    pub(crate) fn catch() -> io::Result<Signals> {
        let ignored = Process::myself().and_then(|me| me.status()).map_or(0, |status| status.sigign);
        let is_ignored = |signal: i32| ignored >> (signal - 1) & 1 != 0;
        let stop: &[i32] = if is_ignored(SIGINT) { &[SIGTERM] } else { &[SIGTERM, SIGINT] };
        let reload: &[i32] = if is_ignored(SIGHUP) { &[] } else { &[SIGHUP] };
        let signals = Signals {
            stop: Pipe::of(stop)?,
            table: Pipe::of(&[SIGUSR1])?,
            child: Pipe::of(&[SIGCHLD])?,
            upgrade: Pipe::of(&[SIGUSR2])?,
            reload: Pipe::of(reload)?,
        };
        // A log that may grow no longer is an error of its own, and no end.
        flag::register(SIGXFSZ, Arc::default())?;
        // Whoever started us may have had them blocked, and a blocked one stays so.
        unblock()?;
        Ok(signals)
    }
}

impl Signals {
    /// Has those come again that were not acted upon, once they are blocked.
    pub(crate) fn give_back(&mut self) -> io::Result<()> {
        let pipes = [
            (&mut self.stop, Signal::SIGTERM),
            (&mut self.table, Signal::SIGUSR1),
            (&mut self.reload, Signal::SIGHUP),
        ];
        for (pipe, signal) in pipes {
            if pipe.take()? > 0 {
                kill(Pid::this(), signal)?;
            }
        }
        Ok(())
    }
}

pub(crate) fn block() -> io::Result<()> {
    Ok(all()?.thread_block()?)
}

pub(crate) fn unblock() -> io::Result<()> {
    Ok(all()?.thread_unblock()?)
}

fn all() -> io::Result<SigSet> {
    let mut set = SigSet::empty();
    for signal in [SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD] {
        set.add(Signal::try_from(signal)?);
    }
    Ok(set)
}
