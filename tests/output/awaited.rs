//! What is awaited alone.

use std::io::{Read, Write};

use childset::{Child, Command, Stdio};
use futures_lite::future::{block_on, poll_once, zip};
use futures_lite::{AsyncReadExt, AsyncWriteExt};

use crate::common;

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
    let held =
        Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).kill_on_drop(true).spawn().unwrap();
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
