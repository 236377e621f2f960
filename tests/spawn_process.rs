//! What a spawn does to this process as a whole, and what state of the process it must cope with.

#![allow(unsafe_code)]
// The type of `RLIMIT_*` depends on the C library.
#![allow(clippy::unnecessary_cast)]

mod common;

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::process::Stdio as StdStdio;
use std::thread;

use childset::unix::CommandExt;
use childset::{ChildSet, Command, Containment, Forked, Prepared, Signal, Stdio};
use common::{check_leaks, errno, reexec, role};

const TESTS: [(&str, fn()); 20] = [
    ("stays_dumpable", stays_dumpable),
    ("dispositions", dispositions),
    ("without_stdio", without_stdio),
    // Its standard output and error must differ.
    ("swapped_stdio", || ends_with("swapped_stdio", b"")),
    ("not_root", not_root),
    ("cgroup", cgroup),
    ("cgroup_without_clone3", || ends_with("cgroup_without_clone3", b"")),
    ("exec", || ends_with("exec", b"exec'd a  b\n")),
    ("exec_with_everything", || ends_with("exec_with_everything", b"0\n1\n2\n3\n9\n20\n0022\n1\nlast\n")),
    ("failed_exec", failed_exec),
    ("failed_exec_changes_nothing", failed_exec_changes_nothing),
    ("failed_exec_without_proc", failed_exec_without_proc),
    ("exec_after_a_panic", exec_after_a_panic),
    ("exec_of_a_script_as_another_user", || ends_with("exec_of_a_script_as_another_user", b"65534\n")),
    ("error_without_stdio", error_without_stdio),
    ("no_null_device", no_null_device),
    ("many_descriptors", many_descriptors),
    ("much_memory", much_memory),
    ("sigchld_ignored", sigchld_ignored),
    ("sigchld_ignored_in_each_way", sigchld_ignored_in_each_way),
];

const ROLES: [(&str, fn()); 5] = [
    ("exec", exec),
    ("cgroup_without_clone3", cgroup_without_clone3),
    ("exec_with_everything", exec_with_everything),
    ("exec_of_a_script_as_another_user", exec_of_a_script_as_another_user),
    ("swapped_stdio", swapped_stdio),
];

fn main() {
    match role() {
        Some(role) => common::play(&role, &ROLES, 60).expect("a role"),
        None => common::main(&TESTS),
    }
}

/// What it prints last: where it calls `execve`, that is the program's.
fn ends_with(role: &str, last: &[u8]) {
    let output = reexec(role).stdin(StdStdio::null()).stderr(StdStdio::inherit()).output().unwrap();
    assert!(output.status.success(), "{}", output.status);
    assert!(output.stdout.ends_with(last), "{:?}", String::from_utf8_lossy(&output.stdout));
}

fn text(command: &mut Command) -> String {
    let output = command.stdout(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
    assert!(output.status.success(), "{}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

fn is_dumpable() -> bool {
    // SAFETY: asking for a number.
    unsafe { libc::prctl(libc::PR_GET_DUMPABLE) == 1 }
}

/// Children that change their user do it on our memory, many at once too.
fn stays_dumpable() {
    if !common::is_root() {
        return;
    }
    assert!(is_dumpable());
    let run = |command: &mut Command| {
        let child = command.uid(65534).gid(65534).spawn().map(|child| child.wait().unwrap().code());
        child.map_err(|error| errno(&error))
    };
    assert_eq!(run(&mut Command::new("true")), Ok(Some(0)));
    assert!(is_dumpable());
    assert_eq!(run(&mut Command::new("/no/such/program")), Err(libc::ENOENT));
    assert!(is_dumpable());
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..common::times(50) {
                    assert_eq!(run(&mut Command::new("true")), Ok(Some(0)));
                }
            });
        }
    });
    assert!(is_dumpable());
    // What was not so before does not become so.
    // SAFETY: setting a number.
    unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0) };
    assert_eq!(run(&mut Command::new("true")), Ok(Some(0)));
    assert!(!is_dumpable());
}

extern "C" fn handler(_: i32) {}

fn handle(signal: i32) {
    // SAFETY: a handler that does nothing.
    unsafe { libc::signal(signal, handler as extern "C" fn(i32) as libc::sighandler_t) };
}

fn dispositions() {
    for signal in [libc::SIGHUP, libc::SIGTSTP, libc::SIGRTMIN()] {
        // SAFETY: ignoring, or a handler that does nothing.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
    handle(libc::SIGUSR1);
    let by_std = || {
        let mut command = Command::new("cat");
        common::make_by_std(&mut command);
        command
    };
    for new in [|| Command::new("cat"), by_std] {
        let set =
            |signals: &[Signal]| signals.iter().fold(0, |set, signal| set | 1u64 << (signal.as_raw() - 1));
        let ignored = |default: Option<&[Signal]>| {
            let mut command = new();
            command.arg("/proc/self/status");
            if let Some(default) = default {
                command.default_signals(default);
            }
            let status = text(&mut command);
            let bits = |name: &str| {
                let line = status.lines().find(|line| line.starts_with(name)).unwrap();
                u64::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap()
            };
            assert_eq!(bits("SigCgt"), 0);
            // Others may be ignored from the start.
            bits("SigIgn") & set(&[Signal::HUP, Signal::TSTP, Signal::PIPE, libc::SIGRTMIN().into()])
        };
        let (pipe, real) = (Signal::PIPE, Signal::from(libc::SIGRTMIN()));
        assert_eq!(ignored(None), set(&[Signal::HUP, Signal::TSTP, real]));
        assert_eq!(ignored(Some(&[])), set(&[Signal::HUP, Signal::TSTP, real, pipe]));
        assert_eq!(ignored(Some(&[Signal::HUP, real])), set(&[Signal::TSTP, pipe]));
        assert_eq!(ignored(Some(&[Signal::HUP, Signal::TSTP, real, pipe])), 0);
    }
    // Those that cannot be changed are at their defaults.
    let all: Vec<Signal> = (1..=64).map(Signal::from).collect();
    assert!(Command::new("true").default_signals(&all).spawn().unwrap().wait().unwrap().success());
    let error = Command::new("true").default_signals(&[65.into()]).spawn().unwrap_err();
    assert_eq!(errno(&error), libc::EINVAL);
    assert!(error.to_string().contains("sigaction"), "{error}");
}

/// A shell with three descriptors of a kind, in one of five ways: by us, with a closure, and with each one of `std`'s.
fn shell(way: usize, script: &str, ours: fn() -> Stdio, std: fn() -> StdStdio) -> Command {
    let mut command = Command::new("sh");
    let stdio = |number: usize| if way == number + 2 { std().into() } else { ours() };
    command.args(["-c", script]).stdin(stdio(0)).stdout(stdio(1)).stderr(stdio(2));
    if way == 1 {
        common::make_by_std(&mut command);
    }
    command
}

/// Each of 0, 1 and 2 may be closed in this process, so that our own descriptors get their numbers.
fn without_stdio() {
    common::open_stdio();
    for closed in [&[0][..], &[1], &[2], &[0, 1], &[1, 2], &[0, 2], &[0, 1, 2]] {
        let saved: Vec<_> =
            (0..3).map(|number| rustix::io::fcntl_dupfd_cloexec(fd(number), 200).unwrap()).collect();
        for &number in closed {
            // SAFETY: nothing uses it until it is put back.
            unsafe { libc::close(number) };
        }
        let ways = [0, 1, 2, 3, 4];
        let piped = ways.map(|way| {
            let mut command = shell(way, "cat; echo err >&2", Stdio::piped, StdStdio::piped);
            command.spawn()?.wait_with_input("in ")
        });
        let null = ways.map(|way| {
            let script = "test -c /proc/self/fd/0 && echo y >&1 && echo y >&2";
            shell(way, script, Stdio::null, StdStdio::null).spawn()?.wait()
        });
        for (number, saved) in saved.iter().enumerate() {
            // SAFETY: each gets back what it was.
            unsafe { libc::dup2(saved.as_raw_fd(), number as i32) };
        }
        for (way, piped) in piped.into_iter().enumerate() {
            let piped: std::process::Output = piped.unwrap();
            assert_eq!(String::from_utf8_lossy(&piped.stdout), "in ", "{closed:?}, {way}");
            assert_eq!(String::from_utf8_lossy(&piped.stderr), "err\n", "{closed:?}, {way}");
        }
        let null: Vec<io::Result<_>> = null.into();
        assert!(null.into_iter().all(|exit| exit.unwrap().success()), "{closed:?}");
    }
}

fn fd(number: i32) -> std::os::fd::BorrowedFd<'static> {
    // SAFETY: the three are open whenever this is called, and the borrow is short.
    unsafe { std::os::fd::BorrowedFd::borrow_raw(number) }
}

fn swapped_stdio() {
    common::open_stdio();
    let link = |number| fs::read_link(format!("/proc/self/fd/{number}")).unwrap().display().to_string();
    assert_ne!(link(1), link(2));
    let mut command = Command::new("sh");
    command.args(["-c", r#"links=$(for n in 1 2; do readlink /proc/$$/fd/$n; done); echo "$links" >&9"#]);
    command.stdout(io::stderr()).stderr(io::stdout());
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    command.fd(9, writer);
    assert!(command.spawn().unwrap().wait().unwrap().success());
    drop(command);
    let mut told = String::new();
    File::from(reader).read_to_string(&mut told).unwrap();
    assert_eq!(told, format!("{}\n{}\n", link(2), link(1)));
}

/// Each step that takes a privilege says that it failed.
fn not_root() {
    if !common::may_be_ordinary() {
        return;
    }
    common::give_up_root(65534);
    assert_eq!(text(Command::new("echo").arg("it works")), "it works\n");
    type Change = fn(&mut Command);
    let changes: [(Change, &str, i32); 7] = [
        (
            |command| {
                command.uid(0);
            },
            "setuid",
            libc::EPERM,
        ),
        (
            |command| {
                command.gid(0);
            },
            "setgid",
            libc::EPERM,
        ),
        (
            |command| {
                command.groups(&[0]);
            },
            "setgroups",
            libc::EPERM,
        ),
        (
            |command| {
                command.chroot("/");
            },
            "chroot",
            libc::EPERM,
        ),
        (
            |command| {
                command.nice(-20);
            },
            "setpriority",
            libc::EACCES,
        ),
        (
            |command| {
                command.scheduler(libc::SCHED_FIFO, 1);
            },
            "sched_setscheduler",
            libc::EPERM,
        ),
        (
            |command| {
                let hard = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum.unwrap();
                command.rlimit(childset::Resource::NOFILE, 10, hard + 1);
            },
            "setrlimit",
            libc::EPERM,
        ),
    ];
    for (change, name, expected) in changes {
        check_leaks(|| {
            for by_std in [false, true] {
                let mut command = Command::new("true");
                if by_std {
                    common::make_by_std(&mut command);
                }
                change(&mut command);
                let error = command.spawn().unwrap_err();
                assert_eq!(errno(&error), expected, "{name}: {error}");
                assert!(error.to_string().contains(name), "{error}");
            }
        });
    }
    // Setting what it has is allowed.
    assert_eq!(text(Command::new("id").arg("-u").uid(65534)), "65534\n");
}

fn cgroup() {
    let path = match common::new_cgroup() {
        Ok(path) => path,
        Err(why) => return common::skipped(why),
    };
    let name = path.file_name().unwrap().to_str().unwrap().to_owned();
    let result = std::panic::catch_unwind(|| {
        let directory = || File::open(&path).unwrap();
        let told = text(Command::new("cat").arg("/proc/self/cgroup").cgroup(directory()));
        assert!(told.lines().any(|line| line.starts_with("0::") && line.ends_with(&name)), "{told}");

        // What left the process group and the session is in it all the same.
        let mut command = Command::new("sh");
        command.args(["-c", "exec 3<&0; setsid cat <&3 & echo; wait"]).cgroup(directory());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stdin = child.stdin.take();
        child.stdout.as_ref().unwrap().blocking().read_exact(&mut [0]).unwrap();
        let expected = Containment::Cgroup;
        assert_eq!(child.kill_tree().unwrap(), expected);
        assert_eq!(child.wait().unwrap().signal(), Some(Signal::KILL));
        // End of file: nobody is left.
        assert_eq!(child.stdout.take().unwrap().blocking().read_to_end(&mut Vec::new()).unwrap(), 0);
        drop(stdin);
        assert_eq!(child.kill_tree().unwrap(), expected, "that nobody is left is no error");
        // Later ones are not killed by that (Linux 6.18 does so).
        let told = text(Command::new("cat").arg("/proc/self/cgroup").cgroup(directory()));
        assert!(told.contains(&name), "{told}");

        // A copy of this process has no business with it.
        let child = Command::new("sleep").arg("60").cgroup(directory()).spawn().unwrap();
        let refused =
            || u8::from(Forked::from_io_error(&child.kill_tree().unwrap_err()) != Some(Forked::Object));
        assert_eq!(common::in_copy(refused), 0);
        assert_eq!(child.try_wait().unwrap(), None);
        child.kill().unwrap();
        child.wait().unwrap();
        // The root of all has no `cgroup.kill`: there it is the child alone.
        let root = path.ancestors().take_while(|path| path.join("cgroup.procs").exists()).last().unwrap();
        if !root.join("cgroup.kill").exists() {
            let mut command = Command::new("sleep");
            let child = command.arg("60").cgroup(File::open(root).unwrap()).spawn().unwrap();
            assert_eq!(child.kill_tree().unwrap(), Containment::Process);
            assert_eq!(child.wait().unwrap().signal(), Some(Signal::KILL));
        }

        // A set keeps it with the child, whoever made that.
        let set = ChildSet::new().unwrap();
        let held = || {
            let mut command = Command::new("cat");
            command.stdin(Stdio::piped()).stdout(Stdio::null()).cgroup(directory());
            command
        };
        let keys = [set.spawn(&mut held(), ()).unwrap(), set.insert(held().spawn().unwrap(), ()).unwrap()];
        for key in keys {
            let (child, ()) = set.remove(key).unwrap();
            assert_eq!(child.kill_tree().unwrap(), expected);
            assert_eq!(child.wait().unwrap().signal(), Some(Signal::KILL));
        }

        let error = Command::new("true").cgroup(File::open("/").unwrap()).spawn().unwrap_err();
        // As `clone3` says it, or as it is found to have no `cgroup.procs`.
        assert!([libc::EBADF, libc::ENOENT].contains(&errno(&error)), "{error}");
        // By `fork`, it enters the cgroup itself.
        let mut by_std = Command::new("cat");
        common::make_by_std(&mut by_std);
        by_std.arg("/proc/self/cgroup").cgroup(directory()).stdout(Stdio::piped());
        let output = by_std.spawn().unwrap().wait_with_output().unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(String::from_utf8_lossy(&output.stdout).contains(name), "{output:?}");
        // With a `Stdio` of std's, too.
        let mut with_stdio = Command::new("cat");
        with_stdio.arg("/proc/self/cgroup").cgroup(directory()).stdin(StdStdio::null());
        assert!(text(&mut with_stdio).contains(name));
    });
    common::remove_cgroup(&path);
    result.unwrap();
}

/// The child enters it by itself.
fn cgroup_without_clone3() {
    match common::seccomp::filter(libc::SYS_clone3, Some(libc::ENOSYS), None) {
        Ok(()) => cgroup(),
        Err(error) => common::skipped(format_args!("seccomp filters are refused: {error}")),
    }
}

fn exec() {
    let error = Command::new("sh").args(["-c", r#"echo "exec'd $1""#, "sh", "a  b"]).exec();
    panic!("{error}");
}

fn exec_with_everything() {
    common::open_stdio();
    let _open = File::open("/dev/null").unwrap();
    // Not close-on-exec. SAFETY: the descriptor is new.
    let _inherited = unsafe { File::from_raw_fd(libc::dup(2)) };
    let mut command = Command::new("sh");
    command.args(["-c", "ls /proc/self/fd; ulimit -n; umask; cat <&9; exec $0 -c 'echo last'"]).arg0("sh");
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    File::from(writer).write_all(b"1\n").unwrap();
    command.fd(9, reader).umask(0o022).rlimit(childset::Resource::NOFILE, 20, 20);
    panic!("{}", command.exec());
}

fn failed_exec() {
    let error = Command::new("/no/such/program").exec();
    assert_eq!((errno(&error), error.kind()), (libc::ENOENT, io::ErrorKind::NotFound));
    assert!(error.to_string().contains("/no/such/program"), "{error}");
    let error = Command::new("true").current_dir("/no/such/directory").exec();
    assert!(error.to_string().contains("/no/such/directory"), "{error}");
    // Nothing was done before it failed: this process can still spawn.
    assert_eq!(text(Command::new("echo").arg("hello")), "hello\n");
}

/// Each way to replace this process.
const WAYS: [fn(&mut Command); 3] = [
    |_| {},
    |command| {
        common::make_by_std(command);
    },
    |command| {
        command.stdin(std::process::Stdio::null());
    },
];

/// Signals and descriptors are as before, so that a program may try another one, or go on.
fn failed_exec_changes_nothing() {
    common::open_stdio();
    handle(libc::SIGUSR1);
    // SAFETY: ignoring signals, and a set that is initialized.
    unsafe {
        libc::signal(libc::SIGHUP, libc::SIG_IGN);
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, libc::SIGWINCH);
        libc::sigprocmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
    }
    // SAFETY: the descriptor is new.
    let inherited = unsafe { File::from_raw_fd(libc::dup(2)) };
    let closed = File::open("/dev/null").unwrap();
    let state = || {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let signals: Vec<_> = status
            .lines()
            .filter(|line| line.starts_with("Sig") && !line.starts_with("SigQ"))
            .map(String::from)
            .collect();
        let flags = [0, 1, 2, inherited.as_raw_fd(), closed.as_raw_fd()].map(|number| {
            // SAFETY: asking for a number.
            unsafe { libc::fcntl(number, libc::F_GETFD) }
        });
        (signals, flags, common::fds())
    };
    let before = state();
    assert_eq!(before.1, [0, 0, 0, 0, libc::FD_CLOEXEC]);
    for way in WAYS {
        for change in [
            |command: &mut Command| {
                command.args(["a"]);
            },
            |command| {
                command.default_signals(&[Signal::HUP, Signal::PIPE, Signal::USR1]);
            },
            |command| {
                command.signal_mask(&[Signal::TERM]);
            },
            |command| {
                command.current_dir("/no/such/directory");
            },
            |command| {
                command.close_fds(0..).inherit_fds(true);
            },
            |command| {
                command.search_path("/none:/no/such");
            },
        ] as [fn(&mut Command); 6]
        {
            let mut command = Command::new("no-such-program");
            way(&mut command);
            change(&mut command);
            assert_eq!(errno(&command.exec()), libc::ENOENT);
            drop(command);
            assert_eq!(state(), before);
        }
    }
    // It still fails a write, where the default would end it.
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    drop(reader);
    assert_eq!(File::from(writer).write(b"x").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
}

/// A closure that has panicked in this process may run again.
fn exec_after_a_panic() {
    let code = common::in_copy(|| {
        let mut panics = true;
        let mut command = Command::new("true");
        let act = move || match std::mem::take(&mut panics) {
            true => std::panic::resume_unwind(Box::new(0)),
            false => Err(io::Error::from_raw_os_error(libc::EXDEV)),
        };
        // SAFETY: this process has one thread.
        unsafe { command.pre_exec(act) };
        let mut exec = || command.exec();
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(&mut exec)).is_err());
        u8::from(errno(&exec()) != libc::EXDEV)
    });
    assert_eq!(code, 0);
}

/// The shell that runs it is tried after the user was changed, and the change is not made again.
fn exec_of_a_script_as_another_user() {
    if !common::is_root() {
        return println!("65534");
    }
    let place = common::Dir::new();
    let script = place.path().join("script");
    fs::write(&script, "id -u\n").unwrap();
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    for way in WAYS {
        let mut command = Command::new(&script);
        way(command.uid(65534).gid(65534).groups(&[7]));
        // SAFETY: this process has one thread.
        match unsafe { libc::fork() } {
            0 => {
                eprintln!("{}", command.exec());
                // SAFETY: the end of the copy.
                unsafe { libc::_exit(99) };
            }
            pid => assert_eq!(common::reap_by_pid(pid as u32), 0),
        }
    }
}

/// A daemon: what is opened for the spawn itself takes none of the three numbers, in which it would get lost.
fn error_without_stdio() {
    common::open_stdio();
    let place = common::Dir::new();
    let path = place.path().join("output");
    for way in WAYS {
        for closed in 1..8 {
            let mut command = Command::new("/no/such/program");
            way(command.stdout(File::create(&path).unwrap()));
            let mut working = Command::new("sh");
            way(working.args(["-c", "echo written"]).stdout(File::create(&path).unwrap()));
            let saved: Vec<_> =
                (0..3).map(|number| rustix::io::fcntl_dupfd_cloexec(fd(number), 200).unwrap()).collect();
            let numbers = (0..3).filter(|number| closed & 1 << number != 0);
            // SAFETY: nothing uses them until they are put back.
            numbers.for_each(|number| assert_eq!(unsafe { libc::close(number) }, 0));
            let failed = command.spawn().map(drop);
            let failed_text = fs::read(&path);
            let code = working.spawn().and_then(|child| child.wait()).map(|exit| exit.code());
            for (number, saved) in saved.iter().enumerate() {
                // SAFETY: each gets back what it was.
                unsafe { libc::dup2(saved.as_raw_fd(), number as i32) };
            }
            assert_eq!(errno(&failed.unwrap_err()), libc::ENOENT, "{closed:03b}");
            assert_eq!(failed_text.unwrap(), b"", "{closed:03b}");
            assert_eq!(code.unwrap(), Some(0), "{closed:03b}");
            assert_eq!(fs::read(&path).unwrap(), b"written\n", "{closed:03b}");
        }
    }
}

/// Has an empty directory in its place, for this process alone.
fn hide(directory: &std::ffi::CStr) -> io::Result<()> {
    // SAFETY: this process has one thread; the strings end with a null byte.
    let hidden = unsafe {
        libc::unshare(libc::CLONE_NEWNS) == 0
            && libc::mount(
                c"none".as_ptr(),
                c"/".as_ptr(),
                std::ptr::null(),
                libc::MS_REC | libc::MS_PRIVATE,
                std::ptr::null(),
            ) == 0
            && libc::mount(c"none".as_ptr(), directory.as_ptr(), c"tmpfs".as_ptr(), 0, std::ptr::null()) == 0
    };
    hidden.then_some(()).ok_or_else(io::Error::last_os_error)
}

/// What stays open over an `execve` is found out without a list, too.
fn failed_exec_without_proc() {
    common::open_stdio();
    if let Err(error) = hide(c"/proc") {
        return common::skipped(format_args!("/proc cannot be hidden: {error}"));
    }
    // SAFETY: the descriptor is new.
    let inherited = unsafe { File::from_raw_fd(libc::fcntl(2, libc::F_DUPFD, 900)) };
    for way in WAYS {
        let mut command = Command::new("/no/such/program");
        way(&mut command);
        assert_eq!(errno(&command.exec()), libc::ENOENT);
        for number in [0, 1, 2, inherited.as_raw_fd()] {
            // SAFETY: asking for a number.
            assert_eq!(unsafe { libc::fcntl(number, libc::F_GETFD) }, 0, "{number}");
        }
    }
}

/// Where there is none, the error names it, and not the program.
fn no_null_device() {
    if let Err(error) = hide(c"/dev") {
        return common::skipped(format_args!("/dev cannot be hidden: {error}"));
    }
    let ways: [fn(&mut Command); 3] = [
        |_| {},
        |command| {
            common::make_by_std(command);
        },
        |command| {
            command.stderr(std::process::Stdio::inherit());
        },
    ];
    for way in ways {
        for exec in [false, true] {
            let mut command = Command::new("true");
            way(command.stdout(Stdio::null()));
            let error = if exec { command.exec() } else { command.spawn().unwrap_err() };
            assert_eq!(errno(&error), libc::ENOENT);
            assert!(error.to_string().contains("open /dev/null"), "{error}");
        }
        let mut command = Command::new("true");
        way(command.stdin(Stdio::piped()));
        assert!(command.spawn().unwrap().wait().unwrap().success());
    }
}

/// Neither is a failure lost, nor a child that ends at once.
fn sigchld_ignored_in_each_way() {
    // SAFETY: ignoring a signal.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
    for way in WAYS {
        for _ in 0..common::times(50) {
            let mut command = Command::new("/no/such/program");
            way(&mut command);
            assert_eq!(errno(&command.spawn().unwrap_err()), libc::ENOENT);
            let mut command = Command::new("sh");
            way(command.args(["-c", "exit 3"]));
            common::assert_code(&command.spawn().unwrap().wait(), 3);
        }
    }
    common::no_child_is_left();
}

/// Neither the table nor its size matters to what the child gets.
fn many_descriptors() {
    use rustix::process::{getrlimit, setrlimit, Resource, Rlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    let count = maximum.unwrap_or(10_000).min(10_000) - 500;
    let fillers: Vec<_> = (0..count).map(|_| File::open("/dev/null").unwrap()).collect();
    let mut command = Command::new("ls");
    command.arg("/proc/self/fd").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let prepared: Prepared = command.prepare().unwrap();
    for _ in 0..20 {
        let output = prepared.spawn().unwrap().wait_with_output().unwrap();
        assert_eq!(output.stdout, b"0\n1\n2\n3\n");
    }
    let mut command = Command::new("sh");
    command.args(["-c", "cat; cat <&7"]).stdin(File::open("/proc/self/comm").unwrap());
    command.fd(7, File::open("/proc/self/comm").unwrap());
    let comm = fs::read_to_string("/proc/self/comm").unwrap();
    assert_eq!(text(&mut command), [comm.as_str(), comm.as_str()].concat());
    drop(fillers);
}

fn much_memory() {
    let mut memory = vec![0u8; 256 << 20];
    memory.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
    for _ in 0..common::times(100) {
        assert!(Command::new("true").spawn().unwrap().wait().unwrap().success());
    }
    assert!(memory.iter().step_by(4096).all(|&byte| byte == 1));
}

fn sigchld_ignored() {
    // SAFETY: ignoring a signal.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
    common::assert_code(&Command::new("sh").args(["-c", "exit 3"]).spawn().unwrap().wait(), 3);
    // A failure is told, though nobody can wait for its process.
    for _ in 0..common::times(100) {
        let error = Command::new("/no/such/program").spawn().unwrap_err();
        assert_eq!(errno(&error), libc::ENOENT);
    }
    // Children that ended already leave no trace: the last is gone when this process knows no child.
    common::no_child_is_coming();
    assert_eq!(common::zombies(), 0);
}
