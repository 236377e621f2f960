//! Processes at the other end of Unix sockets.

#![allow(unsafe_code)]
// The lint does not know that a pidfd reaps.
#![allow(clippy::zombie_processes)]

mod common;

use std::fs::File;
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::net::TcpListener;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::process::{Child, Command, Stdio};

use childset::{ChildSet, Gone, Pidfd, Signal};
use common::{check_leaks, in_copy, kernel, reap_by_pid, reexec, role, Dir, Limit};
use rustix::net::{sendmsg, SendAncillaryBuffer, SendAncillaryMessage, SendFlags};

const TESTS: &[(&str, fn())] = &[
    ("who_has_connected", who_has_connected),
    ("who_has_gone", who_has_gone),
    ("who_has_sent", who_has_sent),
    ("who_has_sent_and_gone", who_has_sent_and_gone),
    ("what_else_comes_is_closed", what_else_comes_is_closed),
    ("not_switched_on", not_switched_on),
    ("other_sockets", other_sockets),
    ("no_descriptor_is_left", no_descriptor_is_left),
    ("numbers_above_2", numbers_above_2),
    ("in_a_copy", in_a_copy),
];

fn main() {
    match role() {
        Some(role) => common::play(&role, &[("client", client as fn())], 60).expect("a role"),
        None => common::main_warm(TESTS),
    }
}

/// Whether this kernel has it. If not, the refusal has its type.
fn is_there() -> bool {
    let (socket, _other) = UnixStream::pair().unwrap();
    let is_there = kernel() >= (6, 5);
    for result in [Pidfd::from_peer(&socket).map(drop), Pidfd::set_passing(&socket, true)] {
        match is_there {
            true => result.unwrap(),
            false => assert_eq!(result.unwrap_err().kind(), ErrorKind::Unsupported),
        }
    }
    is_there
}

/// Connects, and lives until its standard input ends.
fn client() {
    let _socket = UnixStream::connect(std::env::args_os().nth(1).unwrap()).unwrap();
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

/// A client, and our end of its connection.
fn connected(directory: &Dir) -> (Child, UnixStream) {
    let path = directory.path().join("socket");
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).unwrap();
    let client = reexec("client").arg(&path).stdin(Stdio::piped()).spawn().unwrap();
    (client, listener.accept().unwrap().0)
}

fn who_has_connected() {
    if !is_there() {
        return;
    }
    let directory = Dir::new();
    check_leaks(|| {
        let (mut client, socket) = connected(&directory);
        let peer = Pidfd::from_peer(&socket).unwrap();
        assert_eq!(peer.pid().unwrap(), Some(client.id()));
        if let Ok(info) = peer.info() {
            assert_eq!(info.effective_uid(), Some(rustix::process::geteuid().as_raw()));
        }
        // It is watched like any other.
        let set = ChildSet::new().unwrap();
        set.insert(peer, "peer").unwrap();
        assert!(set.try_wait().unwrap().is_none());
        drop(client.stdin.take());
        let exited = set.wait(None).unwrap().unwrap();
        assert!(exited.exit.unwrap().success());
    });
}

/// A peer that was reaped: its exit status (Linux 6.16), or that it is gone.
fn is_known_or_gone(peer: std::io::Result<Pidfd>) {
    match peer {
        Ok(peer) => {
            assert!(kernel() >= (6, 16));
            assert_eq!(peer.wait().unwrap().signal(), Some(Signal::KILL));
            assert_eq!(Gone::from_io_error(&peer.pid().unwrap_err()), Some(Gone::Reaped));
        }
        Err(error) => {
            assert!(kernel() < (6, 16), "{error}");
            assert_eq!(Gone::from_io_error(&error), Some(Gone::Reaped), "{error}");
        }
    }
}

fn who_has_gone() {
    if !is_there() {
        return;
    }
    let directory = Dir::new();
    check_leaks(|| {
        let (mut client, socket) = connected(&directory);
        client.kill().unwrap();
        client.wait().unwrap();
        is_known_or_gone(Pidfd::from_peer(&socket));
    });
}

/// A shell whose standard output is the socket.
fn shell(script: &str, socket: &UnixStream) -> Child {
    let stdout = OwnedFd::from(socket.try_clone().unwrap());
    Command::new("sh").args(["-c", script]).stdin(Stdio::piped()).stdout(stdout).spawn().unwrap()
}

fn who_has_sent() {
    if !is_there() {
        return;
    }
    check_leaks(|| {
        let (socket, other) = UnixStream::pair().unwrap();
        Pidfd::set_passing(&socket, true).unwrap();
        let mut children = [(); 2].map(|()| shell("echo $$; read line", &other));
        // They share one end, which this process has made.
        let mut found = children.each_ref().map(|_| {
            let mut buffer = [0; 64];
            let (length, sender) = Pidfd::recv(&socket, &mut buffer).unwrap();
            let said = std::str::from_utf8(&buffer[..length]).unwrap().trim().parse().unwrap();
            assert_eq!(sender.unwrap().unwrap().pid().unwrap(), Some(said));
            said
        });
        found.sort_unstable();
        let mut ids = children.each_ref().map(Child::id);
        ids.sort_unstable();
        assert_eq!(found, ids);
        assert_eq!(Pidfd::from_peer(&socket).unwrap().pid().unwrap(), Some(std::process::id()));
        for child in &mut children {
            drop(child.stdin.take());
            child.wait().unwrap();
        }
        drop(other);
        let (length, sender) = Pidfd::recv(&socket, &mut [0; 8]).unwrap();
        assert_eq!((length, sender.unwrap().is_none()), (0, true));
        // Nothing blocks.
        let (socket, _other) = UnixStream::pair().unwrap();
        socket.set_nonblocking(true).unwrap();
        let error = Pidfd::recv(&socket, &mut [0; 8]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
    });
}

fn who_has_sent_and_gone() {
    if !is_there() {
        return;
    }
    check_leaks(|| {
        let (socket, mut other) = UnixStream::pair().unwrap();
        Pidfd::set_passing(&socket, true).unwrap();
        let child = shell("echo hello; kill -KILL $$", &other);
        assert_eq!(reap_by_pid(child.id()), libc::SIGKILL);
        other.write_all(b"not his").unwrap();
        let mut buffer = [0; 64];
        let (length, sender) = Pidfd::recv(&socket, &mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"hello\n");
        is_known_or_gone(sender.map(Option::unwrap));
        let (length, sender) = Pidfd::recv(&socket, &mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"not his");
        assert_eq!(sender.unwrap().unwrap().pid().unwrap(), Some(std::process::id()));
    });
}

/// Sends a byte with so many descriptors.
fn send_with(socket: impl AsFd, count: usize) {
    let null = File::open("/dev/null").unwrap();
    let fds: Vec<BorrowedFd<'_>> = vec![null.as_fd(); count];
    let mut space = vec![std::mem::MaybeUninit::uninit(); 4096];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
    sendmsg(socket, &[IoSlice::new(b"x")], &mut control, SendFlags::empty()).unwrap();
}

/// As many as can come with one message, which come before the pidfd.
fn what_else_comes_is_closed() {
    if !is_there() {
        return;
    }
    check_leaks(|| {
        let (socket, other) = UnixDatagram::pair().unwrap();
        Pidfd::set_passing(&socket, true).unwrap();
        for count in [1, 253] {
            send_with(&other, count);
            let (length, sender) = Pidfd::recv(&socket, &mut [0; 8]).unwrap();
            assert_eq!(length, 1);
            assert_eq!(sender.unwrap().unwrap().pid().unwrap(), Some(std::process::id()));
        }
    });
}

/// Works on every kernel: nothing is asked for.
fn not_switched_on() {
    check_leaks(|| {
        let (socket, mut other) = UnixStream::pair().unwrap();
        other.write_all(b"hello").unwrap();
        let mut buffer = [0; 3];
        let (length, sender) = Pidfd::recv(&socket, &mut buffer).unwrap();
        assert_eq!((length, &buffer, sender.unwrap().is_none()), (3, b"hel", true));
        send_with(&other, 3);
        let mut left = 3;
        while left > 0 {
            left -= Pidfd::recv(&socket, &mut buffer).unwrap().0;
        }
        if kernel() >= (6, 5) {
            Pidfd::set_passing(&socket, true).unwrap();
            Pidfd::set_passing(&socket, false).unwrap();
            other.write_all(b"x").unwrap();
            assert!(Pidfd::recv(&socket, &mut buffer).unwrap().1.unwrap().is_none());
        }
    });
}

fn other_sockets() {
    let null = File::open("/dev/null").unwrap();
    for result in [Pidfd::from_peer(&null).map(drop), Pidfd::set_passing(&null, true)] {
        assert_eq!(result.unwrap_err().raw_os_error(), Some(libc::ENOTSOCK));
    }
    assert_eq!(Pidfd::recv(&null, &mut [0; 8]).unwrap_err().raw_os_error(), Some(libc::ENOTSOCK));
    if !is_there() {
        return;
    }
    let unconnected = UnixDatagram::unbound().unwrap();
    assert_eq!(Pidfd::from_peer(&unconnected).unwrap_err().raw_os_error(), Some(libc::ENODATA));
    // A machine may have no network.
    if let Ok(listener) = TcpListener::bind("127.0.0.1:0") {
        assert_eq!(Pidfd::from_peer(&listener).unwrap_err().raw_os_error(), Some(libc::ENODATA));
        // 6.5 to 6.15 took the option, to no effect.
        match Pidfd::set_passing(&listener, true) {
            Ok(()) => assert!(kernel() < (6, 16)),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Unsupported),
        }
    }
}

/// What was sent is not lost with the sender.
fn no_descriptor_is_left() {
    if !is_there() {
        return;
    }
    check_leaks(|| {
        let (socket, mut other) = UnixStream::pair().unwrap();
        Pidfd::set_passing(&socket, true).unwrap();
        other.write_all(b"x").unwrap();
        let limit = Limit::with_spare(0);
        let error = Pidfd::from_peer(&socket).unwrap_err();
        let (length, sender) = Pidfd::recv(&socket, &mut [0; 8]).unwrap();
        drop(limit);
        assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
        assert_eq!((length, sender.unwrap_err().raw_os_error()), (1, Some(libc::EMFILE)));
    });
}

fn numbers_above_2() {
    if !is_there() {
        return;
    }
    let (socket, mut other) = UnixStream::pair().unwrap();
    Pidfd::set_passing(&socket, true).unwrap();
    other.write_all(b"x").unwrap();
    // SAFETY: nothing of this process reads it.
    unsafe { libc::close(0) };
    let peer = Pidfd::from_peer(&socket).unwrap();
    assert!(peer.as_raw_fd() > 2);
    assert!(Pidfd::recv(&socket, &mut [0; 8]).unwrap().1.unwrap().unwrap().as_raw_fd() > 2);
    assert!(peer.identity().unwrap().open().unwrap().as_raw_fd() > 2);
    if kernel() >= (6, 9) {
        assert!(Pidfd::open_thread(std::process::id()).unwrap().as_raw_fd() > 2);
    }
    if kernel() >= (6, 11) {
        assert!(peer.namespace(childset::Namespace::Uts).unwrap().as_raw_fd() > 2);
    }
}

fn in_a_copy() {
    if !is_there() {
        return;
    }
    let (socket, mut other) = UnixStream::pair().unwrap();
    Pidfd::set_passing(&socket, true).unwrap();
    let maker = std::process::id();
    let code = in_copy(|| {
        // Who made the socket, and who sends.
        assert_eq!(Pidfd::from_peer(&socket).unwrap().pid().unwrap(), Some(maker));
        other.write_all(b"x").unwrap();
        let (_, sender) = Pidfd::recv(&socket, &mut [0; 8]).unwrap();
        assert_eq!(sender.unwrap().unwrap().pid().unwrap(), Some(std::process::id()));
        7
    });
    assert_eq!(code, 7);
}
