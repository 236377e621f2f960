//! A child that has left the group which it led is still the child: what ends its unit ends it, too.

#![allow(unsafe_code)]

mod common;

use std::io::Read;
use std::time::Duration;

use childset::unix::CommandExt;
use childset::{Child, ChildSet, Command, Containment, Signal, Stdio, Unit};

const LONG: Duration = Duration::from_secs(20);

/// Leads the group that others join.
struct Other(Child);

impl Other {
    fn new() -> Other {
        Other(Command::new("sleep").arg("60").process_group(0).kill_on_drop(true).spawn().unwrap())
    }
}

/// Leaves its group for the other one before it runs. With `stays`, another process stays in there.
fn leaver(other: &Other, stays: bool) -> Command {
    let other = other.0.id() as i32;
    let mut command = Command::new("sleep");
    command.arg("60").stdout(Stdio::piped()).unit(Unit::ProcessGroup);
    let leave = move || {
        // SAFETY: on a copy of the memory of this thread alone; the strings are constants.
        unsafe {
            if stays && libc::fork() == 0 {
                let [sleep, time] = [c"sleep".as_ptr(), c"60".as_ptr()];
                libc::execlp(sleep, sleep, time, std::ptr::null::<libc::c_char>());
                libc::_exit(127);
            }
            match libc::setpgid(0, other) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            }
        }
    };
    // SAFETY: as above.
    unsafe { command.pre_exec(leave) };
    command
}

/// All that could write have ended.
fn all_ended(mut child: Child) {
    assert_eq!(child.wait_timeout(LONG).unwrap().expect("it was ended").signal(), Some(Signal::KILL));
    assert_eq!(child.stdout.take().unwrap().blocking().read(&mut [0]).unwrap(), 0);
}

#[test]
fn is_killed() {
    let other = Other::new();
    for stays in [false, true] {
        let child = leaver(&other, stays).spawn().unwrap();
        child.kill().unwrap();
        all_ended(child);
    }
}

#[test]
fn is_killed_with_its_tree() {
    let other = Other::new();
    for (stays, unit) in [(false, true), (true, true), (false, false), (true, false)] {
        let mut command = leaver(&other, stays);
        if !unit {
            command.unit(Unit::Process).process_group(0);
        }
        let child = command.spawn().unwrap();
        let reached = if stays { Containment::ProcessGroup } else { Containment::Process };
        assert_eq!(child.kill_tree().unwrap(), reached);
        all_ended(child);
    }
}

#[test]
fn is_terminated() {
    let other = Other::new();
    for stays in [false, true] {
        let child = leaver(&other, stays).spawn().unwrap();
        assert_eq!(child.wait_terminated(LONG).unwrap().signal(), Some(Signal::TERM));
    }
}

#[test]
fn is_killed_when_dropped() {
    let other = Other::new();
    for stays in [false, true] {
        let mut child = leaver(&other, stays).kill_on_drop(true).spawn().unwrap();
        let (stdout, pidfd) = (child.stdout.take().unwrap(), child.pidfd().try_clone().unwrap());
        child.set_reap_on_drop(false);
        drop(child);
        assert_eq!(pidfd.wait().unwrap().signal(), Some(Signal::KILL));
        assert_eq!(stdout.blocking().read(&mut [0]).unwrap(), 0);
    }
}

#[test]
fn is_ended_by_a_shutdown() {
    let other = Other::new();
    let set = ChildSet::new().unwrap();
    for stays in [false, true] {
        set.spawn(&mut leaver(&other, stays), stays).unwrap();
    }
    let mut shutdown = set.shutdown(LONG);
    while let Some(exited) = shutdown.wait().unwrap() {
        assert_eq!(exited.exit.unwrap().signal(), Some(Signal::TERM), "stays: {}", exited.tag);
    }
    assert!(set.is_empty());
}
