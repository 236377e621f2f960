//! Children that are killed with their parent, and children that the kernel reaps: by the flags of Linux 7.1, and
//! before that by what the docs name.

#![allow(unsafe_code)]

mod common;

use std::io::{Read, Write};
use std::process::Stdio as StdStdio;
use std::thread;

use childset::{
    reap_dropped, Child, ChildSet, ChildStdin, ChildStdout, Command, Pidfd, Signal, SpawnError, State, Stdio,
};
use common::{check_leaks, reap_all_dropped, reexec, role, until_ended, until_reaped};

const TESTS: [(&str, fn()); 8] = [
    ("status_and_usage", status_and_usage),
    ("closing_the_pidfd", closing_the_pidfd),
    ("end_of_the_spawning_thread", end_of_the_spawning_thread),
    ("without_privilege", without_privilege),
    ("detached", detached),
    ("detached_and_dropped", detached_and_dropped),
    ("in_a_set", in_a_set),
    ("failures", failures),
];

/// Parents that are killed, and how each makes its children.
const PARENTS: [(&str, fn()); 4] = [
    ("a_killed_parent", || parent(false, |_| {})),
    ("a_killed_parent_without_new_privileges", || {
        parent(false, |command| {
            command.no_new_privs(true);
        })
    }),
    ("a_killed_parent_without_privilege", || parent(true, |_| {})),
    ("a_killed_parent_that_spawns_by_std", || {
        parent(false, |command| {
            common::make_by_std(command);
        })
    }),
];

fn main() {
    if let Some(role) = role() {
        return common::play(&role, &PARENTS, 60).expect("a role");
    }
    common::main_with(&[&TESTS[..], &PARENTS].concat(), |name, test| {
        if !PARENTS.iter().any(|(parent, _)| *parent == name) {
            test();
        } else if !name.ends_with("without_privilege") || common::may_be_ordinary() {
            is_followed_by_its_children(name);
        }
    });
}

/// Whether the kernel reaps, and kills: `CLONE_AUTOREAP` and `CLONE_PIDFD_AUTOKILL`.
fn kernel_does() -> bool {
    common::kernel() >= (7, 1)
}

/// `cat`, killed with us.
fn cat() -> Command {
    let mut command = Command::new("cat");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_with_parent(true);
    command
}

const CHILDREN: usize = 6;

/// Kills the parent, and finds every child gone: they alone hold the pipe.
fn is_followed_by_its_children(role: &str) {
    let mut parent = reexec(role).stdin(StdStdio::piped()).stdout(StdStdio::piped()).spawn().unwrap();
    let _keeps_them_alive = parent.stdin.take().unwrap();
    let mut stdout = parent.stdout.take().unwrap();
    stdout.read_exact(&mut [0; CHILDREN]).unwrap();
    parent.kill().unwrap();
    parent.wait().unwrap();
    assert_eq!(stdout.read_to_end(&mut Vec::new()).unwrap(), 0);
}

/// Has children that say so, and waits for its end. They hold our standard input and output.
fn parent(drop_root: bool, prepare: fn(&mut Command)) {
    if drop_root {
        common::give_up_root(65534);
    }
    let command = || {
        let mut command = Command::new("sh");
        command.args(["-c", "echo; exec cat"]).kill_with_parent(true);
        prepare(&mut command);
        command
    };
    let set = ChildSet::new().unwrap();
    let mut children: Vec<_> = (0..CHILDREN - 2).map(|_| command().spawn().unwrap()).collect();
    set.spawn(&mut command(), ()).unwrap();
    children
        .push(command().prepare().map_or_else(|_| command().spawn(), |prepared| prepared.spawn()).unwrap());
    loop {
        thread::park();
    }
}

fn pipes(child: &mut Child) -> (ChildStdin, ChildStdout) {
    (child.stdin.take().unwrap(), child.stdout.take().unwrap())
}

/// What `cat` is told it tells: it lives.
fn talk(stdin: &mut ChildStdin, stdout: &mut ChildStdout) {
    stdin.blocking().write_all(b"x").unwrap();
    let mut told = [0];
    stdout.blocking().read_exact(&mut told).unwrap();
    assert_eq!(&told, b"x");
}

fn no_child_is_left() {
    common::no_child_is_coming();
    assert_eq!(common::zombies(), 0);
}

/// The status can be had as of any child.
fn status_and_usage() {
    check_leaks(|| {
        for script in ["exit 7", "kill -9 $$"] {
            let mut command = Command::new("sh");
            let child = command.args(["-c", script]).kill_with_parent(true).spawn().unwrap();
            let exit = child.wait().unwrap();
            assert_eq!((exit.code(), exit.signal()) == (Some(7), None), script == "exit 7");
            assert_eq!((exit.code(), exit.signal()) == (None, Some(Signal::KILL)), script != "exit 7");
            assert_eq!(child.wait().unwrap(), exit);
            // Who reaps knows the resource use: before 7.1 that is us, without privilege too.
            let root = rustix::process::geteuid().is_root();
            assert_eq!(exit.usage().is_none(), kernel_does() && root);
        }
    });
    no_child_is_left();
}

/// From 7.1 on, that is what kills the child; before, it lives on and is reaped.
fn closing_the_pidfd() {
    let mut child = cat().no_new_privs(true).spawn().unwrap();
    let (mut stdin, mut stdout) = pipes(&mut child);
    talk(&mut stdin, &mut stdout);
    let another = child.pidfd().try_clone().unwrap();
    drop(child);
    // Not the last one.
    talk(&mut stdin, &mut stdout);
    drop(another);
    if !kernel_does() {
        talk(&mut stdin, &mut stdout);
        assert_eq!(reap_dropped(), 1);
        drop(stdin);
    }
    assert_eq!(stdout.blocking().read_to_end(&mut Vec::new()).unwrap(), 0);
    reap_all_dropped();
    no_child_is_left();
}

/// `PR_SET_PDEATHSIG` takes the thread for the parent.
fn end_of_the_spawning_thread() {
    check_leaks(|| {
        let mut child =
            thread::scope(|scope| scope.spawn(|| cat().no_new_privs(true).spawn()).join().unwrap()).unwrap();
        let (mut stdin, mut stdout) = pipes(&mut child);
        if kernel_does() {
            talk(&mut stdin, &mut stdout);
            drop(stdin);
            assert_eq!(child.wait().unwrap().code(), Some(0));
        } else {
            assert_eq!(child.wait().unwrap().signal(), Some(Signal::KILL));
        }
    });
    no_child_is_left();
}

/// The kernel kills for those alone who may gain no privilege (`CLONE_NNP`); others have the fallback.
fn without_privilege() {
    if !common::may_be_ordinary() {
        return;
    }
    common::give_up_root(65534);
    check_leaks(|| {
        for no_new_privs in [false, true] {
            let child = cat().stdin(Stdio::null()).no_new_privs(no_new_privs).spawn().unwrap();
            let exit = child.wait().unwrap();
            assert_eq!(exit.usage().is_none(), kernel_does() && no_new_privs, "{no_new_privs}");
        }
    });
    no_child_is_left();
}

fn held_detached() -> (Child, ChildStdin, ChildStdout) {
    let mut command = Command::new("cat");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).autoreap(true).spawn().unwrap();
    let (stdin, stdout) = pipes(&mut child);
    (child, stdin, stdout)
}

/// A detached child can be waited for while it is held.
fn detached() {
    check_leaks(|| {
        let (child, stdin, _stdout) = held_detached();
        assert_eq!(child.try_wait().unwrap(), None);
        let seen = Pidfd::open(child.id()).unwrap();
        drop(stdin);
        until_ended(&seen);
        if kernel_does() {
            until_reaped(&seen);
            assert_eq!((seen.state().unwrap(), common::zombies()), (State::Reaped, 0));
        }
        let exit = child.wait().unwrap();
        assert_eq!((exit.code(), exit.usage().is_none()), (Some(0), kernel_does()));
    });
    no_child_is_left();
}

/// Dropping it does nothing to it: it lives on, and no zombie stays.
fn detached_and_dropped() {
    common::warm_up();
    check_leaks(|| {
        let (child, mut stdin, mut stdout) = held_detached();
        let seen = child.pidfd().try_clone().unwrap();
        drop(child);
        talk(&mut stdin, &mut stdout);
        assert_eq!(reap_dropped(), usize::from(!kernel_does()));
        drop(stdin);
        until_ended(&seen);
        if kernel_does() {
            // With no call of the crate.
            until_reaped(&seen);
        }
        reap_all_dropped();
        assert_eq!(seen.state().unwrap(), State::Reaped);
    });
    no_child_is_left();
}

fn in_a_set() {
    check_leaks(|| {
        let set = ChildSet::new().unwrap();
        for code in 0..20 {
            let mut command = Command::new("sh");
            command.args(["-c", "exit $0"]).arg(code.to_string());
            command.autoreap(code % 2 == 0).kill_with_parent(code % 3 == 0);
            set.spawn(&mut command, code).unwrap();
        }
        let mut tags = Vec::new();
        while let Some(exited) = set.wait(None).unwrap() {
            assert_eq!(exited.exit.unwrap().code(), Some(exited.tag));
            tags.push(exited.tag);
        }
        tags.sort();
        assert_eq!(tags, (0..20).collect::<Vec<_>>());
    });
    no_child_is_left();
}

/// A failed spawn leaves nothing, whoever would have reaped the child.
fn failures() {
    check_leaks(|| {
        for (detach, kill) in [(true, false), (false, true), (true, true)] {
            for _ in 0..common::times(100) {
                let mut command = Command::new("/no/such/program");
                let error = command.autoreap(detach).kill_with_parent(kill).spawn().unwrap_err();
                assert_eq!(SpawnError::from_io_error(&error).unwrap().errno(), libc::ENOENT, "{error}");
            }
        }
    });
    no_child_is_left();
}
