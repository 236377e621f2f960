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
use childset::{Child, Command, Signal, Stdio, Unit};
use common::seccomp::spawn_held;
use common::{handle, is_root, reexec, role, skipped};

const TESTS: [(&str, fn()); 11] = [
    ("kill_of_a_cgroup", kill_of_a_cgroup),
    ("kill_of_a_cgroup_made_for_one", kill_of_a_cgroup_made_for_one),
    ("want_of_memory_around_us", want_of_memory_around_us),
    ("dumping_signals_while_blocked", || survives("dumping_signals_while_blocked")),
    ("dumping_signals_at_execve", || survives("dumping_signals_at_execve")),
    ("dumping_signals_that_are_ignored", || survives("dumping_signals_that_are_ignored")),
    ("dumping_signals_as_before_5_16", || survives("dumping_signals_as_before_5_16")),
    ("stopped_by_its_new_user", stopped_by_its_new_user),
    ("hanging_directory", hanging_directory),
    ("dumpable_is_left_alone", dumpable_is_left_alone),
    ("small_stack", || survives("small_stack")),
];

const ROLES: [(&str, fn()); 7] = [
    ("dumping_signals_while_blocked", || dumping_signals(libc::SYS_umask)),
    ("dumping_signals_at_execve", || dumping_signals(libc::SYS_execve)),
    ("dumping_signals_that_are_ignored", ignored_signals),
    ("dumping_signals_as_before_5_16", as_before_5_16),
    ("small_stack", small_stack),
    ("fills_a_cgroup", fills_a_cgroup),
    ("fills_our_cgroup", fills_our_cgroup),
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

/// The child is killed with all of its cgroup before its `execve`, on our memory: that is its end alone.
fn kill_of_a_cgroup_made_for_one() {
    let mut command = Command::new("true");
    command.umask(0o022).unit(Unit::Cgroup);
    match command.spawn() {
        Ok(child) => assert!(child.wait().unwrap().success()),
        Err(error) => return skipped(error),
    }
    for launched in [false, true] {
        let kill = |pid: i32| {
            if common::launches() {
                assert!(common::has_our_memory(pid) != Some(false));
            }
            let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
            let own = groups.lines().find_map(|line| line.strip_prefix("0::/")).unwrap();
            let path = common::cgroup_mount().unwrap().join(own);
            if let Err(error) = common::kill_cgroup(&path) {
                assert_eq!(error.kind(), io::ErrorKind::NotFound);
                send_and_wait(pid, libc::SIGKILL);
            }
        };
        match spawn_held(libc::SYS_umask, || start(&mut command, launched), kill) {
            Ok(child) => {
                let child = child.unwrap();
                assert_eq!(child.wait().unwrap().signal(), Some(Signal::KILL));
                assert!(child.wait_unit_gone(Duration::from_secs(30)).unwrap());
            }
            Err(error) => return skipped(format_args!("system calls cannot be held: {error}")),
        }
    }
    // In one that was given, it is on a copy.
    let path = common::new_cgroup().unwrap();
    let spawn = || Command::new("true").umask(0o022).cgroup(File::open(&path).unwrap()).spawn();
    let seen = spawn_held(libc::SYS_umask, spawn, |pid| assert!(common::has_our_memory(pid) != Some(true)));
    assert!(seen.unwrap().unwrap().wait().unwrap().success());
    common::remove_cgroup(&path);
}

/// As [`kill_of_a_cgroup`], but we are in it, and the children are in cgroups of their own below ours.
fn want_of_memory_around_us() {
    let path = match common::new_cgroup() {
        Ok(path) => path,
        Err(why) => return skipped(why),
    };
    let limited = fs::write(path.join("memory.max"), "48M");
    let _ = fs::write(path.join("memory.swap.max"), "0");
    let status = limited.map(|()| reexec("fills_our_cgroup").env(CGROUP, &path).status().unwrap());
    let killed = fs::read_to_string(path.join("memory.events")).unwrap_or_default();
    common::remove_cgroup(&path);
    match status {
        Err(why) => skipped(format_args!("memory.max of the cgroup: {why}")),
        Ok(status) => {
            assert!(status.success(), "{status}");
            assert!(!killed.contains("oom_kill 0\n"), "{killed}");
        }
    }
}

/// The one that takes too much is killed, and neither we nor the child on our memory.
fn fills_our_cgroup() {
    let path = std::path::PathBuf::from(std::env::var_os(CGROUP).unwrap());
    fs::write(path.join("cgroup.procs"), "0").unwrap();
    for launched in [false, true] {
        let spawn = move || start(Command::new("true").umask(0o022).unit(Unit::Cgroup), launched);
        let eat = |pid| {
            if common::launches() {
                assert!(common::has_our_memory(pid) != Some(false));
            }
            let mut eater = Command::new("sh");
            eater.args(["-c", "x=xxxxxxxxxxxxxxxx; while :; do x=$x$x; done"]).stderr(Stdio::null());
            let exit = eater.unit(Unit::Cgroup).spawn().unwrap().wait().unwrap();
            assert_eq!(exit.signal(), Some(Signal::KILL));
        };
        match spawn_held(libc::SYS_umask, spawn, eat) {
            Ok(child) => assert!(child.unwrap().wait().unwrap().success()),
            Err(error) => return skipped(format_args!("system calls cannot be held: {error}")),
        }
    }
    // None of what was made for them is left, so that ours can be removed.
    childset::reap_dropped();
}

fn send(pid: i32, signal: i32) {
    // SAFETY: a number, and a process that waits.
    assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
}

/// As [`send`], and waits until the child is gone, if it lets the signal in.
fn send_and_wait(pid: i32, signal: i32) {
    send(pid, signal);
    let until = Instant::now() + Duration::from_millis(300);
    let lives = || common::stat(pid as u32, 3).is_some_and(|state| state != "Z");
    while lives() && Instant::now() < until {
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

/// What tells that version from later ones is refused: then the child catches such signals, and another one gets them.
fn as_before_5_16() {
    const FUTEX_WAITV: libc::c_long = 449;
    if let Err(error) = common::seccomp::filter(FUTEX_WAITV, Some(libc::ENOSYS), None) {
        return skipped(format_args!("seccomp filters are refused: {error}"));
    }
    dumping_signals(libc::SYS_umask);
    dumping_signals(libc::SYS_execve);
    ignored_signals();
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
    let changes: [fn(&mut Command); 2] = [
        |command| {
            command.uid(65534);
        },
        |command| {
            command.gid(65534);
        },
    ];
    for change in changes {
        // SAFETY: as above.
        unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 1) };
        let during = |_| {
            assert_eq!(dumpable(), 1);
            File::open("/proc/self/environ").unwrap();
            // SAFETY: a number.
            unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0) };
        };
        let spawn = || {
            let mut command = Command::new("true");
            change(&mut command);
            command.spawn()
        };
        match spawn_held(libc::SYS_execve, spawn, during) {
            Ok(child) => assert!(child.unwrap().wait().unwrap().success()),
            Err(error) => return skipped(format_args!("system calls cannot be held: {error}")),
        }
        assert_eq!(dumpable(), 0);
    }
}

/// A thread with a small stack spawns in each way.
fn small_stack() {
    // The least that Linux has. Code that is not optimized takes more, up to 28 KiB.
    let size = if cfg!(debug_assertions) { 32 * 1024 } else { 16 * 1024 };
    type Change = fn(&mut Command);
    let changes: [Change; 6] = [
        |_| {},
        |command| {
            command.gid(rustix::process::getgid().as_raw());
        },
        |command| {
            command.uid(rustix::process::getuid().as_raw());
        },
        |command| {
            command.search_path(format!("{}:/bin:/usr/bin", "/nowhere:".repeat(2000)));
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
