//! Processes in a set that are not our children.

mod common;

use std::process::{Child, Command, Stdio};

use childset::{ChildSet, Pidfd, State, StatusUnknown};

/// A shell that runs this, and the number that it says first.
fn shell(script: &str) -> (Child, u32) {
    let mut shell = Command::new("sh");
    let mut shell = shell.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = [0; 16];
    let read = common::read(shell.stdout.as_mut().unwrap(), &mut line);
    let number = std::str::from_utf8(&line[..read]).unwrap().trim().parse().unwrap();
    (shell, number)
}

#[test]
fn a_process_that_is_not_ours_comes_out_when_it_ends() {
    // The shell's `cat` lives as long as our pipe: not on descriptor 0, which a shell takes from what it runs in
    // the background.
    let (mut shell, pid) = shell("exec 3<&0; cat <&3 & echo $!; wait $!");
    let set = ChildSet::new().unwrap();
    set.insert(Pidfd::open(pid).unwrap(), "stranger").unwrap();
    assert!(set.try_wait().unwrap().is_none());
    drop(shell.stdin.take());
    let exited = set.wait(None).unwrap().unwrap();
    assert_eq!((exited.tag, exited.pid), ("stranger", Some(pid)));
    match exited.exit {
        // Reaped by the shell before we looked (Linux 6.15).
        Ok(exit) => assert!(exit.success() && exit.usage().is_none()),
        Err(error) => assert!(StatusUnknown::from_io_error(&error).is_some(), "{error}"),
    }
    assert!(shell.wait().unwrap().success());
}

/// Its parent may never reap it.
#[test]
fn a_zombie_that_is_not_ours_comes_out_at_once() {
    let (mut parent, pid) = shell("sleep 60 & echo $!; exec cat");
    let zombie = Pidfd::open(pid).unwrap();
    // A shell would reap it.
    let name = format!("/proc/{}/comm", parent.id());
    while std::fs::read_to_string(&name).unwrap() != "cat\n" {
        std::thread::yield_now();
    }
    zombie.kill().unwrap();
    common::until_ended(&zombie);
    let set = ChildSet::new().unwrap();
    set.insert(zombie.try_clone().unwrap(), "zombie").unwrap();
    let exited = set.try_wait().unwrap().expect("it has ended");
    assert_eq!((exited.tag, exited.pid), ("zombie", Some(pid)));
    // Before 6.13 the kernel says nothing of others' children.
    let expected = if common::kernel() < (6, 13) { StatusUnknown::NotKept } else { StatusUnknown::Zombie };
    assert_eq!(StatusUnknown::from_io_error(&exited.exit.unwrap_err()), Some(expected));
    assert_eq!(zombie.state().unwrap(), State::Zombie);
    drop(parent.stdin.take());
    assert!(parent.wait().unwrap().success());
}
