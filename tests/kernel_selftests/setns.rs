//! The scenarios of `pidfd_setns_test`: joining a process's namespaces.

use std::fs;
use std::os::fd::{AsRawFd, RawFd};

use childset::{Command, Namespace, Pidfd, SpawnError, Stdio};

use crate::common::{check_leaks, held, in_copy, kernel, skipped, until_ended};
use crate::roles::Talking;

/// What the role "container" has made of its own.
const KINDS: [Namespace; 8] = [
    Namespace::User,
    Namespace::Mount,
    Namespace::Pid,
    Namespace::Uts,
    Namespace::Ipc,
    Namespace::Net,
    Namespace::Cgroup,
    Namespace::Time,
];

/// Gives it a process in namespaces of its own.
fn with_container(test: impl FnOnce(u32)) {
    let mut parent = Talking::role("container");
    match parent.said().parse() {
        Ok(pid) => test(pid),
        Err(_) => skipped("namespaces are refused"),
    }
    drop(parent.stdin);
    parent.child.wait().unwrap();
}

/// As links of `/proc` name it.
fn namespace(process: &str, name: &str) -> String {
    fs::read_link(format!("/proc/{process}/ns/{name}")).unwrap().to_str().unwrap().into()
}

/// The namespaces of a program that joins these.
fn joined(pid: u32, kinds: &[Namespace], names: &[String]) -> Vec<String> {
    let mut command = Command::new("sh");
    command.args(["-c", "for name; do readlink /proc/$$/ns/$name; done", "sh"]);
    command.args(names).stdout(Stdio::piped());
    command.join_namespaces_of(Pidfd::open(pid).unwrap(), kinds);
    let output = command.spawn().unwrap().wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap().lines().map(String::from).collect()
}

/// Where a program is that has joined these. Only its children are in another pid namespace.
fn expected(pid: u32, kinds: &[Namespace], name: &str) -> String {
    let joined_kind = |kind: &Namespace| kind.to_string() == name && *kind != Namespace::Pid;
    let of_children = name == "pid_for_children" && kinds.contains(&Namespace::Pid);
    match kinds.iter().any(joined_kind) || of_children {
        true => namespace(&pid.to_string(), name),
        false => namespace("self", name),
    }
}

fn check(pid: u32, kinds: &[Namespace]) {
    let mut names: Vec<_> = KINDS.iter().map(Namespace::to_string).collect();
    names.push("pid_for_children".into());
    let expected: Vec<_> = names.iter().map(|name| expected(pid, kinds, name)).collect();
    assert_eq!(joined(pid, kinds, &names), expected, "{kinds:?}");
}

pub(crate) fn one_shot() {
    check_leaks(|| with_container(|pid| check(pid, &KINDS)));
}

/// Each with the user namespace, which gives the right to.
pub(crate) fn each_kind() {
    check_leaks(|| {
        with_container(|pid| {
            check(pid, &[Namespace::User]);
            for kind in &KINDS[1..] {
                check(pid, &[*kind, Namespace::User]);
            }
        });
    });
}

pub(crate) fn exited_child() {
    check_leaks(|| {
        let child = held();
        let pidfd = Pidfd::from_child(&child).unwrap();
        pidfd.kill().unwrap();
        until_ended(&pidfd);
        let mut command = Command::new("true");
        command.join_namespaces_of(pidfd.try_clone().unwrap(), &[Namespace::User, Namespace::Net]);
        let error = command.spawn().unwrap_err();
        assert_eq!(SpawnError::from_io_error(&error).unwrap().errno(), libc::ESRCH);
        pidfd.wait().unwrap();
    });
}

fn setns(fd: RawFd, flags: i32) {
    // SAFETY: it touches no memory.
    assert_eq!(unsafe { libc::setns(fd, flags) }, 0, "{}", std::io::Error::last_os_error());
}

/// Who has entered one container, may not enter another one.
pub(crate) fn no_foul_play() {
    with_container(|first| {
        with_container(|second| {
            let [first, second] = [first, second].map(|pid| Pidfd::open(pid).unwrap());
            let code = in_copy(|| {
                setns(first.as_raw_fd(), libc::CLONE_NEWUSER | libc::CLONE_NEWUTS);
                for kind in KINDS {
                    let mut command = Command::new("true");
                    command.join_namespaces_of(second.try_clone().unwrap(), &[kind]);
                    let error = command.spawn().unwrap_err();
                    assert_eq!(SpawnError::from_io_error(&error).unwrap().errno(), libc::EPERM, "{kind}");
                }
                7
            });
            assert_eq!(code, 7);
        });
    });
}

/// The descriptors that `Pidfd::namespace` gives.
pub(crate) fn derived_descriptors() {
    if kernel() < (6, 11) {
        return skipped("it takes Linux 6.11");
    }
    with_container(|pid| {
        let pidfd = Pidfd::open(pid).unwrap();
        let fds = KINDS.map(|kind| pidfd.namespace(kind).unwrap());
        let code = in_copy(|| {
            for (kind, fd) in KINDS.iter().zip(&fds) {
                setns(fd.as_raw_fd(), 0);
                if *kind != Namespace::Pid {
                    let name = kind.to_string();
                    // `/proc` of the copy: `self` is of the file system, which stays.
                    let own = std::process::id().to_string();
                    assert_eq!(namespace(&own, &name), namespace(&pid.to_string(), &name));
                }
            }
            7
        });
        assert_eq!(code, 7);
    });
}
