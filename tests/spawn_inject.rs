//! System calls that fail while a process is spawned, by the hand of strace: it works another way, or the error
//! says what failed, and nothing is left of it.

#![allow(unsafe_code)]

mod common;

use std::io;

use childset::{ChildSet, Command, SpawnError, Stdio};
use common::{check_leaks, role};

/// What is injected, and what is to happen.
const CASES: [(&str, &[&str], Expected); 30] = [
    ("nothing", &[], Works),
    ("clone3_enosys", &["clone3:error=ENOSYS"], Works),
    ("clone3_eperm", &["clone3:error=EPERM"], Works),
    ("clone3_enosys_once", &["clone3:error=ENOSYS:when=1"], FailsOnce(libc::ENOSYS, "make a process")),
    ("clone3_enomem", &["clone3:error=ENOMEM"], Fails(libc::ENOMEM, "make a process")),
    ("clone3_eagain", &["clone3:error=EAGAIN"], Fails(libc::EAGAIN, "make a process")),
    ("clone3_eagain_once", &["clone3:error=EAGAIN:when=1"], FailsOnce(libc::EAGAIN, "make a process")),
    ("close_range_enosys", &["close_range:error=ENOSYS"], Works),
    ("close_range_eperm", &["close_range:error=EPERM"], Works),
    ("close_range_enomem", &["close_range:error=ENOMEM"], Works),
    ("close_range_einval", &["close_range:error=EINVAL"], Works),
    ("both_enosys", &["clone3:error=ENOSYS", "close_range:error=ENOSYS"], Works),
    ("both_eperm", &["clone3:error=EPERM", "close_range:error=EPERM"], Works),
    ("no_pidfd", &["pidfd_open:error=ENOSYS"], Works),
    ("fork_works", &[], Works),
    ("fork_no_pidfd", &["pidfd_open:error=ENOSYS"], Fails(libc::ENOSYS, "make a process")),
    ("fork_emfile", &["pidfd_open:error=EMFILE"], Fails(libc::EMFILE, "make a process")),
    (
        "fork_emfile_eintr",
        &["pidfd_open:error=EMFILE", "wait4:error=EINTR:when=1"],
        Fails(libc::EMFILE, "make a process"),
    ),
    ("waitid_eintr", &["waitid:error=EINTR:when=3"], Works),
    ("busy_for_good", &["execve:error=ETXTBSY"], Fails(libc::ETXTBSY, "run \"/bin/sh\"")),
    ("execve_eio", &["execve:error=EIO"], Fails(libc::EIO, "run \"/bin/sh\"")),
    ("execve_estale", &["execve:error=ESTALE"], FoundLater),
    ("execve_enodev", &["execve:error=ENODEV"], FoundLater),
    ("execve_etimedout", &["execve:error=ETIMEDOUT"], FoundLater),
    ("detached_einval", &["clone3:error=EINVAL:when=1"], WithoutTheKernel),
    ("detached_eperm", &["clone3:error=EPERM:when=1"], WithoutTheKernel),
    ("detached_enosys", &["clone3:error=ENOSYS"], WithoutTheKernel),
    ("std_emfile", &["pidfd_open:error=EMFILE"], Fails(libc::EMFILE, "Too many open files")),
    // The wait for what has failed is interrupted.
    (
        "dup3_ebusy_eintr",
        &["dup3:error=EBUSY", "waitid:error=EINTR:when=2+3"],
        Fails(libc::EBUSY, "standard input"),
    ),
    ("dup3_ebusy", &["dup3:error=EBUSY"], Fails(libc::EBUSY, "standard input")),
];

#[derive(Clone, Copy, Debug)]
enum Expected {
    Works,
    /// Each spawn: errno, and what the message contains.
    Fails(i32, &'static str),
    /// The first one.
    FailsOnce(i32, &'static str),
    /// In the next directory of the search.
    FoundLater,
    /// What the kernel would do from 7.1 on is done otherwise.
    WithoutTheKernel,
}

use Expected::{Fails, FailsOnce, FoundLater, WithoutTheKernel, Works};

fn main() {
    if let Some(role) = role() {
        let (_, _, expected) = CASES.iter().find(|(name, ..)| *name == role).expect("a role");
        common::end_after(300);
        return run(*expected);
    }
    common::main_with(&CASES.map(|(name, injected, _)| (name, injected)), |name, injected| {
        if common::strace::works() {
            strace(injected, name).unwrap();
        }
    });
}

fn strace(injected: &[&str], role: &str) -> Result<(), String> {
    // Not the role's own start.
    let only: &[&str] =
        if injected.iter().any(|call| call.starts_with("execve")) { &["-P", "/bin/sh"] } else { &[] };
    match injected {
        [] => common::strace::inject(&["setns:error=EPERM"], role),
        _ => common::strace::strace(injected, &[&["-f"], only].concat(), common::reexec(role)),
    }
}

fn talkative() -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "cat; echo out; echo err >&2; cat <&7; ls /proc/self/fd; umask; exit 3"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).umask(0o027);
    command.fd(7, std::fs::File::open("/proc/sys/kernel/ostype").unwrap());
    match role().unwrap_or_default().split('_').next() {
        Some("fork") => {
            common::make_by_std(&mut command);
        }
        Some("std") => {
            command.stdin(std::process::Stdio::piped());
        }
        _ => {}
    }
    command
}

fn check(error: &io::Error, errno: i32, names: &str) {
    let found = SpawnError::raw_os_error(error);
    assert_eq!(found, Some(errno), "{error:?}");
    assert!(error.to_string().contains(names), "{error}");
}

fn works(command: &mut Command) {
    let output = command.spawn().unwrap().wait_with_input("in ").unwrap();
    let expected = "in out\nLinux\n0\n1\n2\n3\n7\n0027\n";
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
    assert_eq!((&output.stderr[..], output.status.code()), (&b"err\n"[..], Some(3)));
}

fn run(expected: Expected) {
    // An inherited descriptor that no child should see.
    // SAFETY: the descriptor is new.
    let _open = unsafe { libc::dup(2) };
    if matches!(expected, Works) {
        // It takes two calls of waitid, and leaves the descriptor that the crate keeps.
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let stdin = child.stdin.take();
        drop(child);
        drop(stdin);
        common::reap_all_dropped();
    }
    check_leaks(|| {
        let set = ChildSet::new().unwrap();
        match expected {
            Works => {
                for _ in 0..common::times(5) {
                    works(&mut talkative());
                }
                set.spawn(&mut talkative(), ()).unwrap();
                drop(set.shutdown(std::time::Duration::ZERO));
                assert!(set.wait(None).unwrap().is_some());
                // A failure of the child's is told.
                check(
                    &Command::new("/no/such/program").spawn().unwrap_err(),
                    libc::ENOENT,
                    "/no/such/program",
                );
                let error = Command::new("/bin/true").current_dir("/no/such").spawn().unwrap_err();
                check(&error, libc::ENOENT, "working directory \"/no/such\"");
                let prepared = talkative().prepare().unwrap();
                let output = prepared.spawn().unwrap().wait_with_input("").unwrap();
                assert_eq!(output.status.code(), Some(3));
            }
            FailsOnce(errno, names) => {
                check(&talkative().spawn().unwrap_err(), errno, names);
                works(&mut talkative());
            }
            Fails(errno, names) => {
                for _ in 0..common::times(5) {
                    check(&talkative().spawn().unwrap_err(), errno, names);
                    check(&set.spawn(&mut talkative(), ()).unwrap_err().error, errno, names);
                }
            }
            FoundLater => {
                let place = common::Dir::new();
                std::os::unix::fs::symlink("/bin/sh", place.path().join("sh")).unwrap();
                let mut command = Command::new("sh");
                command.args(["-c", "exit 5"]).search_path(format!("/bin:{}", place.path().display()));
                assert_eq!(command.spawn().unwrap().wait().unwrap().code(), Some(5));
            }
            WithoutTheKernel => {
                let detached =
                    || talkative().autoreap(true).kill_with_parent(true).no_new_privs(true).spawn().unwrap();
                let exit = detached().capture().wait().unwrap().exit;
                // It is we who reaped it.
                assert!(exit.code() == Some(3) && exit.usage().is_some());
                // Also one that is dropped.
                let mut child = detached();
                let pidfd = child.pidfd().try_clone().unwrap();
                drop(child.stdin.take());
                common::until_ended(&pidfd);
                drop(child);
                assert_eq!(pidfd.state().unwrap(), childset::State::Reaped);
            }
        }
    });
    common::no_child_is_left();
}
