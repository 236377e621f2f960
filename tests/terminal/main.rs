//! Terminals: a child's own one, its foreground group, and job control as a shell does it.

#![allow(unsafe_code)]

mod children;
#[path = "../common/mod.rs"]
mod common;
mod foreground;
mod shell;
mod shells;

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use childset::{Child, Command, Exit, Pty, Signal, StateChange};
use rustix::process::Pid;
use rustix::termios::tcgetpgrp;

const TESTS: &[(&str, fn())] = &[
    ("children::a_terminal_of_its_own", children::a_terminal_of_its_own),
    ("children::what_is_no_terminal", children::what_is_no_terminal),
    ("children::of_another_session", children::of_another_session),
    ("children::keys_act_on_the_child", children::keys_act_on_the_child),
    ("children::its_size", children::its_size),
    ("shells::job_control_is_that_of_bash", shells::job_control_is_that_of_bash),
    (
        "foreground::a_caller_that_does_not_ignore_its_stop",
        foreground::a_caller_that_does_not_ignore_its_stop,
    ),
    ("children::a_terminal_that_is_not_ours", children::a_terminal_that_is_not_ours),
    ("foreground::the_caller_is_not_stopped", foreground::the_caller_is_not_stopped),
    ("foreground::one_that_reads_at_once", foreground::one_that_reads_at_once),
    ("children::on_our_memory", children::on_our_memory),
];

const ROLES: &[(&str, fn())] = &[
    ("shell", shell::shell),
    ("starter", foreground::starter),
    ("plain", foreground::plain),
    ("reader", foreground::reader),
];

fn main() {
    match common::role() {
        Some(role) => common::play(&role, ROLES, 60).expect("a role"),
        None => {
            // A shell ignores them in what it starts in the background, and what ignores them passes that on.
            for signal in [libc::SIGINT, libc::SIGQUIT] {
                // SAFETY: a disposition without a handler.
                unsafe { libc::signal(signal, libc::SIG_DFL) };
            }
            common::main(TESTS);
        }
    }
}

const LONG: Duration = Duration::from_secs(30);

/// On the terminal, as the leader of a session.
fn on(pty: &Pty, mut command: Command) -> Command {
    let terminal = || pty.terminal.try_clone().unwrap();
    command.stdin(terminal()).stdout(terminal()).stderr(terminal()).controlling_terminal(terminal());
    command
}

/// All that the screen shows until nobody has the terminal open.
fn screen(controller: OwnedFd) -> String {
    let mut text = Vec::new();
    let error = loop {
        match File::from(controller.try_clone().unwrap()).read_to_end(&mut text) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => break result.expect_err("a terminal has no end of file"),
        }
    };
    assert_eq!(error.raw_os_error(), Some(libc::EIO), "{error}");
    String::from_utf8(text).unwrap()
}

fn keys(controller: &OwnedFd, keys: &str) {
    let mut controller = File::from(controller.try_clone().unwrap());
    controller.write_all(keys.as_bytes()).unwrap();
}

/// Waits until the foreground group is one for which this holds.
fn until_foreground(controller: &OwnedFd, is: impl Fn(Option<Pid>) -> bool) -> Option<Pid> {
    let start = Instant::now();
    loop {
        let group = tcgetpgrp(controller).ok();
        if is(group) {
            return group;
        }
        assert!(start.elapsed() < LONG, "the foreground group stays {group:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Until all are stopped or have ended: what a shell makes of that.
fn wait(job: &[Child]) -> i32 {
    let mut status = 0;
    for child in job {
        loop {
            match child.pidfd().wait_state() {
                Ok(StateChange::Stopped(Signal::TSTP)) => status = 128 + Signal::TSTP.as_raw(),
                // The one that reads, before the last one took the terminal.
                Ok(StateChange::Stopped(Signal::TTIN)) => {
                    let _ = child.send_signal(Signal::CONT);
                    continue;
                }
                Ok(StateChange::Continued) => continue,
                Ok(StateChange::Ended) => status = code(child.wait().unwrap()),
                other => panic!("{other:?}"),
            }
            break;
        }
    }
    status
}

fn code(exit: Exit) -> i32 {
    exit.code().unwrap_or_else(|| 128 + exit.signal().unwrap().as_raw())
}
