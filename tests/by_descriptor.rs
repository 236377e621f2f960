//! Programs, directories and roots that are named by descriptors, and by paths through them.

mod common;

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use childset::unix::CommandExt;
use childset::{Child, Command, SpawnError, Stdio};
use common::errno;

/// How a command becomes a process.
type Way = (&'static str, fn(&mut Command) -> io::Result<Child>);

const WAYS: [Way; 7] = [
    ("spawn", |command| command.spawn()),
    ("prepared", |command| command.prepare()?.spawn()),
    ("launch", |command| command.launch()),
    ("launch, prepared", |command| command.prepare()?.launch()),
    ("inheriting", |command| command.inherit_fds(true).spawn()),
    ("fork", |command| {
        // SAFETY: it does nothing.
        #[allow(unsafe_code)]
        unsafe { command.pre_exec(|| Ok(())) }.spawn()
    }),
    ("std", |command| common::make_by_std(command).spawn()),
];

/// Above the standard ones, of which some may be closed.
fn open(path: impl AsRef<Path>) -> File {
    static OPEN: std::sync::Once = std::sync::Once::new();
    OPEN.call_once(common::open_stdio);
    File::open(path).unwrap()
}

fn executable(dir: &Path, name: &str, text: &str) -> File {
    let path = dir.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    open(path)
}

/// What it writes to its standard output, by each way.
fn each_text(make: impl Fn() -> Command, check: impl Fn(&str, &str)) {
    for (name, way) in WAYS {
        let mut command = make();
        let child = way(command.stdout(Stdio::piped())).unwrap_or_else(|error| panic!("{name}: {error}"));
        let output = child.wait_with_output().unwrap_or_else(|error| panic!("{name}: {error}"));
        check(name, std::str::from_utf8(&output.stdout).unwrap());
    }
}

/// What it fails with, by each way.
fn each_error(make: impl Fn() -> Command, check: impl Fn(&io::Error)) {
    for (name, way) in WAYS {
        let error = way(&mut make()).and_then(|child| child.wait()).expect_err(name);
        assert!(SpawnError::from_io_error(&error).is_some(), "{name}: {error}");
        check(&error);
    }
}

/// The numbers of the descriptors that `ls` has: the fourth is that of the directory which it lists.
fn assert_no_more(way: &str, numbers: &str) {
    if way != "inheriting" {
        assert_eq!(numbers, "0\n1\n2\n3\n", "{way}");
    }
}

#[test]
fn a_program() {
    let path_only = || {
        let mut options = File::options();
        OwnedFd::from(options.read(true).custom_flags(libc::O_PATH).open("/bin/ls").unwrap())
    };
    // It is not the program's own.
    for fd in [|| OwnedFd::from(open("/bin/ls")), path_only] {
        each_text(
            || {
                let mut command = Command::from_fd(fd());
                command.arg0("ls").arg("/proc/self/fd");
                command
            },
            assert_no_more,
        );
    }
    each_text(
        || {
            let mut command = Command::from_fd(open("/bin/sh"));
            command.arg0("sh").args(["-c", "echo $0"]);
            command
        },
        |way, text| assert_eq!(text, "sh\n", "{way}"),
    );
}

#[test]
fn a_program_whose_number_is_wanted() {
    each_text(
        || {
            let program = open("/bin/cat");
            let number = program.as_raw_fd();
            let dir = common::Dir::new();
            fs::write(dir.path().join("file"), "what it is given").unwrap();
            let mut command = Command::from_fd(program);
            command
                .arg0("cat")
                .arg(format!("/proc/self/fd/{number}"))
                .fd(number, open(dir.path().join("file")));
            command
        },
        |way, text| assert_eq!(text, "what it is given", "{way}"),
    );
}

#[test]
fn a_script() {
    let dir = common::Dir::new();
    for (name, text) in [("script", "#!/bin/sh\ntest -e $0 && echo $1"), ("without", "test -e $0 && echo $1")]
    {
        each_text(
            || {
                let mut command = Command::from_fd(executable(dir.path(), name, text));
                command.arg("it ran");
                command
            },
            |way, text| assert_eq!(text, "it ran\n", "{name}, {way}"),
        );
    }
    each_error(
        || {
            let mut command = Command::from_fd(executable(dir.path(), "refused", "exit"));
            command.shell_fallback(false);
            command
        },
        |error| assert_eq!(errno(error), libc::ENOEXEC, "{error}"),
    );
    each_error(
        || Command::from_fd(executable(dir.path(), "lost", "#!/no/such/interpreter\n")),
        |error| assert_eq!(errno(error), libc::ENOENT, "{error}"),
    );
}

#[test]
fn what_is_no_program() {
    for path in ["/", "/etc/passwd"] {
        each_error(
            || Command::from_fd(open(path)),
            |error| {
                assert_eq!(errno(error), libc::EACCES, "{error}");
                assert!(error.to_string().contains("/dev/fd/"), "{error}");
            },
        );
    }
}

#[test]
fn a_directory() {
    each_text(
        || {
            let mut command = Command::new("pwd");
            command.current_dir("/nowhere").current_dir_fd(open("/usr"));
            assert_eq!(command.get_current_dir(), None);
            command
        },
        |way, text| assert_eq!(text, "/usr\n", "{way}"),
    );
    // The last one holds.
    each_text(
        || {
            let mut command = Command::new("pwd");
            command.current_dir_fd(open("/usr")).current_dir("/");
            command
        },
        |way, text| assert_eq!(text, "/\n", "{way}"),
    );
    // A relative program is relative to it.
    each_text(
        || {
            let mut command = Command::new("./sh");
            command.args(["-c", "echo $0"]).current_dir_fd(open("/bin"));
            command
        },
        |way, text| assert_eq!(text, "./sh\n", "{way}"),
    );
    each_error(
        || {
            let mut command = Command::new("true");
            command.current_dir_fd(open("/etc/passwd"));
            command
        },
        |error| {
            assert_eq!(errno(error), libc::ENOTDIR);
            assert!(error.to_string().contains("fchdir"), "{error}");
        },
    );
}

#[test]
fn paths_through_descriptors() {
    let (ls, bin, usr) = (open("/bin/ls"), open("/bin"), open("/usr"));
    let through = |way: &str, fd: &File, rest: &str| format!("{way}{}{rest}", fd.as_raw_fd());
    for prefix in ["/proc/self/fd/", "/dev/fd/", "/proc/thread-self/fd/"] {
        for program in [through(prefix, &ls, ""), through(prefix, &bin, "/ls")] {
            each_text(
                || {
                    let mut command = Command::new(&program);
                    command.arg0("ls").arg("/proc/self/fd");
                    command
                },
                assert_no_more,
            );
        }
        let directory = through(prefix, &usr, "");
        each_text(
            || {
                let mut command = Command::new("pwd");
                command.current_dir(&directory);
                command
            },
            |way, text| assert_eq!(text, "/usr\n", "{directory}, {way}"),
        );
    }
    // None is there: other tests, in other threads, have low ones.
    each_error(
        || Command::new("/proc/self/fd/900"),
        |error| assert_eq!(errno(error), libc::ENOENT, "{error}"),
    );
}

#[test]
fn a_root_through_a_descriptor() {
    if !common::is_root() {
        return;
    }
    let root = open("/");
    each_text(
        || {
            let mut command = Command::new("pwd");
            command.chroot(format!("/proc/self/fd/{}", root.as_raw_fd()));
            command
        },
        |way, text| assert_eq!(text, "/\n", "{way}"),
    );
}

#[test]
fn the_caller_may_close_it_at_once() {
    for _ in 0..20 {
        let mut command = Command::from_fd(open("/bin/pwd"));
        command.arg0("pwd").current_dir_fd(open("/usr")).stdout(Stdio::piped());
        let child = command.launch().unwrap();
        drop(command);
        let _others = [open("/dev/null"), open("/dev/null"), open("/dev/null"), open("/dev/null")];
        assert_eq!(child.wait_with_output().unwrap().stdout, b"/usr\n");
    }
}

#[test]
fn exec_by_descriptor() {
    let dir = common::Dir::new();
    let script = executable(dir.path(), "script", "exit 7");
    assert_eq!(
        common::in_copy(|| {
            let error = Command::from_fd(script.try_clone().unwrap()).shell_fallback(false).exec();
            assert_eq!(errno(&error), libc::ENOEXEC);
            let mut command = Command::from_fd(script.try_clone().unwrap());
            command.current_dir_fd(open("/usr")).exec();
            1
        }),
        7
    );
}
