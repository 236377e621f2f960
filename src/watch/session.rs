//! The processes of sessions, which the kernel has no call for.

use std::collections::HashSet;
use std::fs;
use std::io;

use crate::pidfd::{check_proc, field, Pidfd, Signal};
use crate::sys::signal::kill_group;
use crate::watch::members;

/// Sends signals to all processes in the sessions of these leaders, and to those: a child that was launched may not have
/// made its session. No leader was reaped. Reads all of `/proc` twice or more.
///
/// # Errors
/// There is no `/proc` of ours: then the groups of the leaders got the signals. And those of [`members::send`].
pub(crate) fn send(leaders: &HashSet<u32>, signals: &[Signal]) -> io::Result<()> {
    let proc = check_proc();
    let by_group = |signal: &Signal| proc.is_err() || *signal == Signal::KILL;
    for &signal in signals.iter().filter(|signal| by_group(signal)) {
        for &leader in leaders {
            // In a group, the kernel also reaches those who fork all the time. One that was launched may not lead it yet.
            let _ = kill_group(leader, signal.as_raw())
                .or_else(|_| Pidfd::open(leader).and_then(|pidfd| pidfd.send_signal(signal)));
        }
    }
    proc?;
    let leads = |pid: &u32| leaders.contains(pid);
    let is_member = |pid: &u32| leads(pid) || session(*pid).is_some_and(|leader| leads(&leader));
    members::send(
        signals,
        || Ok(pids()?.filter(is_member).collect()),
        |pids| Ok(pids.iter().copied().filter(is_member).collect()),
        |pidfd, signal| {
            if signal == Signal::KILL {
                // The group that it may lead is in the session, too (Linux 6.9). Its processes answer for what fails.
                let _ = pidfd.send_signal_to_group(signal);
            }
            pidfd.send_signal(signal)
        },
    )
}

fn pids() -> io::Result<impl Iterator<Item = u32>> {
    let names = fs::read_dir("/proc")?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    Ok(names.filter_map(|name| name.parse().ok()))
}

fn session(pid: u32) -> Option<u32> {
    field(&fs::read(format!("/proc/{pid}/stat")).ok()?, 6)
}
