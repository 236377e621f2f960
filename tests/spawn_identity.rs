//! Users, groups and parents: whatever this process is when it spawns, and was when it prepared.

#![allow(unsafe_code)]

mod common;

use std::ffi::{CStr, CString};
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::thread;

use childset::unix::CommandExt;
use childset::{Command, Prepared, Signal, Stdio};
use common::{errno, in_copy, is_root, reexec, role, skipped, Dir, CAP_SETGID, CAP_SETUID};

const TESTS: [(&str, fn()); 10] = [
    ("exec_with_parent_death_signal", exec_with_parent_death_signal),
    ("prepared_before_a_fork", prepared_before_a_fork),
    ("parent_outside_of_the_pid_namespace", parent_outside_of_the_pid_namespace),
    ("parent_death_signal_of_another_user", parent_death_signal_of_another_user),
    ("parent_that_died_before", parent_that_died_before),
    ("groups_that_may_not_be_set", groups_that_may_not_be_set),
    ("no_group_is_left", no_group_is_left),
    ("no_group_is_left_by_capabilities", no_group_is_left_by_capabilities),
    ("a_group_that_cannot_be_dropped", a_group_that_cannot_be_dropped),
    ("searches_with_the_ids_of_the_child", searches_with_the_ids_of_the_child),
];

const ROLES: [(&str, fn()); 2] =
    [("execs_with_a_signal", || execs(false)), ("execs_to_be_killed", || execs(true))];

fn main() {
    if std::env::args_os().nth(1).is_some_and(|arg| arg == "--where") {
        return says_where();
    }
    match role() {
        Some(role) => common::play(&role, &ROLES, 60).expect("a role"),
        None => common::main(&TESTS),
    }
}

/// Each way to a child.
const WAYS: [fn(&mut Command); 3] = [
    |_| {},
    |command| {
        common::make_by_std(command);
    },
    |command| {
        command.stderr(std::process::Stdio::null());
    },
];

fn text(command: &mut Command) -> String {
    let output = command.stdout(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
    assert!(output.status.success(), "{}", output.status);
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

// --- Parents.

/// It is its own program's parent for nobody.
fn exec_with_parent_death_signal() {
    for role in ["execs_with_a_signal", "execs_to_be_killed"] {
        let status = reexec(role).status().unwrap();
        assert_eq!(status.code(), Some(3), "{role}: {status}");
    }
}

fn execs(kill: bool) {
    let mut command = Command::new("sh");
    command.args(["-c", "exit 3"]);
    match kill {
        true => command.kill_with_parent(true),
        false => command.parent_death_signal(Signal::TERM),
    };
    panic!("{}", command.exec());
}

fn prepared_before_a_fork() {
    for way in WAYS.iter().take(2) {
        let prepare = |change: fn(&mut Command) -> &mut Command| -> Prepared {
            let mut command = Command::new("sh");
            command.args(["-c", "exit 3"]);
            way(change(&mut command));
            command.prepare().unwrap()
        };
        let all = [
            prepare(|command| command.parent_death_signal(Signal::TERM)),
            prepare(|command| command.kill_with_parent(true)),
        ];
        for prepared in all {
            let code = in_copy(|| prepared.spawn().unwrap().wait().unwrap().code().unwrap_or(99) as u8);
            assert_eq!(code, 3);
        }
    }
}

fn parent_outside_of_the_pid_namespace() {
    // SAFETY: it changes where later children live.
    let unshare = || unsafe { libc::unshare(libc::CLONE_NEWPID) };
    if in_copy(|| u8::from(unshare() == -1)) != 0 {
        return skipped("pid namespaces are refused");
    }
    for way in WAYS {
        for kill in [false, true] {
            let code = in_copy(|| {
                assert_eq!(unshare(), 0);
                // Process 1 of the namespace, which no signal of its own ends.
                let first = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
                let mut command = Command::new("sh");
                command.args(["-c", "exit 3"]);
                way(&mut command);
                match kill {
                    true => command.kill_with_parent(true),
                    false => command.parent_death_signal(Signal::KILL),
                };
                let code = command.spawn().unwrap().wait().unwrap().code().unwrap_or(99) as u8;
                drop(first);
                code
            });
            assert_eq!(code, 3, "{kill}");
        }
    }
}

/// The kernel forgets the signal when the user changes.
fn parent_death_signal_of_another_user() {
    if !is_root() {
        return;
    }
    for way in WAYS {
        for kill in [false, true] {
            let spawn = || {
                let mut command = Command::new("cat");
                command.stdin(Stdio::piped()).stdout(Stdio::null()).uid(65534).gid(65534);
                way(&mut command);
                match kill {
                    true => command.kill_with_parent(true),
                    false => command.parent_death_signal(Signal::KILL),
                };
                command.spawn().unwrap()
            };
            let mut child = thread::scope(|scope| scope.spawn(spawn).join().unwrap());
            let stdin = child.stdin.take();
            if kill && common::kernel() >= (7, 1) && child.try_wait().unwrap().is_none() {
                // That of Linux 7.1 lasts as long as the process, not the thread.
                child.kill().unwrap();
            }
            assert_eq!(child.wait().unwrap().signal(), Some(Signal::KILL));
            drop(stdin);
        }
    }
}

/// Between the birth of a child and its wish to end with its parent, that may end.
fn parent_that_died_before() {
    // SAFETY: a number.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) }, 0);
    let held = match common::seccomp::hold(libc::SYS_umask) {
        Ok(held) => held,
        Err(error) => return skipped(format_args!("system calls cannot be held: {error}")),
    };
    for way in WAYS {
        let mut command = Command::new("sh");
        way(command.args(["-c", "exit 3"]).umask(0o022).parent_death_signal(Signal::KILL));
        // SAFETY: this process has one thread.
        let parent = unsafe { libc::fork() };
        if parent == 0 {
            drop(command.spawn());
            // SAFETY: the end of the copy.
            unsafe { libc::_exit(1) };
        }
        let call = held.next(30_000).expect("the child gets there");
        let child = call.pid as u32;
        // SAFETY: a number.
        assert_eq!(unsafe { libc::kill(parent, libc::SIGKILL) }, 0);
        assert_eq!(common::reap_by_pid(parent as u32), libc::SIGKILL);
        held.go_on(call);
        assert_eq!(common::reap_by_pid(child), libc::SIGKILL);
    }
}

// --- Groups.

fn set_groups(groups: &[u32]) {
    // SAFETY: so many numbers are read.
    assert_eq!(unsafe { libc::setgroups(groups.len(), groups.as_ptr()) }, 0);
}

/// As root of a user namespace in which nobody may set groups: `unshare -Ur`, rootless containers.
fn groups_that_may_not_be_set() {
    // SAFETY: numbers.
    let (uid, gid) = unsafe { (libc::getuid(), libc::getgid()) };
    // SAFETY: this process has one thread.
    if unsafe { libc::unshare(libc::CLONE_NEWUSER) } == -1 {
        return skipped(format_args!("user namespaces are refused: {}", io::Error::last_os_error()));
    }
    fs::write("/proc/self/setgroups", "deny").unwrap();
    fs::write("/proc/self/uid_map", format!("0 {uid} 1")).unwrap();
    fs::write("/proc/self/gid_map", format!("0 {gid} 1")).unwrap();
    for way in WAYS {
        let mut command = Command::new("id");
        command.arg("-u").uid(0).gid(0);
        way(&mut command);
        assert_eq!(text(&mut command), "0");
    }
    use std::os::unix::process::CommandExt as _;
    let status = std::process::Command::new("true").uid(0).gid(0).status().unwrap();
    assert!(status.success(), "std does it, too");
}

fn ids() -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "echo $(id -u) $(id -g) $(id -G)"]).uid(65534).gid(65533);
    command
}

fn no_group_is_left() {
    if !is_root() {
        return;
    }
    set_groups(&[4, 27]);
    for way in WAYS {
        let mut command = ids();
        way(&mut command);
        assert_eq!(text(&mut command), "65534 65533 65533");
        let mut command = ids();
        way(command.groups(&[7, 70_008]));
        assert_eq!(text(&mut command), "65534 65533 65533 7 70008");
    }
    // Prepared while it was an ordinary user's.
    // SAFETY: numbers.
    unsafe { assert_eq!(libc::seteuid(1000), 0) };
    let prepared = ids().stdout(Stdio::piped()).prepare().unwrap();
    // SAFETY: as above.
    unsafe { assert_eq!(libc::seteuid(0), 0) };
    let output = prepared.spawn().unwrap().wait_with_output().unwrap();
    assert_eq!(output.stdout, b"65534 65533 65533\n");
}

/// Not root's, but with the right to become another user.
fn no_group_is_left_by_capabilities() {
    if !is_root() {
        return;
    }
    set_groups(&[4, 27]);
    common::keep_capabilities(1000, &[CAP_SETGID, CAP_SETUID]);
    for way in WAYS {
        let mut command = ids();
        way(&mut command);
        assert_eq!(text(&mut command), "65534 65533 65533");
    }
}

/// Rather an error than a child of another user with a group of ours. One of ours may keep them.
fn a_group_that_cannot_be_dropped() {
    if !is_root() {
        return;
    }
    // Where there is none, there is nothing to drop.
    let code = in_copy(|| {
        set_groups(&[]);
        common::keep_capabilities(1000, &[CAP_SETUID]);
        u8::from(text(Command::new("id").arg("-u").uid(65534)) != "65534")
    });
    assert_eq!(code, 0);
    set_groups(&[4, 27]);
    common::keep_capabilities(1000, &[CAP_SETUID]);
    for way in WAYS {
        let mut command = Command::new("id");
        way(command.arg("-G").uid(65534));
        let error = command.spawn().unwrap_err();
        assert_eq!(errno(&error), libc::EPERM);
        assert!(error.to_string().contains("drop the supplementary groups"), "{error}");
        let mut command = Command::new("id");
        way(command.arg("-G").uid(1000));
        assert_eq!(text(&mut command), "0 4 27");
    }
    // Nor if it is only one of our ids.
    for [real, effective] in [[1000, 65534], [65534, 1000]] {
        // SAFETY: numbers.
        assert_eq!(unsafe { libc::setresuid(real, effective, 1000) }, 0);
        for way in WAYS {
            let mut command = Command::new("id");
            way(command.arg("-G").uid(65534));
            assert_eq!(errno(&command.spawn().unwrap_err()), libc::EPERM, "{real}, {effective}");
        }
    }
}

// --- The search.

/// Ends with a code that says in which directory this program was found.
fn says_where() {
    // SAFETY: the kernel put the path there, which stays.
    let path = unsafe { CStr::from_ptr(libc::getauxval(libc::AT_EXECFN) as *const libc::c_char) };
    // At once: what looks for leaks at the end may not look at a process with such ids.
    // SAFETY: it ends this process.
    unsafe { libc::_exit(if path.to_bytes().ends_with(b"closed/prog") { 3 } else { 4 }) };
}

/// Real, effective and saved ones: of the user, and of the group.
type Ids = [[u32; 3]; 2];

fn set_ids([user, group]: Ids) {
    set_groups(&[]);
    // SAFETY: numbers.
    let results = unsafe {
        [libc::setresgid(group[0], group[1], group[2]), libc::setresuid(user[0], user[1], user[2])]
    };
    assert_eq!(results, [0; 2], "{user:?}, {group:?}: {}", io::Error::last_os_error());
}

/// A directory that is root's, and of a group, comes first in PATH.
fn searches_with_the_ids_of_the_child() {
    if !is_root() {
        return;
    }
    let place = Dir::new();
    let (closed, open) = (place.path().join("closed"), place.path().join("open"));
    for directory in [&closed, &open] {
        fs::create_dir(directory).unwrap();
        common::copy(std::env::current_exe().unwrap(), directory.join("prog"));
    }
    fs::set_permissions(&closed, Permissions::from_mode(0o750)).unwrap();
    const GROUP: u32 = 65533;
    std::os::unix::fs::chown(&closed, None, Some(GROUP)).unwrap();
    std::env::set_var("PATH", format!("{}:{}", closed.display(), open.display()));
    let users = [[0, 0, 0], [0, 65534, 0], [65534, 0, 0], [0, 0, 65534], [1000, 65534, 0], [0, 1000, 65534]];
    let groups = [[0, 0, 0], [GROUP, 1, 2], [1, GROUP, 2], [1, 2, GROUP]];
    let as_user = users.into_iter().map(|user| [user, [0; 3]]);
    for ids in as_user.chain(groups.into_iter().map(|group| [[65534, 1000, 0], group])) {
        let [[_, user, _], [_, group, _]] = ids;
        // By execvp(3), with these ids.
        let expected = in_copy(|| {
            set_ids(ids);
            let program = CString::new("prog").unwrap();
            let argv = [program.as_ptr(), c"--where".as_ptr(), std::ptr::null()];
            // SAFETY: strings with their null bytes.
            unsafe { libc::execvp(program.as_ptr(), argv.as_ptr()) };
            99
        });
        assert_eq!(expected, if user == 0 || group == GROUP { 3 } else { 4 });
        for way in WAYS {
            for prepares in [false, true] {
                let code = in_copy(|| {
                    set_ids(ids);
                    let mut command = Command::new("prog");
                    way(command.arg("--where"));
                    let child = match command.prepare() {
                        Ok(prepared) if prepares => prepared.spawn(),
                        _ => command.spawn(),
                    };
                    child.unwrap().wait().unwrap().code().unwrap_or(98) as u8
                });
                assert_eq!(code, expected, "{ids:?}, prepared: {prepares}");
            }
            let code = in_copy(|| {
                set_ids(ids);
                let mut command = Command::new("prog");
                way(command.arg("--where"));
                panic!("{}", command.exec());
            });
            assert_eq!(code, expected, "exec: {ids:?}");
        }
    }
    // With those that it changes to.
    for way in WAYS {
        for (user, group, expected) in [(0, 1, 3), (65534, 1, 4), (65534, GROUP, 3)] {
            let mut command = Command::new("prog");
            way(command.arg("--where").uid(user).gid(group));
            assert_eq!(command.spawn().unwrap().wait().unwrap().code(), Some(expected));
        }
    }
}
