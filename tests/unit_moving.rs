//! What ends a unit also ends a child that has left it while others are still in it, and those that fork all the time. And
//! sessions that cannot be looked for.

#![allow(unsafe_code)]

mod common;

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use childset::{Child, ChildSet, Command, Containment, Exit, Signal, Stdio, Unit};

const TESTS: &[(&str, fn())] = &[
    ("its_group", its_group),
    ("the_group_that_it_led", the_group_that_it_led),
    ("its_cgroup", its_cgroup),
    ("a_cgroup_that_was_given", a_cgroup_that_was_given),
    ("one_that_forks_and_ends_all_the_time", one_that_forks_and_ends_all_the_time),
    ("without_a_proc_of_ours", without_a_proc_of_ours),
];

const ROLES: &[(&str, fn())] =
    &[("leaves_group", leaves_group), ("leaves_cgroup", leaves_cgroup), ("forks_on", forks_on)];

fn main() {
    match common::role() {
        Some(role) => common::play(&role, ROLES, 60).expect("a role"),
        None => common::main(TESTS),
    }
}

const LONG: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(100);

fn start(prepare: fn()) -> i32 {
    // SAFETY: this process has one thread.
    match unsafe { libc::fork() } {
        0 => {
            common::die_with_parent();
            prepare();
            pause();
        }
        pid => pid,
    }
}

fn pause() -> ! {
    common::end_after(60);
    loop {
        // SAFETY: no memory is touched.
        unsafe { libc::pause() };
    }
}

/// Leaves one in its group, and joins that of another.
fn leaves_group() {
    start(|| {});
    let other = start(|| {});
    // SAFETY: no memory is touched.
    unsafe {
        assert_eq!(libc::setpgid(other, other), 0);
        assert_eq!(libc::setpgid(0, other), 0);
    }
    println!();
    pause();
}

/// Leaves one in its cgroup, and goes to that of our parent.
fn leaves_cgroup() {
    start(|| {});
    let home = PathBuf::from(std::env::var("CHILDSET_TEST_CGROUP").unwrap());
    std::fs::write(home.join("cgroup.procs"), "0").unwrap();
    println!();
    pause();
}

/// No process of it lives for long.
fn forks_on() {
    println!();
    let start = Instant::now();
    while start.elapsed() < LONG {
        // SAFETY: this process has one thread, and calls nothing but this.
        if unsafe { libc::fork() } != 0 {
            // SAFETY: it is the end of this process.
            unsafe { libc::_exit(0) };
        }
    }
}

/// It has left by then.
fn left(role: &str, set_up: impl FnOnce(&mut Command)) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env("CHILDSET_TEST_ROLE", role).stdout(Stdio::piped());
    set_up(&mut command);
    let child = command.spawn().unwrap();
    child.stdout.as_ref().unwrap().blocking().read_exact(&mut [0]).unwrap();
    child
}

fn exit(child: &Child) -> Exit {
    child.wait_timeout(LONG).unwrap().expect("it lives")
}

fn each_end_ends_it(start: impl Fn() -> Child, reached: Containment) {
    let child = start();
    child.kill().unwrap();
    assert_eq!(exit(&child).signal(), Some(Signal::KILL));

    let child = start();
    assert_eq!(child.kill_tree().unwrap(), reached);
    assert_eq!(exit(&child).signal(), Some(Signal::KILL));

    let child = start();
    assert_eq!(child.wait_terminated(LONG).unwrap().signal(), Some(Signal::TERM));

    let mut child = start();
    let pidfd = child.pidfd().try_clone().unwrap();
    child.set_kill_on_drop(true);
    drop(child);
    common::until_ended(&pidfd);

    let captured = start().capture().time_limit(SHORT).wait().unwrap();
    assert_eq!(captured.exit.signal(), Some(Signal::KILL));

    let set = ChildSet::new().unwrap();
    let key = set.insert(start(), ()).unwrap();
    assert_eq!(set.terminate(key).unwrap(), reached);
    let exited = set.wait(Some(LONG)).unwrap().expect("it lives");
    assert_eq!(exited.exit.unwrap().signal(), Some(Signal::TERM));

    set.insert(start(), ()).unwrap();
    let exited = set.shutdown(LONG).wait().unwrap().expect("it was in the set");
    assert_eq!(exited.exit.unwrap().signal(), Some(Signal::TERM));
}

fn its_group() {
    let start = || left("leaves_group", |command| _ = command.unit(Unit::ProcessGroup));
    each_end_ends_it(start, Containment::ProcessGroup);
}

fn the_group_that_it_led() {
    let child = left("leaves_group", |command| _ = command.process_group(0));
    assert_eq!(child.kill_tree().unwrap(), Containment::ProcessGroup);
    assert_eq!(exit(&child).signal(), Some(Signal::KILL));
}

fn its_cgroup() {
    let home = match common::new_cgroup() {
        Ok(home) => home,
        Err(why) => return common::skipped(why),
    };
    let start = || {
        left("leaves_cgroup", |command| {
            command.unit(Unit::Cgroup).env("CHILDSET_TEST_CGROUP", &home);
        })
    };
    each_end_ends_it(start, Containment::Cgroup);
    common::remove_cgroup(&home);
}

fn a_cgroup_that_was_given() {
    let (home, given) = match (common::new_cgroup(), common::new_cgroup()) {
        (Ok(home), Ok(given)) => (home, given),
        (Err(why), _) | (_, Err(why)) => return common::skipped(why),
    };
    let child = left("leaves_cgroup", |command| {
        command.cgroup(File::open(&given).unwrap()).env("CHILDSET_TEST_CGROUP", &home);
    });
    assert_eq!(child.kill_tree().unwrap(), Containment::Cgroup);
    assert_eq!(exit(&child).signal(), Some(Signal::KILL));
    common::remove_cgroup(&home);
    common::remove_cgroup(&given);
}

fn one_that_forks_and_ends_all_the_time() {
    for unit in [Unit::ProcessGroup, Unit::Session].repeat(10) {
        let mut child = left("forks_on", |command| _ = command.unit(unit));
        child.kill_tree().unwrap();
        let start = Instant::now();
        let stdout = child.stdout.take().unwrap();
        assert_eq!(stdout.blocking().read_to_end(&mut Vec::new()).unwrap(), 0);
        assert!(start.elapsed() < LONG / 2, "{unit:?}: it lives");
        child.wait().unwrap();
    }
}

/// It is that of another pid namespace, with other numbers: no session can be looked for. A group can be named.
fn without_a_proc_of_ours() {
    // SAFETY: no memory is touched.
    if unsafe { libc::unshare(libc::CLONE_NEWPID) } == -1 {
        return common::skipped(std::io::Error::last_os_error());
    }
    let ends: [fn(Child); 3] = [
        |child| assert_eq!(child.kill_tree().unwrap_err().kind(), ErrorKind::Unsupported),
        |mut child| child.set_kill_on_drop(true),
        |child| {
            let set = ChildSet::new().unwrap();
            set.insert(child, ()).unwrap();
            let mut shutdown = set.shutdown(LONG);
            assert_eq!(shutdown.wait().unwrap_err().kind(), ErrorKind::Unsupported);
            assert!(shutdown.wait().unwrap().is_some());
        },
    ];
    let code = common::in_copy(|| {
        for end in ends {
            let mut command = Command::new("sh");
            command.args(["-c", "sleep 60 & echo; wait"]).stdout(Stdio::piped()).unit(Unit::Session);
            let mut child = command.spawn().unwrap();
            let stdout = child.stdout.take().unwrap();
            stdout.blocking().read_exact(&mut [0]).unwrap();
            end(child);
            assert!(common::readable(&stdout, LONG), "it lives");
            assert_eq!(stdout.blocking().read_to_end(&mut Vec::new()).unwrap(), 0);
        }
        0
    });
    assert_eq!(code, 0);
}
