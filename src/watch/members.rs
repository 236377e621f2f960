//! Signals for all processes of a unit that the kernel has no call for.

use std::collections::HashSet;
use std::io;

use crate::pidfd::{Gone, Pidfd, Signal};

/// How often those that were started meanwhile are looked for.
const ROUNDS: usize = 16;

/// How many descriptors are open at a time.
const BATCH: usize = 16;

/// Sends signals to all processes that `list` gives, until it gives no new one. `still` gives those of some that are among
/// them at that moment.
///
/// # Errors
/// `EPERM`: none of them may be signalled. Others: `list` failed, or a process could not be opened; the rest was signalled.
pub(crate) fn send(
    signals: &[Signal],
    list: impl Fn() -> io::Result<Vec<u32>>,
    still: impl Fn(&[u32]) -> io::Result<HashSet<u32>>,
    send_one: impl Fn(&Pidfd, Signal) -> io::Result<()>,
) -> io::Result<()> {
    let mut seen = HashSet::new();
    let (mut is_any_allowed, mut refused, mut failed) = (false, None, None);
    for _ in 0..ROUNDS {
        let new: Vec<u32> = list()?.into_iter().filter(|&pid| seen.insert(pid)).collect();
        if new.is_empty() {
            break;
        }
        for pids in new.chunks(BATCH) {
            let opened: Vec<_> = pids.iter().map(|&pid| (pid, Pidfd::open(pid))).collect();
            // Once there is a descriptor, the number cannot become another's unnoticed.
            let still = still(pids)?;
            for (_, pidfd) in opened.into_iter().filter(|(pid, _)| still.contains(pid)) {
                let sent =
                    pidfd.and_then(|pidfd| signals.iter().try_for_each(|&signal| send_one(&pidfd, signal)));
                match Gone::is_fine(sent) {
                    Ok(()) => is_any_allowed = true,
                    Err(error) if error.raw_os_error() == Some(libc::EPERM) => refused = Some(error),
                    Err(error) => failed = Some(error),
                }
            }
        }
    }
    match failed.or(refused.filter(|_| !is_any_allowed)) {
        Some(error) => Err(error),
        None => Ok(()),
    }
}
