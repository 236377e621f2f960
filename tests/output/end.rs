//! When the output is taken to be all.

use std::io::Write;
use std::time::{Duration, Instant};

use childset::{Command, Signal, Stdio};

use crate::{both, both_and_clean, common, sh, LONG};

#[test]
fn simple() {
    both(
        || sh("echo out; echo err >&2; exit 5").spawn().unwrap(),
        b"",
        |output| {
            assert_eq!((&output.stdout[..], &output.stderr[..]), (&b"out\n"[..], &b"err\n"[..]));
            assert_eq!((output.exit.code(), output.pipe_open), (Some(5), false));
            assert!(output.exit.usage().is_some());
            let std = std::process::Output::from(output.clone());
            assert_eq!((std.stdout, std.status), (output.stdout, output.exit.status()));
        },
    );
    // Nothing is piped.
    both(
        || Command::new("true").spawn().unwrap(),
        b"ignored",
        |output| {
            assert!(output.exit.success() && output.stdout.is_empty() && output.stderr.is_empty());
        },
    );
}

#[test]
fn a_grandchild_holds_the_pipe() {
    let begin = Instant::now();
    both_and_clean(
        || sh("echo hello; sleep 60 & exit 0").spawn().unwrap(),
        b"",
        |output| {
            assert_eq!(
                (&output.stdout[..], output.exit.code(), output.pipe_open),
                (&b"hello\n"[..], Some(0), true)
            );
        },
    );
    assert!(begin.elapsed() >= 2 * Duration::from_millis(200) || cfg!(not(feature = "async-io")));
    assert!(begin.elapsed() < LONG);
    // Of one pipe alone.
    both_and_clean(
        || sh("echo hello; sleep 60 2>&- & exit 0").spawn().unwrap(),
        b"",
        |output| assert!(output.pipe_open && output.stdout == b"hello\n"),
    );
    // No grace at all.
    let make = || {
        let mut child = sh("echo hello; sleep 60 & exit 0").spawn().unwrap();
        child.set_drain_grace(Duration::ZERO);
        child
    };
    both_and_clean(make, b"", |output| assert!(output.pipe_open && output.stdout == b"hello\n"));
}

#[test]
fn the_grace_is_armed_again_by_data() {
    let make = || {
        let script = "(for n in 1 2 3 4 5 6 7 8; do sleep 0.25; echo $n; done; sleep 60) & echo 0; exit 0";
        let mut child = sh(script).spawn().unwrap();
        child.set_drain_grace(Duration::from_millis(1000));
        child
    };
    // In all it takes twice as long as the grace; each silence is shorter.
    both_and_clean(make, b"", |output| {
        assert_eq!(String::from_utf8_lossy(&output.stdout), "0\n1\n2\n3\n4\n5\n6\n7\n8\n");
        assert!(output.pipe_open);
    });
    // A grandchild that ends within the grace closes the pipe.
    let make = || {
        let mut child = sh("(sleep 0.1; echo late) & exit 0").spawn().unwrap();
        child.set_drain_grace(Duration::MAX);
        child
    };
    both_and_clean(make, b"", |output| assert!(!output.pipe_open && output.stdout == b"late\n"));
}

#[test]
fn nothing_written_before_the_exit_is_lost() {
    // A pipe this large takes all at once, so that nothing was read when the child ends.
    let make = || {
        let mut child =
            sh("sleep 60 & read go; head -c 1000000 /dev/zero; head -c 1000000 /dev/zero >&2; exit 3");
        let mut child = child.stdin(Stdio::piped()).spawn().unwrap();
        child.set_drain_grace(Duration::ZERO);
        for fd in [
            child.stdout.as_ref().map(std::os::fd::AsFd::as_fd),
            child.stderr.as_ref().map(std::os::fd::AsFd::as_fd),
        ] {
            rustix::pipe::fcntl_setpipe_size(fd.unwrap(), 1 << 20).unwrap();
        }
        child.stdin.as_ref().unwrap().blocking().write_all(b"go\n").unwrap();
        common::until_ended(child.pidfd());
        child
    };
    both_and_clean(make, b"", |output| {
        assert_eq!((output.stdout.len(), output.stderr.len()), (1_000_000, 1_000_000));
        assert!(output.pipe_open && output.exit.code() == Some(3));
    });
    // Where the other pipe is at its end long since.
    let make = || {
        let mut child = sh("exec >&-; read go; head -c 1000000 /dev/zero >&2; exit 3");
        let child = child.stdin(Stdio::piped()).spawn().unwrap();
        rustix::pipe::fcntl_setpipe_size(child.stderr.as_ref().unwrap(), 1 << 20).unwrap();
        child.stdin.as_ref().unwrap().blocking().write_all(b"go\n").unwrap();
        common::until_ended(child.pidfd());
        child
    };
    both(make, b"", |output| {
        assert_eq!((output.stderr.len(), output.exit.code(), output.pipe_open), (1_000_000, Some(3), false));
    });
    // And while it is read.
    both_and_clean(
        || sh("sleep 60 & head -c 5000000 /dev/zero; exit 3").spawn().unwrap(),
        b"",
        |output| {
            assert_eq!(output.stdout.len(), 5_000_000);
        },
    );
}

#[test]
fn both_pipes_filled_alternately() {
    let script = "for n in 1 2 3 4 5 6 7 8; do head -c 100000 /dev/zero; head -c 100000 /dev/zero >&2; done";
    both(
        || sh(script).spawn().unwrap(),
        b"",
        |output| {
            assert_eq!((output.stdout.len(), output.stderr.len()), (800_000, 800_000));
        },
    );
}

#[test]
fn cut_off_by_a_kill() {
    both(
        || sh("echo first; kill -9 $$; echo lost").spawn().unwrap(),
        b"",
        |output| {
            assert_eq!((&output.stdout[..], output.exit.signal()), (&b"first\n"[..], Some(Signal::KILL)));
        },
    );
}
