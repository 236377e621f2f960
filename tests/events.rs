//! What a child writes, line by line, and its end; limits of its output; closing its input.

#![allow(unsafe_code)]

mod common;

use std::io::Write;
use std::time::{Duration, Instant};

use childset::{Child, Command, Event, Events, Limit, Signal, SpawnError, Stdio};
use common::{piped_sh, Rest};

const LONG: Duration = Duration::from_secs(30);

fn all(mut events: Events) -> Vec<Event> {
    std::iter::from_fn(|| events.wait().unwrap()).collect()
}

#[cfg(feature = "async-io")]
fn all_awaited(mut events: Events) -> Vec<Event> {
    futures_lite::future::block_on(async {
        let mut all = Vec::new();
        while let Some(event) = events.next().await {
            all.push(event.unwrap());
        }
        assert!(events.next().await.is_none());
        all
    })
}

/// The same with this thread blocked, and awaited.
fn both(make: impl Fn() -> Child, check: impl Fn(Vec<Event>)) {
    let rest = |child: &Child| Rest(child.handle());
    let child = make();
    let _rest = rest(&child);
    check(all(child.events().unwrap()));
    #[cfg(feature = "async-io")]
    {
        let child = make();
        let _rest = rest(&child);
        check(all_awaited(child.events().unwrap()));
    }
}

/// The lines of standard output and of standard error, and whether a pipe was open at the end.
fn sorted(events: Vec<Event>) -> (String, String, bool) {
    let (mut out, mut err, mut end) = (Vec::new(), Vec::new(), None);
    for event in events {
        assert!(end.is_none(), "nothing comes after the end");
        match event {
            Event::Stdout(line) => out.extend(line),
            Event::Stderr(line) => err.extend(line),
            Event::Exited { pipe_open, .. } => end = Some(pipe_open),
            _ => unreachable!(),
        }
    }
    (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap(), end.expect("an end"))
}

#[test]
fn lines_and_the_end() {
    both(
        || piped_sh("echo one; printf 'two\\nthree'; echo err >&2; exit 4").spawn().unwrap(),
        |events| {
            let lines: Vec<_> = events.iter().filter(|event| matches!(event, Event::Stdout(_))).collect();
            let [one, two, three] = ["one\n", "two\n", "three"].map(|line| Event::Stdout(line.into()));
            assert_eq!(lines, [&one, &two, &three]);
            match events.last() {
                Some(Event::Exited { exit, pipe_open: false }) => assert_eq!(exit.code(), Some(4)),
                other => panic!("{other:?}"),
            }
            assert_eq!(sorted(events).1, "err\n");
        },
    );
}

#[test]
fn it_closes_a_pipe_and_lives() {
    both(
        || piped_sh("exec 2>&-; sleep 0.2; echo late").spawn().unwrap(),
        |events| assert_eq!(sorted(events), ("late\n".into(), "".into(), false)),
    );
    // Both, and it lives still.
    both(
        || piped_sh("exec >&- 2>&-; sleep 0.2; exit 3").spawn().unwrap(),
        |events| match &events[..] {
            [Event::Exited { exit, pipe_open: false }] => assert_eq!(exit.code(), Some(3)),
            other => panic!("{other:?}"),
        },
    );
}

#[test]
fn the_last_line_comes_at_the_end_of_its_pipe() {
    let mut child = piped_sh("printf last; exec >&- 2>&-; read line").stdin(Stdio::piped()).spawn().unwrap();
    let stdin = child.stdin.take();
    let mut events = child.events().unwrap();
    assert_eq!(events.wait().unwrap(), Some(Event::Stdout(b"last".to_vec())));
    drop(stdin);
    assert!(matches!(events.wait().unwrap(), Some(Event::Exited { pipe_open: false, .. })));
}

#[test]
fn nothing_before_the_exit_is_lost() {
    let expected: String = (1..=5000).map(|number| format!("{number}\n")).collect();
    for _ in 0..20 {
        both(
            || piped_sh("seq 5000; echo err >&2").spawn().unwrap(),
            |events| assert_eq!(sorted(events), (expected.clone(), "err\n".into(), false)),
        );
    }
}

#[test]
fn what_is_in_the_pipe_at_the_exit_is_read_whatever_the_limit() {
    let start = || {
        let mut child = piped_sh("head -c 900000 /dev/zero; sleep 60 & exit").spawn().unwrap();
        rustix::pipe::fcntl_setpipe_size(child.stdout.as_ref().unwrap(), 1 << 20).unwrap();
        common::until_ended(child.pidfd());
        child.set_drain_limit(Duration::from_millis(1));
        child
    };
    captured(
        start,
        |capture| capture,
        |captured| assert_eq!((captured.stdout.len(), captured.pipe_open), (900_000, true)),
    );
}

#[test]
fn somebody_else_holds_the_pipe() {
    both(
        || piped_sh("sleep 60 & echo mine").spawn().unwrap(),
        |events| assert_eq!(sorted(events), ("mine\n".into(), "".into(), true)),
    );
    // And writes all the time.
    let start = Instant::now();
    both(
        || {
            let mut child = piped_sh("(while sleep 0.01; do echo more; done) & echo mine").spawn().unwrap();
            child.set_drain_limit(Duration::from_millis(300));
            child
        },
        |events| {
            let (out, _, pipe_open) = sorted(events);
            assert!(out.starts_with("mine\n") && out.contains("more\n") && pipe_open, "{out}");
        },
    );
    assert!(start.elapsed() < LONG);
}

#[test]
fn chunks_come_at_once() {
    let mut command = piped_sh("printf 'no newline'; read line; printf ' there'");
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let stdin = child.stdin.take().unwrap();
    let mut events = child.events().unwrap().chunks();
    assert_eq!(events.wait().unwrap(), Some(Event::Stdout(b"no newline".to_vec())));
    stdin.blocking().write_all(b"go on\n").unwrap();
    assert_eq!(events.wait().unwrap(), Some(Event::Stdout(b" there".to_vec())));
    assert!(matches!(events.wait().unwrap(), Some(Event::Exited { .. })));
    assert_eq!(events.wait().unwrap(), None);
}

#[test]
fn of_a_program_that_is_not_there() {
    let child = Command::new("/no/such/program").stdout(Stdio::piped()).launch();
    let error = child.and_then(|child| child.events()?.wait()).unwrap_err();
    assert_eq!(SpawnError::from_io_error(&error).unwrap().errno(), libc::ENOENT);
}

#[cfg(feature = "async-io")]
#[test]
fn a_dropped_next_loses_nothing() {
    use futures_lite::future::{block_on, poll_once};

    block_on(async {
        let mut command = piped_sh("for i in 1 2 3 4 5; do echo $i; sleep 0.02; done");
        let mut events = command.spawn().unwrap().events().unwrap();
        let mut lines = Vec::new();
        loop {
            match poll_once(events.next()).await {
                None => async_io::Timer::after(Duration::from_millis(1)).await,
                Some(Some(Ok(Event::Stdout(line)))) => {
                    lines.extend(line);
                    continue;
                }
                Some(Some(Ok(Event::Exited { .. }))) => break,
                Some(other) => panic!("{other:?}"),
            };
        }
        assert_eq!(lines, b"1\n2\n3\n4\n5\n");
    });
}

/// A capture, with this thread blocked, and awaited.
fn captured(
    make: impl Fn() -> Child,
    limit: impl Fn(childset::Capture) -> childset::Capture,
    check: impl Fn(childset::Captured),
) {
    check(limit(make().capture()).wait().unwrap());
    #[cfg(feature = "async-io")]
    check(
        futures_lite::future::block_on(std::future::IntoFuture::into_future(limit(make().capture())))
            .unwrap(),
    );
}

#[test]
fn limits_keep_what_was_read() {
    let time = Duration::from_millis(300);
    captured(
        || piped_sh("echo early; sleep 60 & sleep 60; echo late").spawn().unwrap(),
        |capture| capture.time_limit(time),
        |captured| {
            assert_eq!((captured.limit, captured.exit.signal()), (Some(Limit::Time), Some(Signal::KILL)));
            assert_eq!((&captured.stdout[..], captured.pipe_open), (&b"early\n"[..], false));
        },
    );
    captured(
        || piped_sh("yes | head -c 1000000; sleep 60").spawn().unwrap(),
        |capture| capture.size_limit(500_000),
        |captured| {
            assert_eq!((captured.limit, captured.stdout.len()), (Some(Limit::Size), 500_000));
            assert_eq!(captured.exit.signal(), Some(Signal::KILL));
        },
    );
    // Not reached; exactly so many bytes are not too many.
    captured(
        || piped_sh("printf 12345; printf 678 >&2; exit 5").spawn().unwrap(),
        |capture| capture.size_limit(8).time_limit(LONG),
        |captured| assert_eq!((captured.limit, captured.exit.code()), (None, Some(5))),
    );
    captured(
        || piped_sh("printf 12345; exec >&-; printf 6789 >&2; sleep 60").spawn().unwrap(),
        |capture| capture.size_limit(8),
        |captured| {
            assert_eq!(captured.limit, Some(Limit::Size));
            assert_eq!(captured.stdout.len() + captured.stderr.len(), 8);
        },
    );
    // The child has ended, and what it left behind writes on.
    captured(
        || {
            let mut child = piped_sh("(while sleep 0.01; do echo more; done) & exit 6").spawn().unwrap();
            child.set_drain_limit(LONG);
            child
        },
        |capture| capture.time_limit(time),
        |captured| assert_eq!((captured.limit, captured.exit.code()), (Some(Limit::Time), Some(6))),
    );
}

#[test]
fn output_has_an_end_by_default() {
    let mut command = piped_sh("(while sleep 0.1; do echo more; done) & echo mine");
    let start = Instant::now();
    let child = command.spawn().unwrap();
    let _rest = Rest(child.handle());
    let output = child.wait_with_output().unwrap();
    assert!(output.stdout.starts_with(b"mine\n"));
    assert!(start.elapsed() < LONG);
}

#[cfg(feature = "async-io")]
#[test]
fn closing_closes() {
    use std::io::ErrorKind;
    use std::os::fd::AsFd;

    use futures_lite::{future::block_on, AsyncWriteExt};

    block_on(async {
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        AsyncWriteExt::write_all(&mut stdin, b"hello").await.unwrap();
        stdin.close().await.unwrap();
        stdin.close().await.unwrap();
        assert_eq!(child.output().await.unwrap().stdout, b"hello");
        let error = AsyncWriteExt::write(&mut stdin, b"more").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        assert_eq!(stdin.blocking().write(b"more").unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert!(rustix::io::fcntl_getfd(stdin.as_fd()).is_ok());
    });
}

#[test]
fn a_child_that_reads_nothing_is_no_signal() {
    let code = common::in_copy(|| {
        // SAFETY: no handler is set.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        for _ in 0..20 {
            let child = Command::new("true").stdin(Stdio::piped()).spawn().unwrap();
            assert!(child.wait_with_input(vec![b'y'; 1_000_000]).unwrap().status.success());
        }
        // Nothing is left pending, and the signal is not blocked.
        // SAFETY: the sets are filled by the calls.
        let (pending, blocked) = unsafe {
            let (mut pending, mut mask) = std::mem::zeroed::<(libc::sigset_t, libc::sigset_t)>();
            libc::sigpending(&mut pending);
            libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), &mut mask);
            (libc::sigismember(&pending, libc::SIGPIPE), libc::sigismember(&mask, libc::SIGPIPE))
        };
        (pending + blocked) as u8
    });
    assert_eq!(code, 0);
}
