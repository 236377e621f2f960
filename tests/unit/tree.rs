//! A child that starts three processes: one in its group, one in a group and one in a session of their own.

use std::io::{BufRead, BufReader, Read};
use std::time::Instant;

use childset::{Child, Command, Containment, Pidfd, Signal, State, Stdio, Unit};

use crate::{common, LONG};

/// Starts one process in its group, one in a group of its own, and one in a session of its own, says their pids, and waits
/// with them. All ignore these signals.
pub(crate) fn tree() {
    let ignored = std::env::var("CHILDSET_TEST_IGNORED").unwrap_or_default();
    for signal in ignored.split_whitespace() {
        // SAFETY: no handler is set.
        unsafe { libc::signal(signal.parse().unwrap(), libc::SIG_IGN) };
    }
    let ends = std::env::var_os("CHILDSET_TEST_LEADER_ENDS").is_some();
    let start = |prepare: fn()| {
        // SAFETY: this process has one thread.
        match unsafe { libc::fork() } {
            0 => {
                prepare();
                pause();
            }
            pid => pid,
        }
    };
    let member = start(|| {});
    // SAFETY: no memory is touched.
    let own_group = start(|| unsafe { assert_eq!(libc::setpgid(0, 0), 0) });
    // SAFETY: as above.
    let own_session = start(|| unsafe { assert_ne!(libc::setsid(), -1) });
    // They must be where they belong before they are told of.
    for (pid, is_there) in [
        // SAFETY: as above.
        (own_group, (|pid| unsafe { libc::getpgid(pid) } == pid) as fn(i32) -> bool),
        // SAFETY: as above.
        (own_session, |pid| unsafe { libc::getsid(pid) } == pid),
    ] {
        while !is_there(pid) {
            std::thread::yield_now();
        }
    }
    println!("{member} {own_group} {own_session}");
    if !ends {
        pause();
    }
}

/// Starts three processes of these users, says their pids, and waits with them.
pub(crate) fn users() {
    let users = std::env::var("CHILDSET_TEST_USERS").unwrap();
    let pids = users.split_whitespace().map(|user| {
        let (mut ready, told) = std::os::unix::net::UnixStream::pair().unwrap();
        // SAFETY: this process has one thread.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            // SAFETY: no memory is touched.
            assert_eq!(unsafe { libc::setuid(user.parse().unwrap()) }, 0);
            drop(ready);
            drop(told);
            pause();
        }
        drop(told);
        ready.read_to_end(&mut Vec::new()).unwrap();
        pid.to_string()
    });
    println!("{}", pids.collect::<Vec<_>>().join(" "));
    pause();
}

fn pause() -> ! {
    common::end_after(60 + trees() as u32);
    loop {
        // SAFETY: no memory is touched.
        unsafe { libc::pause() };
    }
}

/// How many there are to be. More of them live longer.
pub(crate) fn trees() -> usize {
    std::env::var("CHILDSET_TEST_TREES").map_or(30, |count| count.parse().unwrap())
}

/// A child, and the three that it has started.
pub(crate) struct Tree {
    pub(crate) child: Child,
    pub(crate) started: [Pidfd; 3],
}

/// Those of the three that a unit holds.
pub(crate) fn held(unit: Unit) -> usize {
    match unit {
        Unit::ProcessGroup => 1,
        Unit::Session => 2,
        Unit::Cgroup => 3,
        _ => 0,
    }
}

pub(crate) fn containment(unit: Unit) -> Containment {
    match unit {
        Unit::ProcessGroup => Containment::ProcessGroup,
        Unit::Session => Containment::Session,
        Unit::Cgroup => Containment::Cgroup,
        _ => Containment::Process,
    }
}

pub(crate) fn command(unit: Unit, ignored: &[Signal], ends: bool) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let ignored: Vec<_> = ignored.iter().map(|signal| signal.as_raw().to_string()).collect();
    command.env("CHILDSET_TEST_ROLE", "tree").env("CHILDSET_TEST_IGNORED", ignored.join(" "));
    if ends {
        command.env("CHILDSET_TEST_LEADER_ENDS", "1");
    }
    command.stdout(Stdio::piped()).unit(unit).reap_on_drop(true);
    command
}

impl Tree {
    pub(crate) fn of(child: Child) -> Tree {
        let mut line = String::new();
        BufReader::new(child.stdout.as_ref().unwrap().blocking()).read_line(&mut line).unwrap();
        let pids: Vec<u32> = line.split_whitespace().map(|pid| pid.parse().unwrap()).collect();
        let started = <[u32; 3]>::try_from(pids).unwrap().map(|pid| Pidfd::open(pid).unwrap());
        Tree { child, started }
    }

    pub(crate) fn new(unit: Unit) -> Tree {
        Tree::of(command(unit, &[], false).spawn().unwrap())
    }
}

/// Exactly so many of the three have ended, and then all are.
pub(crate) fn assert_ended(started: &[Pidfd; 3], count: usize, what: &str) {
    let start = Instant::now();
    for pidfd in &started[..count] {
        let left = LONG.saturating_sub(start.elapsed());
        assert!(common::readable(pidfd, left), "{what}: one is left");
    }
    for pidfd in &started[count..] {
        assert_eq!(pidfd.state().unwrap(), State::Running, "{what}: one too many has ended");
        pidfd.kill().unwrap();
    }
    started.iter().for_each(common::until_ended);
}
