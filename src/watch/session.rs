//! The processes of sessions, which the kernel has no call for.

use std::collections::HashSet;
use std::fs;
use std::io;

use crate::pidfd::{field, Gone, Pidfd, Signal};

/// How often those that were started meanwhile are looked for.
const ROUNDS: usize = 16;

/// Sends signals to all processes in the sessions of these leaders. None of the leaders was reaped. Reads all of `/proc` at
/// least twice.
///
/// # Errors
/// `/proc` cannot be read; or none of them may be signalled.
pub(crate) fn send(leaders: &HashSet<u32>, signals: &[Signal]) -> io::Result<()> {
    let mut seen = HashSet::new();
    let mut refused = None;
    let mut any = false;
    for _ in 0..ROUNDS {
        let new: Vec<u32> = members(leaders)?.into_iter().filter(|&pid| seen.insert(pid)).collect();
        if new.is_empty() {
            break;
        }
        for pid in new {
            // Once there is a descriptor, the number cannot become another's unnoticed.
            let sent = Pidfd::open(pid).and_then(|pidfd| match is_member(pid, leaders) {
                true => signals.iter().try_for_each(|&signal| pidfd.send_signal(signal)),
                false => Ok(()),
            });
            match Gone::is_fine(sent) {
                Ok(()) => any = true,
                Err(error) => refused = Some(error),
            }
        }
    }
    match refused {
        Some(error) if !any => Err(error),
        _ => Ok(()),
    }
}

fn members(leaders: &HashSet<u32>) -> io::Result<Vec<u32>> {
    let names = fs::read_dir("/proc")?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let pids = names.filter_map(|name| name.parse().ok());
    Ok(pids.filter(|&pid| is_member(pid, leaders)).collect())
}

fn is_member(pid: u32, leaders: &HashSet<u32>) -> bool {
    session(pid).is_some_and(|leader| leaders.contains(&leader))
}

fn session(pid: u32) -> Option<u32> {
    field(&fs::read(format!("/proc/{pid}/stat")).ok()?, 6)
}
