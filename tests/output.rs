//! What a child wrote, when it is taken to be all, and how a child is ended.

#![allow(unsafe_code)]

mod common;

#[cfg(feature = "async-io")]
use std::future::IntoFuture;
use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use childset::{Captured, Child, Command, Containment, Signal, Stdio};

/// The same awaited, and with this thread blocked.
fn both(mut make: impl FnMut() -> Child, input: &[u8], check: impl Fn(Captured)) {
    check(make().capture().input(input).wait().unwrap());
    #[cfg(feature = "async-io")]
    check(futures_lite::future::block_on(make().capture().input(input).into_future()).unwrap());
}

fn sh(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]).process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Ends what a child left behind, as far as it stayed in its group.
struct Group(childset::Pidfd);

impl Group {
    fn of(child: &Child) -> Group {
        Group(child.pidfd().try_clone().unwrap())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = self.0.send_signal_to_group(Signal::KILL);
    }
}

/// With processes left behind, which no kernel before 6.9 lets us end by the pidfd of their leader.
fn both_and_clean(make: impl Fn() -> Child, input: &[u8], check: impl Fn(Captured)) {
    let groups = std::cell::RefCell::new(Vec::new());
    let make = || {
        let child = make();
        groups.borrow_mut().push(Group::of(&child));
        child
    };
    both(make, input, check);
}

/// As long as it takes on a loaded machine, and less than what is waited for if something is wrong.
const LONG: Duration = Duration::from_secs(30);

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

#[test]
fn terminated() {
    let honours = || sh("echo; exec sleep 60").spawn().unwrap();
    let ignores = || sh("trap '' TERM; echo; while :; do sleep 60; done").spawn().unwrap();
    let cleans_up = || sh("trap 'exit 9' TERM; echo; while :; do sleep 0.01; done").spawn().unwrap();
    let ready = |child: &mut Child| child.stdout.as_ref().unwrap().blocking().read_exact(&mut [0]).unwrap();
    type Make<'a> = &'a dyn Fn() -> Child;
    let cases: [(Make<'_>, Duration, Option<Signal>, Option<i32>); 4] = [
        (&honours, LONG, Some(Signal::TERM), None),
        (&cleans_up, LONG, None, Some(9)),
        (&ignores, Duration::from_millis(50), Some(Signal::KILL), None),
        (&ignores, Duration::ZERO, Some(Signal::KILL), None),
    ];
    for (make, grace, signal, code) in cases {
        let begin = Instant::now();
        let mut child = make();
        ready(&mut child);
        let group = Group::of(&child);
        let exit = child.wait_terminated(grace).unwrap();
        assert_eq!((exit.signal(), exit.code()), (signal, code));
        // Again: nothing is sent to what has ended.
        assert_eq!(child.wait_terminated(grace).unwrap(), exit);
        drop(group);
        #[cfg(feature = "async-io")]
        {
            let mut child = make();
            ready(&mut child);
            let group = Group::of(&child);
            let exit = futures_lite::future::block_on(child.terminate(grace)).unwrap();
            assert_eq!((exit.signal(), exit.code()), (signal, code));
            assert_eq!(futures_lite::future::block_on(child.terminate(grace)).unwrap(), exit);
            drop(group);
        }
        let elapsed = begin.elapsed();
        assert!(elapsed < LONG && (signal != Some(Signal::KILL) || elapsed >= grace));
    }
}

#[test]
fn wait_with_a_timeout() {
    let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let begin = Instant::now();
    assert_eq!(child.wait_timeout(Duration::from_millis(30)).unwrap(), None);
    assert!(begin.elapsed() >= Duration::from_millis(30));
    assert_eq!(child.wait_timeout(Duration::ZERO).unwrap(), None);
    drop(child.stdin.take());
    assert!(child.wait_timeout(Duration::MAX).unwrap().unwrap().success());
    assert!(child.wait_timeout(Duration::ZERO).unwrap().unwrap().success());
}

#[test]
fn killed_with_all_that_it_started() {
    let mut child = sh("sleep 60 & sleep 60 & echo; wait").stdin(Stdio::piped()).spawn().unwrap();
    child.stdout.as_ref().unwrap().blocking().read_exact(&mut [0]).unwrap();
    assert_eq!(child.kill_tree().unwrap(), Containment::ProcessGroup);
    assert_eq!(child.wait().unwrap().signal(), Some(Signal::KILL));
    // End of file: all of them are gone.
    assert_eq!(child.stdout.take().unwrap().blocking().read_to_end(&mut Vec::new()).unwrap(), 0);
    match child.kill_tree() {
        Ok(containment) => {
            assert_eq!(containment, Containment::ProcessGroup, "that nobody is left is no error")
        }
        // Before 6.9 the number of the group may be another's by now.
        Err(error) => {
            assert!(common::kernel() < (6, 9) && error.kind() == ErrorKind::Unsupported, "{error}");
        }
    }

    // A group with nobody else in it is gone with its leader.
    let alone = Command::new("sleep").arg("60").process_group(0).spawn().unwrap();
    alone.kill().unwrap();
    alone.wait().unwrap();
    match alone.kill_tree() {
        Ok(containment) => assert_eq!(containment, Containment::ProcessGroup),
        Err(error) => {
            assert!(common::kernel() < (6, 9) && error.kind() == ErrorKind::Unsupported, "{error}");
        }
    }

    // The leader has ended and was reaped; what it left is still reached (Linux 6.9).
    if common::kernel() >= (6, 9) {
        let mut child = sh("exec 3>&1; sleep 60 & exit 0").spawn().unwrap();
        assert!(child.wait().unwrap().success());
        assert_eq!(child.kill_tree().unwrap(), Containment::ProcessGroup);
        assert_eq!(child.stdout.take().unwrap().blocking().read_to_end(&mut Vec::new()).unwrap(), 0);
    }
    let mut session = Command::new("sh");
    session.args(["-c", "sleep 60 & echo; wait"]).setsid(true).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = session.spawn().unwrap();
    child.stdout.as_ref().unwrap().blocking().read_exact(&mut [0]).unwrap();
    assert_eq!(child.kill_tree().unwrap(), Containment::ProcessGroup);
    assert_eq!(child.stdout.take().unwrap().blocking().read_to_end(&mut Vec::new()).unwrap(), 0);
    assert_eq!(child.wait().unwrap().signal(), Some(Signal::KILL));

    // A member of another's group is no leader.
    let mut leader = Command::new("cat");
    leader.stdin(Stdio::piped()).stdout(Stdio::null()).process_group(0);
    let leader = leader.spawn().unwrap();
    let member = Command::new("sleep").arg("60").process_group(leader.id() as i32).spawn().unwrap();
    assert_eq!(member.kill_tree().unwrap(), Containment::Process);
    assert_eq!(member.wait().unwrap().signal(), Some(Signal::KILL));
    assert_eq!(leader.try_wait().unwrap(), None);
    leader.kill().unwrap();
    leader.wait().unwrap();

    let child = Command::new("sleep").arg("60").spawn().unwrap();
    assert_eq!(child.kill_tree().unwrap(), Containment::Process);
    assert_eq!(child.wait().unwrap().signal(), Some(Signal::KILL));
    assert_eq!(child.kill_tree().unwrap(), Containment::Process);
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

#[cfg(feature = "async-io")]
mod awaited {
    use super::*;

    use futures_lite::future::{block_on, poll_once, zip};
    use futures_lite::{AsyncReadExt, AsyncWriteExt};

    #[test]
    fn one_status_for_all_who_wait() {
        let (mut child, stdin) = held();
        let (first, second) = (child.status(), child.exit());
        std::thread::scope(|scope| {
            let other = scope.spawn(|| child.wait().unwrap());
            let first = scope.spawn(|| block_on(first).unwrap());
            let second = scope.spawn(|| block_on(second).unwrap());
            drop(stdin);
            let exit = other.join().unwrap();
            assert_eq!(exit.code(), Some(6));
            assert_eq!((first.join().unwrap(), second.join().unwrap()), (exit.status(), exit));
        });
        assert_eq!(block_on(child.status()).unwrap().code(), Some(6));
        assert_eq!(child.try_status().unwrap().unwrap().code(), Some(6));
        assert_eq!(child.wait().unwrap().code(), Some(6));
        assert!(child.stdout.take().is_none());
    }

    fn held() -> (Child, childset::ChildStdin) {
        let mut command = Command::new("sh");
        let mut child = command.args(["-c", "read line; exit 6"]).stdin(Stdio::piped()).spawn().unwrap();
        let stdin = child.stdin.take().unwrap();
        (child, stdin)
    }

    #[test]
    fn two_waiters_in_one_task() {
        let (child, stdin) = held();
        let mut both = std::pin::pin!(zip(child.status(), child.exit()));
        assert!(block_on(poll_once(&mut both)).is_none());
        drop(stdin);
        let (status, exit) = block_on(both);
        assert_eq!((status.unwrap().code(), exit.unwrap().code()), (Some(6), Some(6)));
    }

    #[test]
    fn a_status_outlives_its_child() {
        let (child, stdin) = held();
        let status = child.status();
        drop(child);
        drop(stdin);
        assert_eq!(block_on(status).unwrap().code(), Some(6));

        let (mut child, stdin) = held();
        child.set_kill_on_drop(true);
        let mut status = std::pin::pin!(child.status());
        assert!(block_on(poll_once(&mut status)).is_none());
        drop(child);
        drop(stdin);
        assert_eq!(block_on(status).unwrap().code(), Some(6));
    }

    #[test]
    fn dropped_futures_drop_the_child() {
        // Killed or not, it is reaped, by the reactor: no pidfd of a zombie stays readable without an end.
        // It runs from the first await that has to wait.
        let held = Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        assert!(block_on(poll_once(held.status())).is_none());
        drop(held);
        for polled in [false, true] {
            let mut command = Command::new("cat");
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
            let child = command.spawn().unwrap();
            let pidfd = child.pidfd().try_clone().unwrap();
            let mut output = Box::pin(child.output_with_input(vec![0; 1 << 20]));
            if polled {
                assert!(block_on(poll_once(&mut output)).is_none());
            }
            drop(output);
            common::until_reaped(&pidfd);

            let child = command.spawn().unwrap();
            let pidfd = child.pidfd().try_clone().unwrap();
            let mut status = Box::pin(child.status());
            if polled {
                assert!(block_on(poll_once(&mut status)).is_none());
            }
            drop(status);
            assert_eq!(child.try_wait().unwrap(), None, "it is no future that the child belongs to");
            drop(child);
            common::until_reaped(&pidfd);
        }
        // The command's own: dropped before it was polled, it has spawned.
        let directory = common::Dir::new();
        let path = directory.path().join("spawned");
        drop(Command::new("touch").arg(&path).status());
        while !path.exists() {
            std::thread::yield_now();
        }
    }

    #[test]
    fn defaults_of_status_and_output() {
        // Standard input is /dev/null for `output`, and ours for `status`; neither is a pipe.
        let output = block_on(Command::new("readlink").arg("/proc/self/fd/0").output()).unwrap();
        assert_eq!(output.stdout, b"/dev/null\n");
        // Where it is closed, so is the child's, and the shell itself takes the number.
        if let Ok(ours) = std::fs::read_link("/proc/self/fd/0") {
            let mut command = Command::new("sh");
            command.args(["-c", "test \"$(readlink /proc/$$/fd/0)\" = \"$0\""]).arg(&ours);
            assert!(block_on(command.status()).unwrap().success());
        }
        // What was set stays.
        let output =
            block_on(Command::new("sh").args(["-c", "echo x; echo y >&2"]).stdout(Stdio::null()).output());
        let output = output.unwrap();
        assert_eq!((&output.stdout[..], &output.stderr[..]), (&b""[..], &b"y\n"[..]));
        // A piped standard input is at its end.
        assert!(block_on(Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).status())
            .unwrap()
            .success());
        assert!(block_on(Command::new("cat").stdin(Stdio::piped()).output()).unwrap().status.success());
        // And a command serves both, in turn.
        let mut command = Command::new("echo");
        command.arg("x").stderr(Stdio::inherit());
        assert_eq!(block_on(command.output()).unwrap().stdout, b"x\n");
        assert_eq!(block_on(command.output()).unwrap().stdout, b"x\n");
    }

    #[test]
    fn pipes_are_awaited_and_block_alike() {
        block_on(async {
            let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
            AsyncWriteExt::write_all(&mut stdin, b"awaited").await.unwrap();
            let mut told = [0; 7];
            AsyncReadExt::read_exact(&mut stdout, &mut told).await.unwrap();
            assert_eq!(&told, b"awaited");
            stdin.blocking().write_all(b"blocked").unwrap();
            stdout.blocking().read_exact(&mut told).unwrap();
            assert_eq!(&told, b"blocked");
            // More than fits, both ways at once.
            let big = vec![7; 1 << 20];
            let write = async {
                AsyncWriteExt::write_all(&mut stdin, &big).await.unwrap();
                drop(stdin);
            };
            let mut all = Vec::new();
            let (_, read) = zip(write, AsyncReadExt::read_to_end(&mut stdout, &mut all)).await;
            assert_eq!((read.unwrap(), all == big), (1 << 20, true));
            assert!(child.status().await.unwrap().success());
        });
    }

    /// Many at once, on one thread.
    #[test]
    fn outputs_side_by_side() {
        let children: Vec<_> = (0..20)
            .map(|number| {
                let mut command = Command::new("sh");
                command
                    .args(["-c", "cat; head -c 200000 /dev/zero"])
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped());
                (number, Box::pin(command.spawn().unwrap().output_with_input(vec![number; 100_000])))
            })
            .collect();
        let futures = std::cell::RefCell::new(children);
        block_on(std::future::poll_fn(|context| {
            futures.borrow_mut().retain_mut(|(number, future)| {
                match std::future::Future::poll(future.as_mut(), context) {
                    std::task::Poll::Ready(output) => {
                        let output = output.unwrap().stdout;
                        assert_eq!(output.len(), 300_000);
                        assert!(output[..100_000].iter().all(|byte| byte == number));
                        false
                    }
                    std::task::Poll::Pending => true,
                }
            });
            match futures.borrow().is_empty() {
                true => std::task::Poll::Ready(()),
                false => std::task::Poll::Pending,
            }
        }));
    }
}
