//! Terminals that children are given: their own, its size and its keys.

use std::fs::File;
use std::io;

use childset::unix::CommandExt;
use childset::{Child, Command, Pty, Signal};
use rustix::termios::tcgetpgrp;

use crate::common::{self, errno, sh};
use crate::{keys, on, screen};

pub(crate) fn a_terminal_of_its_own() {
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

pub(crate) fn what_is_no_terminal() {
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

pub(crate) fn of_another_session() {
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

pub(crate) fn keys_act_on_the_child() {
    for (key, signal) in [("\x03", Signal::INT), ("\x1c", Signal::QUIT)] {
        let pty = Pty::open().unwrap();
        let mut command = on(&pty, Command::new("sleep"));
        let child = command.arg("60").rlimit(childset::Resource::CORE, 0, 0).spawn().unwrap();
        keys(&pty.controller, key);
        assert_eq!(child.wait().unwrap().signal(), Some(signal));
    }
}

pub(crate) fn its_size() {
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

pub(crate) fn a_terminal_that_is_not_ours() {
    // Neither end becomes the terminal of this process.
    let pty = Pty::open().unwrap();
    assert!(tcgetpgrp(&pty.terminal).is_err());
    let flags =
        rustix::io::fcntl_getfd(&pty.terminal).unwrap() & rustix::io::fcntl_getfd(&pty.controller).unwrap();
    assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
}

/// So that its spawn costs the same, however much of that there is.
pub(crate) fn on_our_memory() {
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
