//! Sockets: errors, stale ones, and a peer that is silent.

use std::fs;
use std::process::Command;

use childset::Signal;

use crate::common::{self, check_leaks};
use crate::passing;
use crate::program::{ended_as, handoff, socket, takes, until_listening, Part};

pub(crate) fn errors() {
    check_leaks(|| {
        let (_dir, path) = socket();
        let fails = |command: &mut Command, says: &str| {
            let (code, error) = Part::new(command).end();
            assert!(code == Some(125) && error.contains(says), "{code:?} {error:?}");
        };
        let errno = |number| format!("(os error {number})");
        fails(handoff().arg("take").arg(&path), &errno(libc::ENOENT));
        let starter = Part::start(&path, "read line");
        fails(handoff().arg("start").arg(&path).args(["--", "true"]), &errno(libc::EADDRINUSE));
        // The socket is still that of the first one, which has not noticed.
        let (taker, _) = Part::take(&path);
        starter.stop();
        ended_as(taker, "signal: 15 (SIGTERM)", 143);

        // A command that cannot be run is told by the starter, which goes on.
        let (_dir, path) = socket();
        let starter = Part::new(handoff().arg("start").arg(&path).args(["--", "/no/such/program"]));
        until_listening(&path, || {});
        for _ in 0..2 {
            fails(handoff().arg("take").arg(&path), "closed the connection");
        }
        starter.signal(Signal::INT);
        let (code, error) = starter.end();
        assert!(code == Some(0) && error.matches("/no/such/program").count() == 2, "{code:?} {error:?}");
    });
}

pub(crate) fn signals_while_a_peer_is_silent() {
    check_leaks(|| {
        for (signal, number) in [(Signal::INT, 2), (Signal::TERM, 15)] {
            // It has connected, and nothing comes.
            let (_dir, path) = socket();
            let listener = passing::listen(&path).unwrap();
            let taker = Part::new(handoff().arg("take").arg(&path));
            let peer = passing::accept(&listener).unwrap();
            taker.signal(signal);
            assert_eq!(taker.end(), (Some(128 + number), String::new()));
            drop(peer);

            // Nobody accepts, and the queue is full.
            let waiting: Vec<_> = std::iter::from_fn(|| passing::connect(&path).ok()).collect();
            assert!(!waiting.is_empty());
            let taker = Part::new(handoff().arg("take").arg(&path));
            until_caught(&taker, number);
            taker.signal(signal);
            assert_eq!(taker.end(), (Some(128 + number), String::new()));
        }
    });
}

/// Waits until the signal would not end it at once.
fn until_caught(part: &Part, signal: i32) {
    let caught = || {
        let status = fs::read_to_string(format!("/proc/{}/status", part.child.id())).unwrap();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        u64::from_str_radix(mask.trim(), 16).unwrap() >> (signal - 1) & 1 == 1
    };
    while !caught() {
        std::thread::yield_now();
    }
}

/// A starter that was killed leaves its socket.
pub(crate) fn stale_socket() {
    check_leaks(|| {
        let (_dir, path) = socket();
        let mut starter = Part::start(&path, "exit 3");
        starter.child.kill().unwrap();
        starter.child.wait().unwrap();
        assert!(path.exists());
        let starter = Part::start(&path, "exit 4");
        takes(&path, 4);
        starter.stop();
        assert!(!path.exists());

        // What is no socket stays.
        fs::write(&path, "mine").unwrap();
        let refused = Part::new(handoff().arg("start").arg(&path).args(["--", "true"]));
        let (code, error) = refused.end();
        let errno = format!("(os error {})", libc::EADDRINUSE);
        assert!(code == Some(125) && error.contains(&errno), "{code:?} {error:?}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    });
}

/// One of them replaces it, and no other one takes that away again.
pub(crate) fn stale_socket_for_several() {
    check_leaks(|| {
        for _ in 0..common::times(10) {
            let (_dir, path) = socket();
            drop(passing::listen(&path).unwrap());
            let mut start = handoff();
            start.arg("start").arg(&path).args(["--", "sh", "-c", "exit 4"]);
            let mut starters: Vec<_> = (0..4).map(|_| Part::new(&mut start)).collect();
            // All but one end.
            while starters.len() > 1 {
                let ended = |part: &mut Part| part.child.try_wait().unwrap().is_some();
                let Some(index) = starters.iter_mut().position(ended) else {
                    std::thread::yield_now();
                    continue;
                };
                let (code, error) = starters.swap_remove(index).end();
                let errno = format!("(os error {})", libc::EADDRINUSE);
                assert!(code == Some(125) && error.contains(&errno), "{code:?} {error:?}");
            }
            until_listening(&path, || ());
            takes(&path, 4);
            starters.remove(0).stop();
        }
    });
}
