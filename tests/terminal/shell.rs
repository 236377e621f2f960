//! A shell with job control, as small as it can be.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;

use childset::{Child, Command, Signal, Stdio};
use rustix::process::{getpgrp, Pid};
use rustix::termios::tcsetpgrp;

use crate::{common, wait};

/// A shell with job control, as small as it can be.
pub(crate) fn shell() {
    // SAFETY: no handler is set. As each shell does, since it takes the terminal back from the background.
    unsafe { libc::signal(libc::SIGTTOU, libc::SIG_IGN) };
    for signal in [libc::SIGINT, libc::SIGTSTP, libc::SIGQUIT, libc::SIGTTIN] {
        // SAFETY: as above.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
    let mut status = 0;
    let mut job: Vec<Child> = Vec::new();
    loop {
        print!("={status} ");
        io::stdout().flush().unwrap();
        // Not more than a line: the rest is for the job.
        let mut line = Vec::new();
        while line.last() != Some(&b'\n') {
            let mut byte = [0];
            assert_eq!(
                common::read(io::stdin().as_fd().try_clone_to_owned().map(File::from).unwrap(), &mut byte),
                1
            );
            line.push(byte[0]);
        }
        match std::str::from_utf8(&line).unwrap().trim() {
            "exit" => return,
            "bg" => {
                job[0].send_signal_to_group(Signal::CONT).unwrap();
                status = 0;
                continue;
            }
            "fg" => {
                tcsetpgrp(io::stdin(), Pid::from_raw(job[0].id() as i32).unwrap()).unwrap();
                job[0].send_signal_to_group(Signal::CONT).unwrap();
            }
            line => job = pipeline(line),
        }
        status = wait(&job);
        tcsetpgrp(io::stdin(), getpgrp()).unwrap();
    }
}

fn pipeline(line: &str) -> Vec<Child> {
    let mut children: Vec<Child> = Vec::new();
    let commands: Vec<_> =
        line.split('|').map(|command| command.split_whitespace().collect::<Vec<_>>()).collect();
    for (index, words) in commands.iter().enumerate() {
        let mut command = Command::new(words[0]);
        let group = children.first().map_or(0, |leader| leader.id() as i32);
        let defaults = [Signal::INT, Signal::TSTP, Signal::QUIT, Signal::TTIN, Signal::TTOU, Signal::PIPE];
        command.args(&words[1..]).process_group(group).default_signals(&defaults);
        if let Some(before) = children.last_mut() {
            command.stdin(before.stdout.take().unwrap());
        }
        // The last one: a key is for all of them then.
        if index + 1 < commands.len() {
            command.stdout(Stdio::piped());
        } else {
            command.foreground(io::stdin().as_fd().try_clone_to_owned().unwrap());
        }
        children.push(command.launch().unwrap());
    }
    children
}
