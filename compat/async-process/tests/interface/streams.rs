//! Standard input, output and error.

use std::fs::{self, File};
use std::os::fd::{AsFd, OwnedFd};

use async_process::{Command, Stdio};
use futures_lite::future::block_on;
use futures_lite::io::BufReader;
use futures_lite::{AsyncBufReadExt, AsyncWriteExt, StreamExt};

#[test]
fn status_closes_standard_input() {
    block_on(async {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        assert_eq!(child.try_status().unwrap(), None);
        assert!(child.stdin.is_some());
        assert!(child.status().await.unwrap().success());
        assert!(child.stdin.is_none());
        assert!(Command::new("cat").stdin(Stdio::piped()).status().await.unwrap().success());

        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.as_mut().unwrap().write_all(b"kept").await.unwrap();
        assert_eq!(child.output().await.unwrap().stdout, b"kept");
    });
}

#[test]
fn output_waits_for_whoever_writes() {
    let mut command = Command::new("sh");
    command.args(["-c", "(sleep 0.6; echo late) & echo early"]);
    assert_eq!(block_on(command.output()).unwrap().stdout, b"early\nlate\n");
}

#[test]
fn lines() {
    block_on(async {
        let mut command = Command::new("sh");
        command.args(["-c", "echo 1; echo 2 >&2"]).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap()).lines();
        let err = BufReader::new(child.stderr.take().unwrap()).lines();
        assert_eq!(out.map(|line| line.unwrap()).collect::<Vec<_>>().await, ["1"]);
        assert_eq!(err.map(|line| line.unwrap()).collect::<Vec<_>>().await, ["2"]);
        assert!(child.status().await.unwrap().success());
    });
}

fn is_nonblocking(fd: impl AsFd) -> bool {
    rustix::fs::fcntl_getfl(fd).unwrap().contains(rustix::fs::OFlags::NONBLOCK)
}

#[test]
fn pipes_do_not_block() {
    let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    assert!(is_nonblocking(&stdin) && is_nonblocking(&stdout));
    let stdin: OwnedFd = stdin.try_into().unwrap();
    let stdout = OwnedFd::try_from(stdout).unwrap();
    assert!(is_nonblocking(&stdin) && is_nonblocking(&stdout));
    drop(stdin);
    assert!(block_on(child.status()).unwrap().success());
}

/// The other process of a pipeline must get a pipe that blocks.
#[test]
fn pipeline() {
    block_on(async {
        let mut first = Command::new("sh")
            .args(["-c", "sleep 0.1; echo out; echo err >&2"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let out: Stdio = first.stdout.take().unwrap().into_stdio().await.unwrap();
        let err: Stdio = first.stderr.take().unwrap().into_stdio().await.unwrap();
        assert_eq!(Command::new("cat").stdin(out).output().await.unwrap().stdout, b"out\n");
        assert_eq!(Command::new("cat").stdin(err).output().await.unwrap().stdout, b"err\n");
        assert!(first.status().await.unwrap().success());

        let mut last = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let stdin = last.stdin.take().unwrap().into_stdio().await.unwrap();
        assert!(Command::new("echo").arg("x").stdout(stdin).status().await.unwrap().success());
        assert_eq!(last.output().await.unwrap().stdout, b"x\n");
    });
}

#[test]
fn closing_a_pipe_leaves_it_open() {
    block_on(async {
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(b"a").await.unwrap();
        stdin.close().await.unwrap();
        stdin.write_all(b"b").await.unwrap();
        drop(stdin);
        assert_eq!(child.output().await.unwrap().stdout, b"ab");
    });
}

#[test]
fn again_with_the_same_streams() {
    let path = tempfile::NamedTempFile::new().unwrap();
    let mut command = Command::new("echo");
    command.arg("x").stdout(File::options().append(true).open(&path).unwrap());
    for _ in 0..3 {
        assert!(block_on(command.status()).unwrap().success());
        assert_eq!(block_on(command.output()).unwrap().stdout, b"");
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), "x\n".repeat(6));

    // `output` does not set what a later `spawn` inherits.
    let mut command = Command::new("sh");
    command.args(["-c", "echo x; echo y >&2"]).stderr(Stdio::piped());
    assert_eq!(block_on(command.output()).unwrap().stdout, b"x\n");
    let child = command.spawn().unwrap();
    assert!(child.stdin.is_none() && child.stdout.is_none() && child.stderr.is_some());
    assert_eq!(block_on(child.output()).unwrap().stderr, b"y\n");
}
