//! The input of a child, meanwhile.

use std::io::Write;
use std::time::Duration;

use childset::{Command, Stdio};

use crate::{both, both_and_clean, common, sh};

#[test]
fn large_input_through_a_chatty_child() {
    let size = common::times(10_000_000) as u32;
    let input: Vec<u8> = (0..size).map(|number| (number % 251) as u8).collect();
    let make = || Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    both(make, &input, |output| {
        assert!(output.exit.success() && !output.pipe_open);
        assert!(output.stdout == input);
    });
}

#[test]
fn input_that_nobody_reads() {
    // More than a pipe holds. One script reads it byte by byte.
    let input = vec![b'x'; 1 << 17];
    for script in ["exit 4", "exec <&-; exit 4", "read -r line <&0; exit 4", "head -c 10 >&2; exit 4"] {
        both(
            || sh(script).stdin(Stdio::piped()).spawn().unwrap(),
            &input,
            |output| {
                assert_eq!((output.exit.code(), output.pipe_open), (Some(4), false), "{script}");
            },
        );
    }
    // Closed, while the child goes on and writes.
    both(
        || sh("exec <&-; head -c 300000 /dev/zero; exit 4").stdin(Stdio::piped()).spawn().unwrap(),
        &input,
        |output| {
            assert_eq!((output.exit.code(), output.stdout.len()), (Some(4), 300_000));
        },
    );
    // Held by a grandchild that does not read it.
    both_and_clean(
        || sh("exec 3<&0; (sleep 60 <&3 >/dev/null 2>&1) & exit 4").stdin(Stdio::piped()).spawn().unwrap(),
        &input,
        |output| assert_eq!(output.exit.code(), Some(4)),
    );
}

/// It is all that there is to wait for, for a while.
#[test]
fn large_input_of_a_silent_child() {
    let input = vec![b'x'; 1 << 20];
    both(
        || sh("sleep 0.05; test $(wc -c) = 1048576 && exit 4").stdin(Stdio::piped()).spawn().unwrap(),
        &input,
        |output| assert_eq!((output.exit.code(), output.stdout.len()), (Some(4), 0)),
    );
}

#[test]
fn standard_input_stays_open_unasked() {
    let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    assert_eq!(child.try_wait().unwrap(), None);
    assert_eq!(child.wait_timeout(Duration::from_millis(20)).unwrap(), None);
    #[cfg(feature = "async-io")]
    {
        use futures_lite::future::{block_on, poll_once};
        assert!(block_on(poll_once(child.exit())).is_none());
        assert!(block_on(poll_once(child.status())).is_none());
    }
    let stdin = child.stdin.take().unwrap();
    stdin.blocking().write_all(b"still open").unwrap();
    assert_eq!(child.try_wait().unwrap(), None);
    drop(stdin);
    assert!(child.wait().unwrap().success());
}
