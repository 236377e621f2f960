//! Namespaces of processes: opened, and joined by children.

#![allow(unsafe_code)]
// The lint does not know that a pidfd reaps.
#![allow(clippy::zombie_processes)]

mod common;

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt as _;
use std::process::Stdio as StdStdio;

use childset::{Command, Gone, Namespace, Pidfd, Stdio};
use common::{check_leaks, errno, held, in_copy, kernel, skipped, until_ended};

const TESTS: &[(&str, fn())] = &[
    ("opened", opened),
    ("of_what_has_ended", of_what_has_ended),
    ("joined", joined),
    ("pids_of_its_children", pids_of_its_children),
    ("clocks_are_joined_on_a_copy", clocks_are_joined_on_a_copy),
    ("refused", refused),
    ("not_allowed", not_allowed),
    ("printed", printed),
];

fn main() {
    common::main_warm(TESTS);
}

const ALL: [Namespace; 10] = [
    Namespace::Cgroup,
    Namespace::Ipc,
    Namespace::Mount,
    Namespace::Net,
    Namespace::Pid,
    Namespace::PidForChildren,
    Namespace::Time,
    Namespace::TimeForChildren,
    Namespace::User,
    Namespace::Uts,
];

fn opened() {
    check_leaks(|| {
        let me = Pidfd::open(std::process::id()).unwrap();
        for kind in ALL {
            let path = format!("/proc/self/ns/{kind}");
            match (me.namespace(kind), fs::metadata(&path)) {
                (Ok(namespace), Ok(by_path)) => {
                    assert!(kernel() >= (6, 11));
                    assert_eq!(File::from(namespace).metadata().unwrap().ino(), by_path.ino(), "{kind}");
                }
                (Err(error), by_path) => {
                    // Or it is not built into the kernel.
                    assert!(kernel() < (6, 11) || by_path.is_err(), "{kind}: {error}");
                    assert_eq!(error.kind(), ErrorKind::Unsupported, "{kind}: {error}");
                }
                (Ok(_), Err(error)) => panic!("{path}: {error}"),
            }
        }
        let null = Pidfd::from(std::os::fd::OwnedFd::from(File::open("/dev/null").unwrap()));
        assert_eq!(null.namespace(Namespace::Net).unwrap_err().kind(), ErrorKind::Unsupported);
    });
}

fn of_what_has_ended() {
    check_leaks(|| {
        let child = held();
        let pidfd = Pidfd::from_child(&child).unwrap();
        pidfd.kill().unwrap();
        until_ended(&pidfd);
        let zombie = pidfd.namespace(Namespace::Uts).map(drop);
        pidfd.wait().unwrap();
        for error in [zombie.unwrap_err(), pidfd.namespace(Namespace::Uts).unwrap_err()] {
            match kernel() >= (6, 11) {
                true => assert_eq!(Gone::from_io_error(&error), Some(Gone::Reaped), "{error}"),
                false => assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}"),
            }
        }
        // The same by `setns`, on every kernel.
        let mut command = Command::new("true");
        command.join_namespaces_of(pidfd.try_clone().unwrap(), &[Namespace::Uts]);
        assert_eq!(errno(&command.spawn().unwrap_err()), libc::ESRCH);
    });
}

/// A process in new namespaces, in which it is root. It lives until its input ends.
struct Container(std::process::Child);

impl Container {
    /// `None` where they are refused.
    fn new(kinds: i32) -> Option<Container> {
        // SAFETY: asking for numbers.
        let (uid, gid) = unsafe { (libc::getuid(), libc::getgid()) };
        let act = move || {
            // SAFETY: a new process with one thread.
            if unsafe { libc::unshare(libc::CLONE_NEWUSER | kinds) } == -1 {
                return Err(io::Error::last_os_error());
            }
            fs::write("/proc/self/setgroups", "deny")?;
            fs::write("/proc/self/uid_map", format!("0 {uid} 1"))?;
            fs::write("/proc/self/gid_map", format!("0 {gid} 1"))
        };
        let mut command = std::process::Command::new("cat");
        command.stdin(StdStdio::piped()).stdout(StdStdio::piped());
        // SAFETY: this process has one thread that holds no lock.
        let mut child = match unsafe { command.pre_exec(act) }.spawn() {
            Ok(child) => child,
            Err(error) => {
                skipped(format_args!("user namespaces are refused: {error}"));
                return None;
            }
        };
        // It runs, so it may be inspected.
        child.stdin.as_mut().unwrap().write_all(b"x").unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        Some(Container(child))
    }

    fn pidfd(&self) -> Pidfd {
        Pidfd::from_child(&self.0).unwrap()
    }

    fn link(&self, kind: Namespace) -> String {
        fs::read_link(format!("/proc/{}/ns/{kind}", self.0.id())).unwrap().to_str().unwrap().into()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

/// Prints its own namespaces of these kinds.
fn links(kinds: &[Namespace]) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "for kind; do readlink /proc/$$/ns/$kind; done", "sh"]);
    command.args(kinds.iter().map(Namespace::to_string)).stdout(Stdio::piped());
    command
}

fn lines(child: childset::Child) -> Vec<String> {
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", output.status);
    String::from_utf8(output.stdout).unwrap().lines().map(String::from).collect()
}

const NEW: i32 = libc::CLONE_NEWNS | libc::CLONE_NEWNET | libc::CLONE_NEWUTS | libc::CLONE_NEWIPC;

/// By each way to a child.
fn joined() {
    let kinds = [
        Namespace::Net,
        Namespace::Uts,
        Namespace::User,
        Namespace::Ipc,
        Namespace::Mount,
        Namespace::Cgroup,
    ];
    let Some(container) = Container::new(NEW | libc::CLONE_NEWCGROUP) else { return };
    check_leaks(|| {
        let wanted = kinds.map(|kind| container.link(kind));
        assert_ne!(fs::read_link("/proc/self/ns/net").unwrap().to_str(), Some(wanted[0].as_str()));
        let mut command = links(&kinds);
        command.join_namespaces_of(container.pidfd(), &kinds);
        assert_eq!(lines(command.spawn().unwrap()), wanted);
        assert_eq!(lines(command.launch().unwrap()), wanted);
        assert_eq!(lines(command.prepare().unwrap().spawn().unwrap()), wanted);
        // The number of the pidfd is wanted for another descriptor.
        let number = std::os::fd::AsRawFd::as_raw_fd(&container.pidfd());
        command.fd(number, File::open("/dev/null").unwrap());
        assert_eq!(lines(command.spawn().unwrap()), wanted);
        common::make_by_std(&mut command);
        assert_eq!(lines(command.spawn().unwrap()), wanted);
        command.stderr(StdStdio::null());
        assert_eq!(lines(command.spawn().unwrap()), wanted);
        // Not those that were not named.
        let mut command = links(&[Namespace::Uts, Namespace::Net]);
        command.join_namespaces_of(container.pidfd(), &[Namespace::User, Namespace::Uts]);
        let found = lines(command.spawn().unwrap());
        assert_eq!(found[0], wanted[1]);
        assert_eq!(fs::read_link("/proc/self/ns/net").unwrap().to_str(), Some(found[1].as_str()));
        // Another call replaces it.
        command.join_namespaces_of(container.pidfd(), &[]);
        let found = lines(command.spawn().unwrap());
        assert_eq!(fs::read_link("/proc/self/ns/uts").unwrap().to_str(), Some(found[0].as_str()));
        // It is root there.
        let mut command = Command::new("id");
        command.arg("-u").join_namespaces_of(container.pidfd(), &[Namespace::User]).stdout(Stdio::piped());
        assert_eq!(lines(command.spawn().unwrap()), ["0"]);
    });
}

/// The pid namespace is that of the program's children, not its own.
fn pids_of_its_children() {
    let mut command = std::process::Command::new("unshare");
    command.args(["--user", "--map-root-user", "--pid", "--fork", "cat"]);
    let mut unshare = match command.stdin(StdStdio::piped()).stdout(StdStdio::piped()).spawn() {
        Ok(unshare) => unshare,
        Err(error) => return skipped(format_args!("unshare: {error}; Debian's package util-linux has it")),
    };
    let stdin = unshare.stdin.as_mut().unwrap();
    let runs = stdin.write_all(b"x").and_then(|()| unshare.stdout.as_mut().unwrap().read_exact(&mut [0]));
    let id = unshare.id();
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
    if let (Ok(()), Ok(children)) = (runs, children) {
        let first: u32 = children.trim().parse().unwrap();
        let join = |command: &mut Command| {
            let process = Pidfd::open(first).unwrap();
            command.join_namespaces_of(process, &[Namespace::User, Namespace::Pid]);
            lines(command.spawn().unwrap())
        };
        let [own, its] = ["self".into(), first.to_string()].map(|process: String| {
            fs::read_link(format!("/proc/{process}/ns/pid")).unwrap().to_str().unwrap().to_owned()
        });
        let mut shell = Command::new("sh");
        shell.args(["-c", "sh -c 'echo $$'; :"]).stdout(Stdio::piped());
        // `cat` is the first.
        assert_eq!(join(&mut shell), ["2"]);
        assert_eq!(join(&mut links(&[Namespace::Pid, Namespace::PidForChildren])), [own, its]);
    } else {
        skipped("pid namespaces are refused, or the kernel lists no children");
    }
    drop(unshare.stdin.take());
    unshare.wait().unwrap();
}

/// The kernel lets nobody who shares his memory join the namespace of other clocks.
fn clocks_are_joined_on_a_copy() {
    if !common::is_root() || fs::metadata("/proc/self/ns/time").is_err() {
        return;
    }
    let mut command = links(&[Namespace::Time]);
    command.join_namespaces_of(Pidfd::open(std::process::id()).unwrap(), &[Namespace::Time]);
    let own = fs::read_link("/proc/self/ns/time").unwrap();
    match command.spawn() {
        Ok(child) => assert_eq!(lines(child), [own.to_str().unwrap()]),
        Err(error) => panic!("{error}"),
    }
}

fn refused() {
    check_leaks(|| {
        let me = Pidfd::open(std::process::id()).unwrap();
        let mut command = Command::new("true");
        // The own one cannot be joined; then none is. The step is named.
        command.join_namespaces_of(me.try_clone().unwrap(), &[Namespace::Net, Namespace::User]);
        let error = command.spawn().unwrap_err();
        assert_eq!(errno(&error), libc::EINVAL);
        assert!(error.to_string().contains("join the namespaces user, net of a process (setns)"), "{error}");
        for kind in [Namespace::PidForChildren, Namespace::TimeForChildren] {
            command.join_namespaces_of(me.try_clone().unwrap(), &[Namespace::Uts, kind]);
            let error = command.spawn().unwrap_err();
            assert_eq!(errno(&error), libc::EINVAL);
            assert!(error.to_string().contains(&format!("join a {kind} namespace")), "{error}");
        }
        // A descriptor of something else.
        let null = Pidfd::from(std::os::fd::OwnedFd::from(File::open("/dev/null").unwrap()));
        command.join_namespaces_of(null, &[Namespace::Uts]);
        assert_eq!(errno(&command.spawn().unwrap_err()), libc::EINVAL);
    });
}

fn not_allowed() {
    if !common::may_be_ordinary() {
        return;
    }
    let code = in_copy(|| {
        common::give_up_root(12345);
        let me = Pidfd::open(std::process::id()).unwrap();
        let mut command = Command::new("true");
        command.join_namespaces_of(me, &[Namespace::Uts]);
        assert_eq!(errno(&command.spawn().unwrap_err()), libc::EPERM);
        let init = Pidfd::open(1).unwrap();
        if kernel() >= (6, 11) {
            let error = init.namespace(Namespace::Uts).unwrap_err();
            assert!([Some(libc::EPERM), Some(libc::EACCES)].contains(&error.raw_os_error()), "{error}");
        }
        7
    });
    assert_eq!(code, 7);
}

fn printed() {
    let mut command = Command::new("true");
    let me = Pidfd::open(std::process::id()).unwrap();
    let number = std::os::fd::AsRawFd::as_raw_fd(&me);
    command.join_namespaces_of(me, &[Namespace::Net, Namespace::Mount]);
    let text = format!("{command:#?}");
    assert!(text.contains(&format!("join_namespaces_of: ({number}, [Net, Mount])")), "{text}");
    assert_eq!(format!("{:>8}|{}", Namespace::Mount, Namespace::PidForChildren), "     mnt|pid_for_children");
}
