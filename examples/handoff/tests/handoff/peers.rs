//! What a peer may send in place of a process, and names with control characters.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use childset::{Pidfd, State};

use crate::common::{check_leaks, held, Limit};
use crate::passing;
use crate::passing::{Refused, LONGEST_NAME};
use crate::program::{handoff, socket, Part};

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

pub(crate) fn bad_peers() {
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
pub(crate) fn no_descriptor_to_spare() {
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

pub(crate) fn good_peer() {
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

pub(crate) fn program_refuses_bad_peers() {
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

pub(crate) fn name_with_control_characters() {
    check_leaks(|| {
        let (ours, theirs) = pair();
        let pidfd = Pidfd::open(std::process::id()).unwrap();
        passing::send(&theirs, b"\x1b]0;title\x07a\nb\x7f\xc2\x9b2J", &[pidfd.as_fd()]).unwrap();
        assert_eq!(passing::receive(&ours).unwrap().1, "?]0;title?a?b??2J");
    });
}
