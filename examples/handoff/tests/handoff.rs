//! The program `handoff`: a process passed on to one who is not its parent, and peers that send something else.

#![allow(unsafe_code)]
// The lint does not know that a pidfd reaps.
#![allow(clippy::zombie_processes)]

#[path = "../../../tests/common/mod.rs"]
mod common;
#[path = "../src/passing.rs"]
mod passing;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use childset::{Pidfd, Signal, State};
use common::{check_leaks, held, kernel, Dir, Limit};
use passing::{Refused, LONGEST_NAME};

fn main() {
    common::main(&[
        ("bad_peers", bad_peers),
        ("no_descriptor_to_spare", no_descriptor_to_spare),
        ("good_peer", good_peer),
        ("taken_by_a_program", taken_by_a_program),
        ("several_takers", several_takers),
        ("other_users_are_refused", other_users_are_refused),
        ("signals_are_passed_on", signals_are_passed_on),
        ("taker_that_goes_away", taker_that_goes_away),
        ("program_refuses_bad_peers", program_refuses_bad_peers),
        ("errors", errors),
        ("reaped_meanwhile", reaped_meanwhile),
        ("short_processes", short_processes),
        ("signals_while_a_peer_is_silent", signals_while_a_peer_is_silent),
        ("stale_socket", stale_socket),
        ("stale_socket_for_several", stale_socket_for_several),
        ("name_with_control_characters", name_with_control_characters),
    ]);
}

/// Two ends of a connection.
fn pair() -> (OwnedFd, OwnedFd) {
    use rustix::net::{socketpair, AddressFamily, SocketFlags, SocketType};
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap()
}

/// What a peer may send instead of a process, and what is said of it.
fn bad_messages(send: impl Fn(&str, &[u8], &[BorrowedFd<'_>])) {
    let child = held();
    let pidfd = Pidfd::from_child(&child).unwrap();
    let file = File::open("/dev/null").unwrap();
    let directory = File::open("/proc/self").unwrap();
    let (pidfd_fd, other) = (pidfd.as_fd(), file.as_fd());
    send("no descriptor", b"name", &[]);
    send("no pidfd", b"name", &[other]);
    // It is a handle on a process too, but none to wait on.
    send("no pidfd", b"name", &[directory.as_fd()]);
    for count in [2, 3, 8] {
        send("more descriptors", b"name", &vec![pidfd_fd; count]);
        send("more descriptors", b"name", &vec![other; count]);
    }
    send("too long", &[b'x'; LONGEST_NAME + 1], &[pidfd_fd]);
    send("too long", &[b'x'; LONGEST_NAME + 1], &[]);
    pidfd.kill().unwrap();
    pidfd.wait().unwrap();
}

fn bad_peers() {
    check_leaks(|| {
        bad_messages(|refusal, name, descriptors| {
            let (ours, theirs) = pair();
            check_leaks(|| {
                passing::send(&theirs, name, descriptors).unwrap();
                let error = passing::receive(&ours).unwrap_err();
                assert!(error.to_string().contains(refusal), "{error}");
            });
            // The connection is none the worse for it.
            let child = held();
            let pidfd = Pidfd::from_child(&child).unwrap();
            passing::send(&theirs, b"name", &[pidfd.as_fd()]).unwrap();
            assert_eq!(passing::receive(&ours).unwrap().0.pid().unwrap(), Some(child.id()));
            drop(theirs);
            assert!(matches!(passing::receive(&ours), Err(Refused::Closed)));
            pidfd.kill().unwrap();
            pidfd.wait().unwrap();
        });
    });
}

/// The kernel drops a descriptor for which there is no number.
fn no_descriptor_to_spare() {
    check_leaks(|| {
        let (ours, theirs) = pair();
        let pidfd = Pidfd::open(std::process::id()).unwrap();
        passing::send(&theirs, b"name", &[pidfd.as_fd()]).unwrap();
        let limit = Limit::with_spare(0);
        let refused = passing::receive(&ours);
        drop(limit);
        assert!(matches!(refused, Err(Refused::TooMany)), "{refused:?}");
    });
}

fn good_peer() {
    check_leaks(|| {
        for name in [&b"name"[..], &[b'x'; LONGEST_NAME], b"\xff"] {
            let (ours, theirs) = pair();
            let mut child = held();
            let its = Pidfd::from_child(&child).unwrap();
            passing::send(&theirs, name, &[its.as_fd()]).unwrap();
            drop(its);
            let (pidfd, received) = passing::receive(&ours).unwrap();
            assert_eq!(received, String::from_utf8_lossy(name));
            let flags = rustix::io::fcntl_getfd(&pidfd).unwrap();
            assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
            assert_eq!(pidfd.state().unwrap(), State::Running);
            pidfd.kill().unwrap();
            child.wait().unwrap();
            assert_eq!(pidfd.state().unwrap(), State::Reaped);
        }
        // One that has ended already is a process all the same.
        let (ours, theirs) = pair();
        let child = held();
        let its = Pidfd::from_child(&child).unwrap();
        its.kill().unwrap();
        its.wait().unwrap();
        passing::send(&theirs, b"name", &[its.as_fd()]).unwrap();
        assert_eq!(passing::receive(&ours).unwrap().0.state().unwrap(), State::Reaped);
    });
}

fn handoff() -> Command {
    // Whoever runs the tests may have SIGINT ignored.
    let mut command = Command::new("env");
    command.arg("--default-signal=INT,TERM").arg(env!("CARGO_BIN_EXE_handoff"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// One of the two programs, with what it says.
struct Part {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Part {
    fn new(command: &mut Command) -> Part {
        let mut child = command.spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Part { child, stdout }
    }

    /// Starts `sh -c script` for each that connects.
    fn start(socket: &Path, script: &str) -> Part {
        Part::start_with(&[], socket, script)
    }

    fn start_with(options: &[&str], socket: &Path, script: &str) -> Part {
        let mut command = handoff();
        command.arg("start").args(options).arg(socket).args(["--", "sh", "-c", script]);
        let mut part = Part::new(command.stdin(Stdio::piped()));
        until_listening(socket, || assert!(part.child.try_wait().unwrap().is_none()));
        part
    }

    /// Waits until it has been given a process; returns that one's pid.
    fn take(socket: &Path) -> (Part, u32) {
        let mut part = Part::new(handoff().arg("take").arg(socket));
        let line = part.said();
        let pid = line.strip_prefix("took sh (pid ").and_then(|line| line.strip_suffix(')'));
        let pid = pid.unwrap_or_else(|| panic!("{line:?}")).parse().unwrap();
        (part, pid)
    }

    fn said(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn signal(&self, signal: Signal) {
        Pidfd::from_child(&self.child).unwrap().send_signal(signal).unwrap();
    }

    /// The exit code, and what it wrote to standard error. Until then its input is open: what it started may read
    /// that, too.
    fn end(mut self) -> (Option<i32>, String) {
        let _stdin = self.child.stdin.take();
        let output = self.child.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }

    fn stop(self) {
        self.signal(Signal::TERM);
        assert_eq!(self.end(), (Some(0), String::new()));
    }
}

/// Before 6.5, the kernel tells the user alone.
fn handed_over(pid: u32, taker: &Part) -> String {
    let user = rustix::process::geteuid().as_raw();
    let taker = match kernel() >= (6, 5) {
        true => format!(" (pid {})", taker.child.id()),
        false => String::new(),
    };
    format!("{pid}: handed over to user {user}{taker}")
}

fn socket() -> (Dir, PathBuf) {
    let dir = Dir::new();
    let path = dir.path().join("socket");
    (dir, path)
}

/// How a taker ends whose process did so: before 6.15, it is not told.
fn ended_as(taker: Part, status: &str, code: i32) {
    let mut taker = taker;
    let said = taker.said();
    let (ended, error) = taker.end();
    if kernel() >= (6, 15) {
        assert_eq!((said.as_str(), ended, error.as_str()), (status, Some(code), ""));
    } else {
        assert!(ended == Some(125) && error.contains("exit status unknown"), "{said:?} {ended:?} {error:?}");
    }
}

/// Takes one that ends at once with the code.
fn takes(path: &Path, code: i32) {
    let mut taker = Part::new(handoff().arg("take").arg(path));
    assert!(taker.said().starts_with("took sh ("));
    ended_as(taker, &format!("exit status: {code}"), code);
}

/// Waits until somebody listens there.
fn until_listening(path: &Path, mut look: impl FnMut()) {
    let path = path.to_str().unwrap();
    // The fourth field of /proc/net/unix is 00010000 then.
    let is_it = |line: &str| line.ends_with(path) && line.split_ascii_whitespace().nth(3) == Some("00010000");
    while !fs::read_to_string("/proc/net/unix").unwrap().lines().any(is_it) {
        look();
        std::thread::yield_now();
    }
}

fn taken_by_a_program() {
    check_leaks(|| {
        let (_dir, path) = socket();
        let mut starter = Part::start(&path, "read line; exit 7");
        let (taker, pid) = Part::take(&path);
        assert_eq!(starter.said(), handed_over(pid, &taker));
        let parent = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        // Field 4 of proc_pid_stat(5).
        let parent = parent.rsplit(')').next().unwrap().split_whitespace().nth(1).unwrap().to_owned();
        assert_eq!(parent, starter.child.id().to_string());
        writeln!(starter.child.stdin.as_ref().unwrap()).unwrap();
        assert_eq!(starter.said(), format!("{pid}: exit status: 7"));
        ended_as(taker, "exit status: 7", 7);
        starter.stop();
        assert!(!path.exists());
    });
}

fn several_takers() {
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

fn other_users_are_refused() {
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

fn signals_are_passed_on() {
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
fn taker_that_goes_away() {
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

fn program_refuses_bad_peers() {
    check_leaks(|| {
        bad_messages(|refusal, name, descriptors| {
            let (_dir, path) = socket();
            let listener = passing::listen(&path).unwrap();
            let taker = Part::new(handoff().arg("take").arg(&path));
            passing::send(passing::accept(&listener).unwrap(), name, descriptors).unwrap();
            let (code, error) = taker.end();
            assert_eq!(code, Some(125));
            assert!(error.starts_with("handoff: ") && error.contains(refusal), "{error}");
        });
        let (_dir, path) = socket();
        let listener = passing::listen(&path).unwrap();
        let taker = Part::new(handoff().arg("take").arg(&path));
        drop(passing::accept(&listener).unwrap());
        let said = "handoff: the peer closed the connection without a process\n";
        assert_eq!(taker.end(), (Some(125), said.to_owned()));
    });
}

fn errors() {
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

/// What the starter passes on may be gone when it is taken.
fn reaped_meanwhile() {
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

fn short_processes() {
    check_leaks(|| {
        let (_dir, path) = socket();
        let starter = Part::start(&path, "exit 3");
        for _ in 0..common::times(60) {
            takes(&path, 3);
        }
        starter.stop();
    });
}

fn signals_while_a_peer_is_silent() {
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
fn stale_socket() {
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
fn stale_socket_for_several() {
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

fn name_with_control_characters() {
    check_leaks(|| {
        let (ours, theirs) = pair();
        let pidfd = Pidfd::open(std::process::id()).unwrap();
        passing::send(&theirs, b"\x1b]0;title\x07a\nb\x7f\xc2\x9b2J", &[pidfd.as_fd()]).unwrap();
        assert_eq!(passing::receive(&ours).unwrap().1, "?]0;title?a?b??2J");
    });
}
