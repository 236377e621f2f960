//! The sessions of many children at once. The kernel has no call for a session, and each look for one reads all of
//! `/proc`: one look for each child would take a time that grows with the square of their number.

use std::collections::HashSet;
use std::io;

use super::member::Member;
use crate::child::{Flag, KILL};
use crate::pidfd::Signal;
use crate::watch::session;

/// Sends signals to the sessions that are the units of these members of a set, which is locked.
pub(super) fn send<'m, T: 'm>(
    members: impl Iterator<Item = &'m Member<T>>,
    signals: &[Signal],
) -> io::Result<()> {
    // Nobody reaps them meanwhile.
    let members = members.filter(|member| member.session().is_some());
    let members: Vec<_> = members.map(|member| (member, member.lock_kept())).collect();
    let sessions: HashSet<u32> = members.iter().filter_map(|(member, _)| member.session()).collect();
    if !sessions.is_empty() {
        session::send(&sessions, signals)?;
        for (member, _) in members.iter().filter(|_| signals == KILL) {
            member.process().set(Flag::KillsRest, false);
        }
    }
    Ok(())
}

/// Before the first of these is reaped: kills what is left of the sessions of all that have ended.
pub(super) fn end<'m, T: 'm>(first: &Member<T>, members: impl Iterator<Item = &'m Member<T>>) {
    let is_ending = |member: &Member<T>| member.process().has(Flag::KillsRest) && member.session().is_some();
    if is_ending(first) {
        let has_ended = |member: &Member<T>| member.process().pidfd().has_ended().unwrap_or(false);
        // Where it fails, each is tried alone.
        let _ = send(members.filter(|member| is_ending(member) && has_ended(member)), KILL);
    }
}

/// Before they are dropped: kills the sessions of those for which that is wanted.
pub(super) fn drop_all<'m, T: 'm>(members: impl Iterator<Item = &'m Member<T>>) {
    let members: Vec<_> = members.filter(|member| member.kills_session_when_dropped()).collect();
    // As above.
    if send(members.iter().copied(), KILL).is_ok() {
        for member in members {
            member.process().set(Flag::KillOnDrop, false);
        }
    }
}
