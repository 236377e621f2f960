//! Job control, compared with bash.

use std::time::{Duration, Instant};

use childset::{Command, Pty};
use rustix::process::Pid;

use crate::{common, keys, on, screen, until_foreground, LONG};

/// Waits until the processes of a group that run this program are in these states, `T` for stopped ones and `S` for those
/// that sleep, whatever they wait for.
fn until_states(group: Option<Pid>, program: &str, states: &str) {
    let group = group.unwrap().as_raw_nonzero().get().to_string();
    let start = Instant::now();
    // The second field is the name, the third the state, and the fifth the group.
    let state = |stat: String| {
        let fields: Vec<_> = stat.split(' ').collect();
        (fields[1] == format!("({program})") && fields[4] == group).then(|| fields[2].replace('D', "S"))
    };
    loop {
        let entries = std::fs::read_dir("/proc").unwrap();
        let stats =
            entries.filter_map(|entry| std::fs::read_to_string(entry.unwrap().path().join("stat")).ok());
        let mut found: Vec<_> = stats.filter_map(state).collect();
        found.sort();
        if found.concat() == states {
            return;
        }
        assert!(start.elapsed() < LONG, "{program} is {found:?} instead of {states}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Presses the same keys: for a pipeline that is stopped, comes back to the foreground, and ends; for a process that is
/// stopped, goes on in the background, comes back, and is interrupted; and for one that reads at once.
fn use_shell(pty: &Pty, shell: u32) {
    let shell = Pid::from_raw(shell as i32);
    let is_job = |group: Option<Pid>| group.is_some() && group != shell;
    keys(&pty.controller, "cat | cat\n");
    // What is started after the key is not stopped by it.
    let job = until_foreground(&pty.controller, is_job);
    until_states(job, "cat", "SS");
    keys(&pty.controller, "\x1a");
    until_foreground(&pty.controller, |group| group == shell);
    until_states(job, "cat", "TT");
    keys(&pty.controller, "fg\n");
    until_foreground(&pty.controller, is_job);
    keys(&pty.controller, "hello\n\x04");
    until_foreground(&pty.controller, |group| group == shell);
    keys(&pty.controller, "sleep 60\n");
    let job = until_foreground(&pty.controller, is_job);
    until_states(job, "sleep", "S");
    keys(&pty.controller, "\x1a");
    until_foreground(&pty.controller, |group| group == shell);
    until_states(job, "sleep", "T");
    keys(&pty.controller, "bg\n");
    until_states(job, "sleep", "S");
    keys(&pty.controller, "fg\n");
    until_foreground(&pty.controller, is_job);
    keys(&pty.controller, "\x03");
    until_foreground(&pty.controller, |group| group == shell);
    // It reads at once, in its own group.
    keys(&pty.controller, "head -n1\n");
    until_foreground(&pty.controller, is_job);
    keys(&pty.controller, "line\n");
    until_foreground(&pty.controller, |group| group == shell);
    keys(&pty.controller, "exit\n");
}

/// The statuses that a shell tells, as `=number`.
fn statuses(screen: &str) -> Vec<u8> {
    let prompts = screen.split('=').skip(1);
    prompts.filter_map(|rest| rest.split(' ').next()?.parse().ok()).collect()
}

pub(crate) fn job_control_is_that_of_bash() {
    if !common::has_program("bash", "bash") {
        return;
    }
    let mut bash = Command::new("bash");
    // With a prompt that shows the status of each command.
    bash.args(["--norc", "--noprofile", "--noediting", "-i"]).env("PS1", "=$? ").env("TERM", "dumb");
    let shells = [bash, Command::new(std::env::current_exe().unwrap())];
    let seen = shells.map(|mut shell| {
        if shell.get_program() != "bash" {
            shell.env("CHILDSET_TEST_ROLE", "shell");
        }
        let pty = Pty::open().unwrap();
        let child = on(&pty, shell).spawn().unwrap();
        let reader = std::thread::spawn({
            let controller = pty.controller.try_clone().unwrap();
            move || screen(controller)
        });
        until_foreground(&pty.controller, |group| group == Pid::from_raw(child.id() as i32));
        use_shell(&pty, child.id());
        let exit = child.wait().unwrap();
        drop(pty);
        let screen = reader.join().unwrap();
        assert!(screen.matches("hello").count() >= 2 && screen.matches("line").count() >= 2, "{screen}");
        (statuses(&screen), exit.success(), screen)
    });
    let [(bash, true, bash_screen), (ours, true, screen)] = &seen else {
        panic!("{seen:?}");
    };
    assert_eq!(bash, &[0, 148, 0, 148, 0, 130, 0], "{bash_screen}");
    assert_eq!(ours, bash, "{screen}");
}
