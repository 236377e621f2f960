//! Terminals: a child's own one, its foreground group, and job control as a shell does it.

#![allow(unsafe_code)]

mod common;

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use childset::unix::CommandExt;
use childset::{Child, Command, Exit, Pidfd, Pty, Signal, StateChange, Stdio};
use common::errno;
use rustix::process::{getpgrp, Pid};
use rustix::termios::{tcgetpgrp, tcsetpgrp};

const TESTS: &[(&str, fn())] = &[
    ("a_terminal_of_its_own", a_terminal_of_its_own),
    ("what_is_no_terminal", what_is_no_terminal),
    ("of_another_session", of_another_session),
    ("keys_act_on_the_child", keys_act_on_the_child),
    ("its_size", its_size),
    ("job_control_is_that_of_bash", job_control_is_that_of_bash),
    ("a_caller_that_does_not_ignore_its_stop", a_caller_that_does_not_ignore_its_stop),
    ("a_terminal_that_is_not_ours", a_terminal_that_is_not_ours),
    ("the_caller_is_not_stopped", the_caller_is_not_stopped),
    ("one_that_reads_at_once", one_that_reads_at_once),
    ("on_our_memory", on_our_memory),
];

const ROLES: &[(&str, fn())] =
    &[("shell", shell), ("starter", starter), ("plain", plain), ("reader", reader)];

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

fn sh(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
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

fn a_terminal_of_its_own() {
    type Way = fn(&mut Command) -> io::Result<Child>;
    let ways: [(&str, Way); 4] = [
        ("spawn", |command| command.spawn()),
        ("prepared", |command| command.prepare()?.spawn()),
        ("launch", |command| command.launch()),
        // SAFETY: it does nothing.
        ("fork", |command| unsafe { command.pre_exec(|| Ok(())) }.spawn()),
    ];
    for (name, way) in ways {
        let pty = Pty::open().unwrap();
        // Fields 5 to 8: group, session, terminal, foreground group.
        let mut command = on(&pty, sh("exec 3</dev/tty && cut -d' ' -f5,6,8 /proc/$$/stat"));
        let child = way(&mut command).unwrap_or_else(|error| panic!("{name}: {error}"));
        drop((command, pty.terminal));
        let pid = child.id();
        assert_eq!(screen(pty.controller), format!("{pid} {pid} {pid}\r\n"), "{name}");
        assert!(child.wait().unwrap().success());
    }
}

fn what_is_no_terminal() {
    let null = || File::open("/dev/null").unwrap();
    let error = Command::new("true").controlling_terminal(null()).spawn().unwrap_err();
    assert_eq!(errno(&error), libc::ENOTTY);
    assert!(error.to_string().contains("TIOCSCTTY"), "{error}");
    let error = Command::new("true").process_group(0).foreground(null()).spawn().unwrap_err();
    assert_eq!(errno(&error), libc::ENOTTY);
    assert!(error.to_string().contains("tcsetpgrp"), "{error}");
    let launched = Command::new("true").controlling_terminal(null()).launch();
    let error = launched.and_then(|child| child.wait()).unwrap_err();
    assert_eq!(errno(&error), libc::ENOTTY);
}

fn of_another_session() {
    let pty = Pty::open().unwrap();
    let child = on(&pty, Command::new("cat")).spawn().unwrap();
    let error = on(&pty, Command::new("cat")).spawn().unwrap_err();
    assert_eq!(errno(&error), libc::EPERM, "{error}");
    // It is nobody's foreground that we could change.
    let error = Command::new("true").foreground(pty.terminal.try_clone().unwrap()).spawn().unwrap_err();
    assert_eq!(errno(&error), libc::ENOTTY, "{error}");
    child.kill().unwrap();
    child.wait().unwrap();
}

fn keys_act_on_the_child() {
    for (key, signal) in [("\x03", Signal::INT), ("\x1c", Signal::QUIT)] {
        let pty = Pty::open().unwrap();
        let mut command = on(&pty, Command::new("sleep"));
        let child = command.arg("60").rlimit(childset::Resource::CORE, 0, 0).spawn().unwrap();
        keys(&pty.controller, key);
        assert_eq!(child.wait().unwrap().signal(), Some(signal));
    }
}

fn its_size() {
    if !common::has_program("stty", "coreutils") {
        return;
    }
    let pty = Pty::open().unwrap();
    pty.set_size(17, 93).unwrap();
    let mut command = on(&pty, Command::new("stty"));
    assert!(command.arg("size").spawn().unwrap().wait().unwrap().success());
    drop((command, pty.terminal));
    assert_eq!(screen(pty.controller), "17 93\r\n");
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

fn job_control_is_that_of_bash() {
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

/// A shell with job control, as small as it can be.
fn shell() {
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

/// A background group that takes the terminal gets `SIGTTOU`, which stops it unless it is blocked or ignored.
fn a_caller_that_does_not_ignore_its_stop() {
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

fn plain() {
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

fn a_terminal_that_is_not_ours() {
    // Neither end becomes the terminal of this process.
    let pty = Pty::open().unwrap();
    assert!(tcgetpgrp(&pty.terminal).is_err());
    let flags =
        rustix::io::fcntl_getfd(&pty.terminal).unwrap() & rustix::io::fcntl_getfd(&pty.controller).unwrap();
    assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
}

/// Signals from the keys, while children are on their way to `execve`, do to them what they would do later, and nothing
/// to the process that launches them from the background.
fn the_caller_is_not_stopped() {
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
fn starter() {
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
fn one_that_reads_at_once() {
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

fn reader() {
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

/// So that its spawn costs the same, however much of that there is.
fn on_our_memory() {
    if !common::launches() {
        return;
    }
    for launched in [false, true] {
        let pty = Pty::open().unwrap();
        let terminal = pty.terminal.try_clone().unwrap();
        let mut command = on(&pty, Command::new("true"));
        command.foreground(terminal).umask(0o022);
        let spawn = move || {
            let child = if launched { command.launch() } else { command.spawn() }.unwrap();
            assert!(child.wait().unwrap().success());
        };
        let look = |pid| assert_ne!(common::has_our_memory(pid), Some(false));
        if let Err(error) = common::seccomp::spawn_held(libc::SYS_umask, spawn, look) {
            return common::skipped(format_args!("system calls cannot be held: {error}"));
        }
    }
}
