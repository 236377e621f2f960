//! Who takes the foreground, and who is stopped by that.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use childset::{Command, Pidfd, Pty, Signal, StateChange, Stdio};
use rustix::process::getpgrp;
use rustix::termios::{tcgetpgrp, tcsetpgrp};

use crate::{keys, on, LONG};

/// A background group that takes the terminal gets `SIGTTOU`, which stops it unless it is blocked or ignored.
pub(crate) fn a_caller_that_does_not_ignore_its_stop() {
    for way in ["spawn", "launch"] {
        let pty = Pty::open().unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .env("CHILDSET_TEST_ROLE", "plain")
            .env("CHILDSET_TEST_WAY", way)
            .unit(childset::Unit::Session);
        let child = on(&pty, command).spawn().unwrap();
        let Some(exit) = child.wait_timeout(LONG).unwrap() else {
            child.kill().unwrap();
            panic!("it is stopped");
        };
        assert!(exit.success());
    }
}

pub(crate) fn plain() {
    let terminal = io::stdin().as_fd().try_clone_to_owned().unwrap();
    let mut command = Command::new("true");
    command.process_group(0).foreground(terminal);
    let child = match std::env::var("CHILDSET_TEST_WAY").unwrap().as_str() {
        "spawn" => command.spawn(),
        _ => command.launch(),
    };
    let child = child.unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(tcgetpgrp(io::stdin()).unwrap().as_raw_nonzero().get(), child.id() as i32);
}

/// Signals from the keys, while children are on their way to `execve`, do to them what they would do later, and nothing
/// to the process that launches them from the background.
pub(crate) fn the_caller_is_not_stopped() {
    let pty = Pty::open().unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env("CHILDSET_TEST_ROLE", "starter");
    let starter = on(&pty, command).spawn().unwrap();
    let watch = Pidfd::open(starter.id()).unwrap();
    let mut pressed = 0;
    while starter.wait_timeout(Duration::from_millis(1)).unwrap().is_none() {
        if pressed < 200 {
            keys(&pty.controller, "\x1a");
            pressed += 1;
        }
        assert_ne!(watch.try_wait_state().unwrap(), Some(StateChange::Stopped(Signal::TSTP)));
    }
    assert!(starter.wait().unwrap().success());
}

/// Launches children into the foreground, one after the other, as nextest does with tests that it runs on a terminal.
pub(crate) fn starter() {
    // SAFETY: no handler is set.
    unsafe {
        libc::signal(libc::SIGTTOU, libc::SIG_IGN);
    }
    for _ in 0..200 {
        let terminal = io::stdin().as_fd().try_clone_to_owned().unwrap();
        let mut command = Command::new("true");
        let child = command.process_group(0).foreground(terminal).launch().unwrap();
        loop {
            match child.pidfd().wait_state().unwrap() {
                StateChange::Stopped(_) => child.send_signal(Signal::CONT).unwrap(),
                StateChange::Ended => break,
                _ => {}
            }
        }
        assert!(child.wait().unwrap().success());
        // Between two of them, the keys are for this group, which ignores them as a shell does.
        // SAFETY: as above.
        unsafe { libc::signal(libc::SIGTSTP, libc::SIG_IGN) };
        tcsetpgrp(io::stdin(), getpgrp()).unwrap();
    }
}

/// It is in the foreground from its first instruction on: the kernel never stops it.
pub(crate) fn one_that_reads_at_once() {
    let pty = Pty::open().unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env("CHILDSET_TEST_ROLE", "reader");
    let reader = on(&pty, command).spawn().unwrap();
    keys(&pty.controller, &"line\n".repeat(READERS));
    let Some(exit) = reader.wait_timeout(LONG).unwrap() else {
        reader.kill().unwrap();
        panic!("it is stopped");
    };
    assert!(exit.success());
}

const READERS: usize = 60;

pub(crate) fn reader() {
    // SAFETY: no handler is set. As each shell does, since it takes the terminal back from the background.
    unsafe { libc::signal(libc::SIGTTOU, libc::SIG_IGN) };
    let terminal = || io::stdin().as_fd().try_clone_to_owned().unwrap();
    let mut command = Command::new("head");
    // It reads what is there, up to the end of a line.
    command.args(["-c", "1"]).stdout(Stdio::null()).process_group(0).foreground(terminal());
    command.default_signals(&[Signal::TTIN, Signal::TTOU]);
    let prepared = command.prepare().unwrap();
    for number in 0..READERS {
        let child = match number % 3 {
            0 => command.spawn(),
            1 => prepared.spawn(),
            _ => prepared.launch(),
        };
        let child = child.unwrap();
        assert_eq!(child.pidfd().wait_state().unwrap(), StateChange::Ended);
        assert!(child.wait().unwrap().success());
        tcsetpgrp(io::stdin(), getpgrp()).unwrap();
    }
}
