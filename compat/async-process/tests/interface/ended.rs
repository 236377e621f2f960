//! Children that are killed or dropped.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use async_process::{Child, Command};
use futures_lite::future::{block_on, poll_once};
use futures_lite::FutureExt;

#[test]
fn driver_never_ends() {
    let mut driver = Box::pin(async_process::driver());
    assert!(block_on(poll_once(&mut driver)).is_none());
    let output = async { Command::new("echo").arg("x").output().await.unwrap().stdout };
    assert_eq!(block_on(output.or(async { match driver.await {} })), b"x\n");
}

/// A child that sleeps, and holds the pipe open until it ends.
fn sleeper(set: impl FnOnce(&mut Command) -> &mut Command) -> (Child, File) {
    let (ours, theirs) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    let mut command = Command::new("sleep");
    command.arg("60").stdout(theirs);
    (set(&mut command).spawn().unwrap(), ours.into())
}

/// Returns when the child has ended.
fn until_ended(mut pipe: File) {
    assert_eq!(pipe.read(&mut [0]).unwrap(), 0);
}

fn state(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(") ").next()?.chars().next()
}

#[test]
fn kill() {
    let (mut child, pipe) = sleeper(|command| command);
    child.kill().unwrap();
    until_ended(pipe);
    assert_eq!(block_on(child.status()).unwrap().signal(), Some(9));
    child.kill().unwrap();
    assert_eq!(child.try_status().unwrap().unwrap().signal(), Some(9));
}

#[test]
fn dropped() {
    let (child, pipe) = sleeper(|command| command.kill_on_drop(true));
    drop(child);
    until_ended(pipe);

    // Without, it goes on.
    let (child, pipe) = sleeper(|command| command);
    let id = child.id();
    drop(child);
    assert!(matches!(state(id), Some('S' | 'R' | 'D')));
    let pid = rustix::process::Pid::from_raw(id as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    until_ended(pipe);
    // And is reaped.
    let start = Instant::now();
    while state(id).is_some() {
        assert!(start.elapsed() < Duration::from_secs(20), "a zombie is left");
        std::thread::yield_now();
    }

    // Who waits has it still.
    let (mut child, pipe) = sleeper(|command| command.kill_on_drop(true));
    let id = child.id();
    let mut status = Box::pin(child.status());
    assert!(block_on(poll_once(&mut status)).is_none());
    drop(child);
    assert!(matches!(state(id), Some('S' | 'R' | 'D')));
    drop(status);
    until_ended(pipe);
}

#[test]
fn dropped_without_reaping() {
    let (child, pipe) = sleeper(|command| command.kill_on_drop(true).reap_on_drop(false));
    let id = child.id();
    drop(child);
    until_ended(pipe);
    let pid = rustix::process::Pid::from_raw(id as i32).unwrap();
    let options = rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT;
    // Whoever waits for it reaps it: nobody else has.
    rustix::process::waitid(rustix::process::WaitId::Pid(pid), options).unwrap().unwrap();
    let (_, status) =
        rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty()).unwrap().unwrap();
    assert_eq!(status.terminating_signal(), Some(9));
}
