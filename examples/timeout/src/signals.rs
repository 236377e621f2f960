//! Signals by name and number, and those that `timeout` takes.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::str::FromStr;

use anyhow::{Context, Result};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use shared::Ignored;

/// What is passed on to the command; SIGALRM ends it as if its time were over.
const CAUGHT: [Signal; 12] = [
    Signal::SIGALRM,
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGIO,
    Signal::SIGPROF,
    Signal::SIGPWR,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGVTALRM,
    Signal::SIGXCPU,
];

/// The signals that come to us. What was ignored when `timeout` was started (by `nohup`, for instance) stays so, here and in
/// the command.
pub(crate) struct Signals {
    fd: SignalFd,
    before: SigSet,
    ignored: Ignored,
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Signals {
    /// Takes the usual ones, and the one that `timeout` sends to its own process group.
    pub(crate) fn catch(sent: i32) -> Result<Signals> {
        let ignored = Ignored::now();
        let mut caught = real_time_signals();
        let others = CAUGHT.into_iter().chain(Signal::try_from(sent));
        caught.extend(others.filter(|&signal| !ignored.has(signal as i32)));
        let mut blocked = caught;
        // The kernel takes a blocked one for ignored: we are not stopped where the command is in the background.
        blocked.add(Signal::SIGTTIN);
        blocked.add(Signal::SIGTTOU);
        let before = SigSet::thread_get_mask()?;
        blocked.thread_block()?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let fd = SignalFd::with_flags(&caught, flags).context("cannot catch signals")?;
        Ok(Signals { fd, before, ignored })
    }

    pub(crate) fn take(&self) -> io::Result<Option<i32>> {
        loop {
            match self.fd.read_signal()?.map(|signal| signal.ssi_signo as i32) {
                // A blocked one comes though it is ignored.
                Some(signal) if self.ignored.has(signal) => {}
                signal => return Ok(signal),
            }
        }
    }

    /// What was blocked when `timeout` was started.
    pub(crate) fn mask(&self) -> Vec<childset::Signal> {
        self.before.iter().map(|signal| (signal as i32).into()).collect()
    }
}

/// Which nix's sets know only as a part of all.
fn real_time_signals() -> SigSet {
    let mut set = SigSet::all();
    Signal::iterator().for_each(|signal| set.remove(signal));
    set
}

/// So that it acts upon us as if we had never caught it.
pub(crate) fn unblock(signal: i32) -> io::Result<()> {
    let set = Signal::try_from(signal).map_or_else(|_| real_time_signals(), SigSet::from);
    Ok(set.thread_unblock()?)
}

/// What is at its default in the command, though it may be ignored here.
pub(crate) fn defaults() -> Vec<childset::Signal> {
    let defaults = [Signal::SIGTTIN, Signal::SIGTTOU, Signal::SIGCHLD, Signal::SIGPIPE];
    defaults.into_iter().map(|signal| (signal as i32).into()).collect()
}

/// A name in any case, with or without SIG, or a number, which may be the exit code that a shell made of it.
pub(crate) fn parse(text: &str) -> Result<i32, String> {
    if text.starts_with(|first: char| first.is_ascii_digit()) {
        let number = text.parse::<i32>().ok();
        let number = number.map(|number| number & if number >= 0xff { 0xff } else { 0x7f });
        return number.filter(|&number| name(number).is_some()).ok_or_else(|| "invalid signal".into());
    }
    let upper = text.to_ascii_uppercase();
    let short = upper.strip_prefix("SIG").unwrap_or(&upper);
    let number = match short {
        "EXIT" => Some(0),
        "CLD" => Some(libc::SIGCHLD),
        "IOT" => Some(libc::SIGABRT),
        "POLL" => Some(libc::SIGIO),
        _ => real_time(short)
            .or_else(|| Signal::from_str(&format!("SIG{short}")).ok().map(|signal| signal as i32)),
    };
    number.ok_or_else(|| "invalid signal".into())
}

fn real_time(name: &str) -> Option<i32> {
    let number = match (name.strip_prefix("RTMIN"), name.strip_prefix("RTMAX")) {
        (Some(""), _) => libc::SIGRTMIN(),
        (_, Some("")) => libc::SIGRTMAX(),
        (Some(more), _) => libc::SIGRTMIN() + more.strip_prefix('+')?.parse::<u8>().ok()? as i32,
        (_, Some(less)) => libc::SIGRTMAX() - less.strip_prefix('-')?.parse::<u8>().ok()? as i32,
        _ => return None,
    };
    (libc::SIGRTMIN()..=libc::SIGRTMAX()).contains(&number).then_some(number)
}

/// As kill(1) prints it; `None` if there is no such signal.
pub(crate) fn name(number: i32) -> Option<String> {
    let (first, last) = (libc::SIGRTMIN(), libc::SIGRTMAX());
    Some(match number {
        0 => "EXIT".into(),
        libc::SIGIO => "POLL".into(),
        _ if number == first => "RTMIN".into(),
        _ if number == last => "RTMAX".into(),
        _ if (first..=first + (last - first) / 2).contains(&number) => format!("RTMIN+{}", number - first),
        _ if (first..last).contains(&number) => format!("RTMAX-{}", last - number),
        _ => Signal::try_from(number).ok()?.as_str().strip_prefix("SIG")?.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        for (text, number) in [
            ("TERM", 15),
            ("term", 15),
            ("SIGTERM", 15),
            ("sigKill", 9),
            ("9", 9),
            ("0", 0),
            ("EXIT", 0),
            ("143", 15),
            ("CLD", 17),
            ("iot", 6),
            ("POLL", 29),
            ("IO", 29),
            ("RTMIN", libc::SIGRTMIN()),
            ("RTMIN+3", libc::SIGRTMIN() + 3),
            ("RTMAX-1", 63),
            ("64", 64),
        ] {
            assert_eq!(parse(text), Ok(number), "{text}");
        }
        for text in
            ["", "SIG", "TERMX", "1x", "32", "65", "RTMIN-1", "RTMAX+1", "RTMIN+31", "RTMIN+", "99999999999"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn each_name_is_read_again() {
        for number in 0..=64 {
            match name(number) {
                Some(name) => assert_eq!(parse(&name), Ok(number), "{name}"),
                None => assert!((32..libc::SIGRTMIN()).contains(&number), "{number}"),
            }
        }
    }
}
