//! What happens to a child before its `execve` is not done to this process: kills of a cgroup, signals that dump core,
//! a user that stops it. And a spawn is content with little: a small stack.

#![allow(unsafe_code)]

mod common;

use std::fs::{self, File};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::thread;
use std::time::{Duration, Instant};

use childset::unix::CommandExt;
use childset::{Child, Command, Signal, Stdio};
use common::seccomp::spawn_held;
use common::{is_root, reexec, role, skipped};

const TESTS: [(&str, fn()); 8] = [
    ("kill_of_a_cgroup", kill_of_a_cgroup),
    ("dumping_signals_while_blocked", || survives("dumping_signals_while_blocked")),
    ("dumping_signals_at_execve", || survives("dumping_signals_at_execve")),
    ("dumping_signals_that_are_ignored", || survives("dumping_signals_that_are_ignored")),
    ("stopped_by_its_new_user", stopped_by_its_new_user),
    ("hanging_directory", hanging_directory),
    ("dumpable_is_left_alone", dumpable_is_left_alone),
    ("small_stack", || survives("small_stack")),
];

const ROLES: [(&str, fn()); 5] = [
    ("dumping_signals_while_blocked", || dumping_signals(libc::SYS_umask)),
    ("dumping_signals_at_execve", || dumping_signals(libc::SYS_execve)),
    ("dumping_signals_that_are_ignored", ignored_signals),
    ("small_stack", small_stack),
    ("fills_a_cgroup", fills_a_cgroup),
];

fn main() {
    match role() {
        Some(role) => common::play(&role, &ROLES, 100).expect("a role"),
        None => common::main(&TESTS),
    }
}

fn survives(role: &str) {
    let status = reexec(role).status().unwrap();
    assert!(status.success(), "{status}");
}

const CGROUP: &str = "CHILDSET_TEST_CGROUP";

/// A group of processes that may have little memory. All of them are killed when it is too little.
fn kill_of_a_cgroup() {
    let path = match common::new_cgroup() {
        Ok(path) => path,
        Err(why) => return skipped(why),
    };
    let set = |name: &str, value: &str| {
        fs::write(path.join(name), value).map_err(|error| format!("{name} of the cgroup: {error}"))
    };
    let limited = set("memory.max", "6M").and_then(|()| set("memory.oom.group", "1"));
    let _ = set("memory.swap.max", "0");
    let status = limited.map(|()| reexec("fills_a_cgroup").env(CGROUP, &path).status().unwrap());
    let killed = fs::read_to_string(path.join("memory.events")).unwrap_or_default();
    common::remove_cgroup(&path);
    match status {
        Err(why) => skipped(why),
        Ok(status) => {
            assert!(status.success(), "{status}");
            println!("{}", killed.replace('\n', ", "));
        }
    }
}

/// Has a child in the cgroup that is not yet at its `execve` when another one takes too much memory there. We stand
/// outside.
fn fills_a_cgroup() {
    let directory = || File::open(std::env::var_os(CGROUP).unwrap()).unwrap();
    let spawn = || Command::new("true").umask(0o022).cgroup(directory()).spawn();
    let eat = |_| {
        let mut eater = Command::new("sh");
        eater.args(["-c", "x=xxxxxxxxxxxxxxxx; while :; do x=$x$x; done"]).stderr(Stdio::null());
        let exit = eater.cgroup(directory()).spawn().unwrap().wait().unwrap();
        assert_eq!(exit.signal(), Some(Signal::KILL));
    };
    match spawn_held(libc::SYS_umask, spawn, eat) {
        // One that is killed before its `execve` fails nowhere.
        Ok(child) => assert_eq!(child.unwrap().wait().unwrap().signal(), Some(Signal::KILL)),
        Err(error) => skipped(format_args!("system calls cannot be held: {error}")),
    }
}

extern "C" fn handler(_: i32) {}

fn handle(signal: i32) {
    // SAFETY: a handler that does nothing.
    unsafe { libc::signal(signal, handler as extern "C" fn(i32) as libc::sighandler_t) };
}

fn send(pid: i32, signal: i32) {
    // SAFETY: a number, and a process that waits.
    assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
}

/// As [`send`], and waits until the child is gone, if it lets the signal in.
fn send_and_wait(pid: i32, signal: i32) {
    send(pid, signal);
    let until = Instant::now() + Duration::from_millis(300);
    let stat = || fs::read_to_string(format!("/proc/{pid}/stat")).ok().filter(|stat| !stat.contains(") Z"));
    while stat().is_some() && Instant::now() < until {
        thread::yield_now();
    }
}

/// A launched child is waited for, while calls are let go on.
fn start(command: &mut Command, launched: bool) -> io::Result<Child> {
    if !launched {
        return command.spawn();
    }
    let child = command.launch()?;
    child.wait()?;
    Ok(child)
}

const DUMPING: [i32; 4] = [libc::SIGQUIT, libc::SIGABRT, libc::SIGXCPU, libc::SIGSEGV];

/// The child gets a signal that this process handles, and dies of it; we do not, before Linux 5.16 neither.
fn dumping_signals(held_at: libc::c_long) {
    for signal in DUMPING {
        handle(signal);
        for (default, launched) in [(false, false), (true, false), (false, true), (true, true)] {
            let spawn = move || {
                let mut command = Command::new("cat");
                command.stdin(Stdio::piped()).umask(0o022).rlimit(childset::Resource::CORE, 0, 0);
                if default {
                    command.default_signals(&[Signal::PIPE, signal.into()]);
                }
                start(&mut command, launched)
            };
            let child = match spawn_held(held_at, spawn, |pid| send_and_wait(pid, signal)) {
                Ok(child) => child.unwrap(),
                Err(error) => return skipped(format_args!("system calls cannot be held: {error}")),
            };
            assert_eq!(child.wait().unwrap().signal(), Some(signal.into()));
        }
    }
    common::no_child_is_left();
}

/// What this process ignores, the child does, too.
fn ignored_signals() {
    for signal in DUMPING {
        // SAFETY: ignoring a signal.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
        for held_at in [libc::SYS_umask, libc::SYS_execve] {
            for launched in [false, true] {
                let spawn = || {
                    let mut command = Command::new("true");
                    command.umask(0o022);
                    start(&mut command, launched)
                };
                let child = match spawn_held(held_at, spawn, |pid| send(pid, signal)) {
                    Ok(child) => child.unwrap(),
                    Err(error) => return skipped(format_args!("system calls cannot be held: {error}")),
                };
                assert!(child.wait().unwrap().success());
            }
        }
    }
}

fn of_another_user() -> io::Result<Child> {
    Command::new("true").uid(65534).gid(65534).current_dir("/").spawn()
}

/// Whether others can spawn meanwhile.
fn others_spawn() {
    for _ in 0..3 {
        assert!(of_another_user().unwrap().wait().unwrap().success());
        assert!(Command::new("true").spawn().unwrap().wait().unwrap().success());
    }
}

/// It has its new user, who stops it: that stops nobody else.
fn stopped_by_its_new_user() {
    if !is_root() {
        return;
    }
    let during = |pid: i32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        assert!(status.contains("Uid:\t65534\t65534"), "{status}");
        send(pid, libc::SIGSTOP);
        others_spawn();
        send(pid, libc::SIGCONT);
    };
    match spawn_held(libc::SYS_execve, of_another_user, during) {
        Ok(child) => assert!(child.unwrap().wait().unwrap().success()),
        Err(error) => skipped(format_args!("system calls cannot be held: {error}")),
    }
}

/// As that of a server that is not there.
fn hanging_directory() {
    if !is_root() {
        return;
    }
    match spawn_held(libc::SYS_chdir, of_another_user, |_| others_spawn()) {
        Ok(child) => assert!(child.unwrap().wait().unwrap().success()),
        Err(error) => skipped(format_args!("system calls cannot be held: {error}")),
    }
}

/// While a child has changed its user, this process is as it was: what another thread sets stays set, and it may open
/// what is its own.
fn dumpable_is_left_alone() {
    if !is_root() {
        return;
    }
    // An ordinary user's, with the right to change it, but none to open all files.
    common::keep_capabilities(1000, &[common::CAP_SETGID, common::CAP_SETUID]);
    // SAFETY: numbers.
    let dumpable = || unsafe { libc::prctl(libc::PR_GET_DUMPABLE) };
    // SAFETY: as above.
    unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 1) };
    let during = |_| {
        assert_eq!(dumpable(), 1);
        File::open("/proc/self/environ").unwrap();
        // SAFETY: a number.
        unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0) };
    };
    match spawn_held(libc::SYS_execve, of_another_user, during) {
        Ok(child) => assert!(child.unwrap().wait().unwrap().success()),
        Err(error) => return skipped(format_args!("system calls cannot be held: {error}")),
    }
    assert_eq!(dumpable(), 0);
}

/// A thread with a small stack spawns in each way.
fn small_stack() {
    // The least that Linux has. Code that is not optimized takes more, up to 28 KiB.
    let size = if cfg!(debug_assertions) { 32 * 1024 } else { 16 * 1024 };
    type Change = fn(&mut Command);
    let changes: [Change; 4] = [
        |_| {},
        |command| {
            command.gid(rustix::process::getgid().as_raw());
        },
        |command| {
            common::make_by_std(command);
        },
        |command| {
            command.stdout(std::process::Stdio::null());
        },
    ];
    for change in changes {
        let mut command = Command::new("sh");
        command.args(["-c", "cat >/dev/null; exit 3"]).env("A", "1").current_dir("/").umask(0o022);
        command.stdin(Stdio::piped()).stderr(Stdio::null());
        command.fd(7, File::open("/dev/null").unwrap());
        change(&mut command);
        let thread = thread::Builder::new().stack_size(size);
        let child = thread.spawn(move || command.spawn()).unwrap().join().unwrap();
        let mut child = child.unwrap();
        drop(child.stdin.take());
        assert_eq!(child.wait().unwrap().code(), Some(3));
    }
    // std's does with it, too.
    let thread = thread::Builder::new().stack_size(16 * 1024);
    let status =
        thread.spawn(|| std::process::Command::new("true").status()).unwrap().join().unwrap().unwrap();
    assert_eq!((status.code(), status.signal()), (Some(0), None));
}
