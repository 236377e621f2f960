//! Processes that are handed over, to whom, and how they end.

use std::io::Write;
use std::os::fd::AsFd;

use childset::{Pidfd, Signal, State};

use crate::common::{self, check_leaks, held, kernel};
use crate::passing;
use crate::program::{ended_as, handed_over, handoff, socket, takes, Part};

pub(crate) fn taken_by_a_program() {
    check_leaks(|| {
        let (_dir, path) = socket();
        let mut starter = Part::start(&path, "read line; exit 7");
        let (taker, pid) = Part::take(&path);
        assert_eq!(starter.said(), handed_over(pid, &taker));
        // The parent.
        assert_eq!(common::stat(pid, 4), Some(starter.child.id().to_string()));
        writeln!(starter.child.stdin.as_ref().unwrap()).unwrap();
        assert_eq!(starter.said(), format!("{pid}: exit status: 7"));
        ended_as(taker, "exit status: 7", 7);
        starter.stop();
        assert!(!path.exists());
    });
}

pub(crate) fn several_takers() {
    check_leaks(|| {
        let (_dir, path) = socket();
        let starter = Part::start(&path, "kill -STOP $$; exit 3");
        let takers: Vec<_> = (0..5).map(|_| Part::take(&path)).collect();
        let pids: std::collections::BTreeSet<_> = takers.iter().map(|(_, pid)| *pid).collect();
        assert_eq!(pids.len(), 5);
        for (taker, pid) in takers {
            let pidfd = Pidfd::open(pid).unwrap();
            pidfd.kill().unwrap();
            ended_as(taker, "signal: 9 (SIGKILL)", 137);
        }
        starter.stop();
    });
}

pub(crate) fn other_users_are_refused() {
    check_leaks(|| {
        let (_dir, path) = socket();
        let user = rustix::process::geteuid().as_raw();
        let others = format!("{},{}", user + 1, user + 2);
        let starter = Part::start_with(&["--user", &others], &path, "exit 3");
        let taker = Part::new(handoff().arg("take").arg(&path));
        let id = taker.child.id();
        let said = "handoff: the peer closed the connection without a process\n";
        assert_eq!(taker.end(), (Some(125), said.to_owned()));
        starter.signal(Signal::TERM);
        let who = if kernel() >= (6, 5) { format!(" (pid {id})") } else { String::new() };
        // Nothing was started.
        assert_eq!(starter.end(), (Some(0), format!("handoff: user {user}{who} is refused\n")));

        let starter = Part::start_with(&["--user", &format!("{others},{user}")], &path, "exit 3");
        takes(&path, 3);
        starter.stop();
    });
}

pub(crate) fn signals_are_passed_on() {
    check_leaks(|| {
        let (_dir, path) = socket();
        let script = "trap 'exit 4' INT; exec 3<&0; echo ready; while :; do read line <&3; done";
        let mut starter = Part::start(&path, script);
        let (taker, pid) = Part::take(&path);
        // The two write to the same pipe, in any order.
        let mut lines = [starter.said(), starter.said()];
        lines.sort();
        assert_eq!(lines, [handed_over(pid, &taker), "ready".to_owned()]);
        taker.signal(Signal::INT);
        ended_as(taker, "exit status: 4", 4);

        let (taker, pid) = Part::take(&path);
        let pidfd = Pidfd::open(pid).unwrap();
        taker.signal(Signal::TERM);
        ended_as(taker, "signal: 15 (SIGTERM)", 143);
        assert_eq!(pidfd.state().unwrap(), State::Reaped);
        starter.stop();
    });
}

/// The one that was started for it, or whose taker was killed, is not lost: it ends with the starter at the latest.
pub(crate) fn taker_that_goes_away() {
    check_leaks(|| {
        let (_dir, path) = socket();
        let mut starter = Part::start(&path, "read line");
        let (mut taker, pid) = Part::take(&path);
        taker.child.kill().unwrap();
        taker.child.wait().unwrap();
        let pidfd = Pidfd::open(pid).unwrap();
        assert_eq!(starter.said(), handed_over(pid, &taker));
        for _ in 0..20 {
            drop(passing::connect(&path).unwrap());
        }
        // The next one is served all the same.
        let (taker, other) = Part::take(&path);
        assert_ne!(pid, other);
        assert_eq!(pidfd.state().unwrap(), State::Running);
        starter.signal(Signal::TERM);
        let (code, _) = starter.end();
        assert_eq!((code, pidfd.state().unwrap()), (Some(0), State::Reaped));
        ended_as(taker, "signal: 15 (SIGTERM)", 143);
    });
}

/// What the starter passes on may be gone when it is taken.
pub(crate) fn reaped_meanwhile() {
    check_leaks(|| {
        let (_dir, path) = socket();
        let listener = passing::listen(&path).unwrap();
        let mut taker = Part::new(handoff().arg("take").arg(&path));
        let peer = passing::accept(&listener).unwrap();
        let mut child = held();
        let pidfd = Pidfd::from_child(&child).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        passing::send(&peer, b"cat", &[pidfd.as_fd()]).unwrap();
        assert_eq!(taker.said(), "took cat (it has ended)");
        ended_as(taker, "signal: 9 (SIGKILL)", 137);
    });
}

pub(crate) fn short_processes() {
    check_leaks(|| {
        let (_dir, path) = socket();
        let starter = Part::start(&path, "exit 3");
        for _ in 0..common::times(60) {
            takes(&path, 3);
        }
        starter.stop();
    });
}
