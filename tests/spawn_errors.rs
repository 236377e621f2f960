//! Spawns that fail: which step it was, and nothing left of it.

#![allow(unsafe_code)]
// The type of `RLIMIT_*` depends on the C library.
#![allow(clippy::unnecessary_cast)]

mod common;

use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt;

use childset::unix::CommandExt;
use childset::{ChildSet, Command, Resource, SpawnError, Stdio};
use common::{by_std, check_leaks, Dir};

const TESTS: &[(&str, fn())] = &[
    ("missing_program", missing_program),
    ("refused_program", refused_program),
    ("no_script", no_script),
    ("missing_directory", missing_directory),
    ("steps", steps),
    ("too_much", too_much),
    ("null_bytes", null_bytes),
    ("descriptors", descriptors),
    ("thousands", thousands),
];

fn main() {
    common::main_warm(TESTS);
}

type New = fn(&str) -> Command;

/// Spawns each way, to the error, which must have the errno and name what it says.
fn fails(errno: i32, names: &str, change: impl Fn(New) -> Command) {
    for new in [|program: &str| Command::new(program), by_std as New] {
        check_leaks(|| {
            let mut command = change(new);
            let check = |error: io::Error| {
                let explained = SpawnError::from_io_error(&error).unwrap_or_else(|| panic!("{error:?}"));
                let plain = io::Error::from_raw_os_error(errno);
                assert_eq!(explained.errno(), errno, "{error:?}");
                assert_eq!((explained.kind(), error.kind()), (plain.kind(), plain.kind()), "{error:?}");
                assert_eq!(SpawnError::raw_os_error(&error), Some(errno), "{error:?}");
                assert!(error.to_string().contains(names), "{error}, which does not name {names}");
                assert!(error.to_string().starts_with("cannot "), "{error}");
                assert_eq!(SpawnError::into_os_error(error).raw_os_error(), Some(errno));
            };
            check(command.spawn().unwrap_err());
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            check(command.spawn().unwrap_err());
            let set = ChildSet::new().unwrap();
            let error = set.spawn(&mut command, "tag").unwrap_err();
            assert!(error.tag == "tag" && error.child.is_none() && set.is_empty());
            check(error.error);
            match command.prepare() {
                Ok(prepared) => check(prepared.spawn().unwrap_err()),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}"),
            }
            #[cfg(feature = "async-io")]
            {
                check(futures_lite::future::block_on(command.status()).unwrap_err());
                check(futures_lite::future::block_on(command.output()).unwrap_err());
            }
        });
    }
}

fn missing_program() {
    for name in ["/no/such/program", "no-such-program", "./no-such-program", ""] {
        fails(libc::ENOENT, &format!("run {name:?}"), |new| new(name));
    }
    fails(libc::ENOENT, "no-such-program", |new| {
        let mut command = new("no-such-program");
        command.env_clear();
        command
    });
    fails(libc::ENOTDIR, "/dev/null/program", |new| new("/dev/null/program"));
    // The interpreter of a script is missing: the kernel says so of the script.
    let directory = Dir::new();
    let script = directory.path().join("script");
    fs::write(&script, "#!/no/such/interpreter\n").unwrap();
    fs::set_permissions(&script, Permissions::from_mode(0o755)).unwrap();
    fails(libc::ENOENT, script.to_str().unwrap(), |new| new(script.to_str().unwrap()));
}

fn refused_program() {
    let directory = Dir::new();
    let path = directory.path().join("plain");
    fs::write(&path, "#!/bin/sh\n").unwrap();
    let path = path.to_str().unwrap();
    fails(libc::EACCES, path, |new| new(path));
    fails(libc::EACCES, "/tmp", |new| new("/tmp"));
    fails(libc::EACCES, "plain", |new| {
        let mut command = new("plain");
        command.env("PATH", format!("/nowhere:{}:/bin", directory.path().display()));
        command
    });
}

/// What the kernel does not know how to execute: the shell runs texts, and nothing else.
fn no_script() {
    let directory = Dir::new();
    let file = |name: &str, text: &[u8], mode| {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let long = [b"# ".as_slice(), &[b'x'; 78], b"\0"].concat();
    let scripts: [&[u8]; 4] =
        [b"exit 7", b"# \xff\nexit 7", b"\nexit 7\n\0\x7fELF", &[&long[..], b"\nexit 7"].concat()];
    for (index, text) in scripts.iter().enumerate() {
        let path = file(&format!("script{index}"), text, 0o755);
        for (way, mut command) in ways(&path) {
            let code = |child: io::Result<childset::Child>| child.unwrap().wait().unwrap().code();
            // A `Stdio` of std's serves once.
            assert_eq!(code(command.spawn()), Some(7), "{way}, {index}");
            if way != "std" {
                assert_eq!(code(command.launch()), Some(7), "{way}, {index}");
                assert_eq!(code(command.prepare().unwrap().spawn()), Some(7), "{way}, {index}");
            }
        }
        let exec = || {
            Command::new(&path).exec();
            1
        };
        assert_eq!(common::in_copy(exec), 7);
    }

    let foreign: &[u8] = b"\x7fELF\x02\x01\x01\nexit 7";
    let others: [&[u8]; 5] =
        [b"", b"\0", foreign, b"exit\0 7\nexit 7", &[&[b'x'; 79][..], b"\0\nexit 7"].concat()];
    for (index, text) in others.iter().enumerate() {
        let path = file(&format!("other{index}"), text, 0o755);
        fails(libc::ENOEXEC, &path, |new| new(&path));
        for (way, mut command) in ways(&path) {
            let check = |result: io::Result<childset::Exit>| {
                let error = result.unwrap_err();
                assert_eq!(common::errno(&error), libc::ENOEXEC, "{way}, {index}: {error}");
                assert!(error.to_string().contains(&path), "{error}");
            };
            check(command.spawn().and_then(|child| child.wait()));
            if way != "std" {
                check(command.launch().and_then(|child| child.wait()));
                check(Err(command.exec()));
            }
        }
        for shell in [true, false] {
            let error =
                Command::from_fd(File::open(&path).unwrap()).shell_fallback(shell).spawn().unwrap_err();
            assert_eq!(common::errno(&error), libc::ENOEXEC);
        }
    }

    // The shell could not read it. Root could.
    if !rustix::process::geteuid().is_root() {
        let path = file("unreadable", b"exit 7", 0o111);
        fails(libc::ENOEXEC, &path, |new| new(&path));
    }
}

/// A command a way in which processes are made: on our memory, on a copy, by `fork`, and by std.
fn ways(path: &str) -> [(&'static str, Command); 4] {
    let (mut copied, mut forked, mut std) = (Command::new(path), Command::new(path), Command::new(path));
    copied.uid(rustix::process::geteuid().as_raw());
    // SAFETY: the closure does nothing.
    unsafe { forked.pre_exec(|| Ok(())) };
    std.stdin(std::process::Stdio::null());
    [("shared", Command::new(path)), ("copied", copied), ("forked", forked), ("std", std)]
}

fn missing_directory() {
    let in_directory = |path: &'static str| {
        move |new: New| {
            let mut command = new("true");
            command.current_dir(path);
            command
        }
    };
    fails(libc::ENOENT, r#"enter the working directory "/no/such" (chdir)"#, in_directory("/no/such"));
    fails(libc::ENOTDIR, r#""/dev/null" (chdir)"#, in_directory("/dev/null"));
    fails(libc::ENOENT, r#""" (chdir)"#, in_directory(""));
}

fn steps() {
    type Change = fn(&mut Command) -> &mut Command;
    let changes: [(i32, &str, Change); 8] = [
        (libc::ENOENT, r#""/no/such" the root directory (chroot)"#, |command| command.chroot("/no/such")),
        (libc::EINVAL, "set RLIMIT_CORE to 2 and 1 (setrlimit)", |command| {
            command.rlimit(Resource::CORE, 2, 1)
        }),
        (libc::EINVAL, "set resource limit 99 to 1 and 1", |command| command.rlimit(99, 1, 1)),
        (libc::EINVAL, "policy 77 with priority 0 (sched_setscheduler)", |command| command.scheduler(77, 0)),
        (libc::EINVAL, "with priority 5", |command| command.scheduler(libc::SCHED_OTHER, 5)),
        (libc::EPERM, "process group 1 (setpgid)", |command| command.process_group(1)),
        (libc::EINVAL, "reset signal 99 to its default (sigaction)", |command| {
            command.default_signals(&[99.into()])
        }),
        (libc::EINVAL, "ask for signal 99 at the parent's death", |command| command.parent_death_signal(99)),
    ];
    for (errno, names, change) in changes {
        if names.contains("chroot") && !rustix::process::geteuid().is_root() {
            continue;
        }
        fails(errno, names, |new| {
            let mut command = new("true");
            change(&mut command);
            command
        });
    }
    fails(libc::EINVAL, "setpgid", |new| {
        let mut command = new("true");
        command.process_group(-5);
        command
    });
    // A leader of a session leads its group already.
    fails(libc::EPERM, "setpgid", |new| {
        let mut command = new("true");
        command.setsid(true).process_group(0);
        command
    });
}

fn too_much() {
    fails(libc::E2BIG, r#"run "true""#, |new| {
        let mut command = new("true");
        command.arg("x".repeat(1 << 20));
        command
    });
    fails(libc::ENAMETOOLONG, "x/x/x", |new| new(&"x/".repeat(5000)));
    fails(libc::ENAMETOOLONG, "xxx", |new| new(&"x".repeat(300)));
}

fn null_bytes() {
    check_leaks(|| {
        for new in [|program: &str| Command::new(program), by_std as New] {
            for mut command in [new("a\0b"), new("")] {
                command.arg("a\0b").stdin(Stdio::piped());
                let error = command.spawn().unwrap_err();
                assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
                assert!(SpawnError::from_io_error(&error).is_none());
            }
        }
    });
}

fn descriptors() {
    for number in [-1, -2, i32::MIN] {
        fails(libc::EBADF, &format!("descriptor {number}"), |new| {
            let mut command = new("true");
            command.fd(number, File::open("/dev/null").unwrap());
            command
        });
    }
}

/// A failed spawn leaves neither a zombie nor a descriptor, however often.
fn thousands() {
    let mut missing = Command::new("/no/such/program");
    missing.stdin(Stdio::piped()).stdout(Stdio::piped());
    let bad_step = Command::new("true").current_dir("/no/such").prepare().unwrap();
    check_leaks(|| {
        for _ in 0..common::times(3000) {
            missing.spawn().unwrap_err();
            bad_step.spawn().unwrap_err();
        }
    });
    // Not even an unreaped child of ours: there is none to wait for.
    common::no_child_is_left();
}
