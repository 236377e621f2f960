//! What the child of a `Command` gets: arguments, environment, descriptors, and what Linux offers.

#![allow(unsafe_code)]
// The type of `RLIMIT_*` depends on the C library.
#![allow(clippy::unnecessary_cast)]

mod common;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use childset::{Command, Output, SpawnError, Stdio};
use common::{times, Dir};

type New = fn(&str) -> Command;

/// Runs a test with a spawn of the crate's own, and with one by `std`, which a closure to run makes necessary.
fn both_ways(test: impl Fn(New)) {
    test(|program| Command::new(program));
    test(by_std);
}

fn by_std(program: &str) -> Command {
    let mut command = Command::new(program);
    // SAFETY: the closure does nothing.
    unsafe { command.pre_exec(|| Ok(())) };
    command
}

fn output(command: &mut Command) -> Output {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    // A child that another test is spawning by std holds a copy of each pipe until its execve.
    child.set_drain_grace(Duration::from_secs(60));
    let output = child.wait_with_output().unwrap();
    assert!(!output.pipe_open);
    output
}

/// What it writes to its standard output.
fn text(command: &mut Command) -> String {
    let output = output(command);
    assert!(output.status.success(), "{}", output.status);
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

fn sh(new: New, script: &str) -> Command {
    let mut command = new("sh");
    command.args(["-c", script]);
    command
}

/// Fields of `/proc/PID/stat`, numbered as in proc(5).
fn stat(command: &mut Command) -> BTreeMap<usize, i64> {
    let line = text(command);
    let fields = line.rsplit(')').next().unwrap().split_whitespace().enumerate();
    fields.filter_map(|(index, field)| Some((index + 3, field.parse().ok()?))).collect()
}

/// The signals in a line of `/proc/PID/status`, from a command that prints it.
fn signals(command: &mut Command, name: &str) -> Vec<i32> {
    let status = text(command);
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    let bits = u64::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap();
    (1..=64).filter(|signal| bits & 1 << (signal - 1) != 0).collect()
}

fn errno(error: &io::Error) -> i32 {
    SpawnError::from_io_error(error).unwrap_or_else(|| panic!("{error:?}")).errno()
}

#[test]
fn exit_status() {
    both_ways(|new| {
        for code in [0, 1, 7, 127, 255] {
            let child = sh(new, &format!("exit {code}")).spawn().unwrap();
            assert!(child.id() > 0);
            let exit = child.wait().unwrap();
            assert_eq!((exit.code(), exit.success()), (Some(code), code == 0));
            assert_eq!(child.wait().unwrap(), exit);
            assert_eq!(child.try_wait().unwrap(), Some(exit));
        }
        let exit = sh(new, "kill -KILL $$").spawn().unwrap().wait().unwrap();
        assert_eq!((exit.code(), exit.signal()), (None, Some(libc::SIGKILL)));
    });
}

#[test]
fn arguments() {
    let arguments: [&[u8]; 7] =
        [b"", b" ", b"two words", b"a\nb\n", b"\xff\xfe\x80", b"-n", "ü$HOME'\"\\*".as_bytes()];
    both_ways(|new| {
        let mut command = sh(new, r#"for a; do printf '%s\0' "$a"; done"#);
        command.arg("sh").args(arguments.map(OsStr::from_bytes));
        assert_eq!(command.get_args().count(), 3 + arguments.len());
        let expected: Vec<u8> =
            arguments.iter().flat_map(|argument| [argument, &b"\0"[..]].concat()).collect();
        assert_eq!(output(&mut command).stdout, expected);
        // A command serves again.
        assert_eq!(output(&mut command).stdout, expected);
    });
}

#[test]
fn many_arguments() {
    both_ways(|new| {
        let mut command = sh(new, "echo $#");
        command.arg("sh").args((0..10_000).map(|number| number.to_string()));
        assert_eq!(text(&mut command), "10000");
    });
}

#[test]
fn argument_zero() {
    both_ways(|new| {
        assert_eq!(text(&mut sh(new, "echo $0")), "sh");
        // Not sh: it may be a busybox, which goes by that name.
        assert_eq!(text(new("bash").args(["-c", "echo $0"]).arg0("another name")), "another name");
    });
}

/// The child's whole environment.
fn environment(command: &mut Command) -> BTreeMap<OsString, OsString> {
    let output = output(command.arg("-0"));
    let variables = output.stdout.split(|&byte| byte == 0).filter(|variable| !variable.is_empty());
    let pair = |variable: &[u8]| {
        let equals = variable.iter().position(|&byte| byte == b'=').unwrap();
        let (key, value) = (variable[..equals].to_vec(), variable[equals + 1..].to_vec());
        (OsString::from_vec(key), OsString::from_vec(value))
    };
    variables.map(pair).collect()
}

#[test]
fn variables() {
    let ours: BTreeMap<_, _> = std::env::vars_os().collect();
    let with = |changes: &[(&str, Option<&[u8]>)]| {
        let mut expected = ours.clone();
        for (key, value) in changes {
            match value {
                Some(value) => expected.insert(key.into(), OsStr::from_bytes(value).into()),
                None => expected.remove(OsStr::new(key)),
            };
        }
        expected
    };
    both_ways(|new| {
        assert_eq!(environment(&mut new("env")), ours);
        assert_eq!(environment(new("env").env("A", "1")), with(&[("A", Some(b"1"))]));
        let odd = OsStr::from_bytes(b"\xff=\n");
        let expected = with(&[("A", Some(b"\xff=\n")), ("B", Some(b""))]);
        assert_eq!(environment(new("env").envs([("A", odd), ("B", OsStr::new(""))])), expected);
        assert_eq!(environment(new("env").env("A", "1").env("A", "2")), with(&[("A", Some(b"2"))]));
        assert_eq!(environment(new("env").env("A", "1").env_remove("A")), ours);
        assert_eq!(environment(new("env").env("A", "1").env_clear()), BTreeMap::new());
        let only = BTreeMap::from([("A".into(), "2".into())]);
        assert_eq!(environment(new("env").env("B", "1").env_clear().env("A", "2")), only);
        assert_eq!(environment(new("env").env_remove("HOME")), with(&[("HOME", None)]));
        let command = &mut new("env");
        command.env("A", "1").env_remove("HOME");
        assert_eq!(command.get_envs().count(), 2);
        assert_eq!(environment(command), with(&[("A", Some(b"1")), ("HOME", None)]));
    });
}

/// A script that the kernel runs by its first line.
fn script(directory: &Dir, name: &str, mode: u32, text: &str) -> PathBuf {
    let path = directory.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    path
}

#[test]
fn working_directory() {
    let directory = Dir::new();
    let here = std::env::current_dir().unwrap();
    script(&directory, "bin/tool", 0o755, "#!/bin/sh\npwd -P\n");
    let real = directory.path().canonicalize().unwrap();
    both_ways(|new| {
        assert_eq!(text(sh(new, "pwd -P").current_dir(&real)), real.to_str().unwrap());
        assert_eq!(text(new("bin/tool").current_dir(&real)), real.to_str().unwrap());
        assert_eq!(text(new("./tool").current_dir(real.join("bin"))), real.join("bin").to_str().unwrap());
        assert_eq!(text(&mut sh(new, "pwd -P")), here.canonicalize().unwrap().to_str().unwrap());
        assert_eq!(new("x").current_dir("/").get_current_dir(), Some("/".as_ref()));
    });
    assert_eq!(std::env::current_dir().unwrap(), here);
}

#[test]
fn stdio_null_and_inherit() {
    let link = |number: i32| fs::read_link(format!("/proc/self/fd/{number}")).unwrap();
    both_ways(|new| {
        let script = r#"links=$(for n in 0 1 2; do readlink /proc/$$/fd/$n; done); echo "$links" >&9"#;
        let (mut reader, writer) = pipe();
        let mut child = sh(new, script);
        child.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).fd(9, writer);
        assert!(child.spawn().unwrap().wait().unwrap().success());
        // The pipe's end belongs to the command, for another spawn.
        child.fd(9, File::open("/dev/null").unwrap());
        let mut told = String::new();
        reader.read_to_string(&mut told).unwrap();
        assert_eq!(told, "/dev/null\n/dev/null\n/dev/null\n");

        let told = text(&mut sh(new, "readlink /proc/$$/fd/0; readlink /proc/$$/fd/2"));
        assert_eq!(told, format!("{}\n{}", link(0).display(), link(2).display()));
        // Null can be written to.
        assert_eq!(text(sh(new, "echo lost >&2 && echo kept").stderr(Stdio::null())), "kept");
    });
}

fn pipe() -> (File, File) {
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    (reader.into(), writer.into())
}

#[test]
fn stdio_piped() {
    both_ways(|new| {
        let mut command = sh(new, "cat; echo error >&2");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let output = command.spawn().unwrap().wait_with_input("input").unwrap();
        assert_eq!((&output.stdout[..], &output.stderr[..]), (&b"input"[..], &b"error\n"[..]));

        // By hand: what is not taken stays open.
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(b"one ").unwrap();
        let mut first = [0; 4];
        child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
        assert_eq!(&first, b"one ");
        assert_eq!(child.try_wait().unwrap(), None);
        drop(stdin);
        assert!(child.wait().unwrap().success());
        let mut rest = String::new();
        child.stdout.take().unwrap().read_to_string(&mut rest).unwrap();
        child.stderr.take().unwrap().read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "error\n");
    });
}

#[test]
fn stdio_of_files() {
    let directory = Dir::new();
    let path = directory.path().join("file");
    both_ways(|new| {
        fs::write(&path, "content").unwrap();
        assert_eq!(text(new("cat").stdin(File::open(&path).unwrap())), "content");
        let file = File::create(&path).unwrap();
        let mut command = sh(new, "echo out; echo err >&2");
        command.stdout(file.try_clone().unwrap()).stderr(OwnedFd::from(file));
        // The descriptors serve each spawn.
        for _ in 0..2 {
            assert!(command.spawn().unwrap().wait().unwrap().success());
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "out\nerr\nout\nerr\n");
    });
}

#[test]
fn stdio_of_std() {
    let mut command = Command::new("cat");
    command.stdin(std::process::Stdio::null()).stdout(Stdio::piped());
    assert_eq!(text(&mut command), "");
    let mut child = Command::new("echo").arg("hello").stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut told = String::new();
    child.stdout.take().unwrap().read_to_string(&mut told).unwrap();
    assert_eq!(told, "hello\n");
    assert!(child.wait().unwrap().success());
    let mut std =
        std::process::Command::new("echo").arg("std").stdout(std::process::Stdio::piped()).spawn().unwrap();
    assert_eq!(text(Command::new("tr").args(["a-z", "A-Z"]).stdin(std.stdout.take().unwrap())), "STD");
    assert!(std.wait().unwrap().success());
}

#[test]
fn stdio_of_std_serves_one_spawn() {
    let mut command = Command::new("true");
    command.stdin(std::process::Stdio::null());
    assert!(command.spawn().unwrap().wait().unwrap().success());
    // It must not be left out unnoticed.
    for _ in 0..2 {
        let error = command.spawn().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("one spawn"), "{error}");
    }
    assert_eq!(command.prepare().unwrap_err().kind(), ErrorKind::Unsupported);
    assert!(command.stdin(Stdio::null()).spawn().unwrap().wait().unwrap().success());
}

#[test]
fn pipelines() {
    both_ways(|new| {
        let mut first =
            sh(new, "echo one; echo two >&2").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        assert_eq!(text(new("tr").args(["a-z", "A-Z"]).stdin(first.stdout.take().unwrap())), "ONE");
        assert_eq!(text(new("tr").args(["a-z", "A-Z"]).stdin(first.stderr.take().unwrap())), "TWO");
        assert!(first.wait().unwrap().success());

        // The other way round: a child that writes to the standard input of one that runs.
        let mut last = new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut writer = sh(new, "echo written");
        writer.stdout(last.stdin.take().unwrap());
        assert!(writer.spawn().unwrap().wait().unwrap().success());
        drop(writer);
        assert_eq!(last.wait_with_output().unwrap().stdout, b"written\n");
    });
}

#[cfg(feature = "async-io")]
#[test]
fn an_awaited_pipe_as_stdio_blocks_again() {
    use futures_lite::{future::block_on, AsyncReadExt};

    both_ways(|new| {
        block_on(async {
            let mut first = new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            let mut stdin = first.stdin.take().unwrap();
            Write::write_all(&mut stdin, b"x").unwrap();
            let mut stdout = first.stdout.take().unwrap();
            let mut byte = [0];
            AsyncReadExt::read_exact(&mut stdout, &mut byte).await.unwrap();
            let mut second = sh(new, "cat /proc/self/fdinfo/0; cat")
                .stdin(stdout.into_stdio().await.unwrap())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            Write::write_all(&mut stdin, b"later").unwrap();
            drop(stdin);
            let mut told = String::new();
            AsyncReadExt::read_to_string(second.stdout.as_mut().unwrap(), &mut told).await.unwrap();
            assert!(told.ends_with("later"), "{told}");
            assert_blocking(&told);
            assert!(second.status().await.unwrap().success() && first.status().await.unwrap().success());
        });
    });
}

/// Looks at what `/proc/PID/fdinfo` said.
fn assert_blocking(fdinfo: &str) {
    let lines: Vec<_> = fdinfo.lines().filter_map(|line| line.strip_prefix("flags:")).collect();
    assert!(!lines.is_empty(), "{fdinfo}");
    for flags in lines {
        let flags = i32::from_str_radix(flags.trim(), 8).unwrap();
        assert_eq!(flags & libc::O_NONBLOCK, 0, "{fdinfo}");
    }
}

#[test]
fn stdio_is_blocking() {
    both_ways(|new| {
        let mut command = sh(new, "exec cat /proc/self/fdinfo/0 /proc/self/fdinfo/1 /proc/self/fdinfo/2");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let output = command.spawn().unwrap().wait_with_output().unwrap();
        assert_blocking(std::str::from_utf8(&output.stdout).unwrap());
        #[cfg(feature = "async-io")]
        {
            let output = futures_lite::future::block_on(command.output()).unwrap();
            assert_blocking(std::str::from_utf8(&output.stdout).unwrap());
        }
    });
}

/// A file with this content, at its beginning, and its descriptor with this number at least.
fn file(directory: &Dir, content: &str, at_least: i32) -> OwnedFd {
    let path = directory.path().join(content);
    let mut file = OpenOptions::new().create(true).truncate(true).read(true).write(true).open(path).unwrap();
    file.write_all(content.as_bytes()).unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    rustix::io::fcntl_dupfd_cloexec(&file, at_least).unwrap()
}

#[test]
fn descriptors_by_number() {
    let directory = Dir::new();
    both_ways(|new| {
        let fd = |content| file(&directory, content, 3);
        let script = "cat <&3; echo; cat <&7; echo; cat <&9";
        let mut command = sh(new, script);
        command.fd(9, fd("nine")).fd(3, fd("three")).fd(7, fd("lost")).fd(7, fd("seven"));
        assert_eq!(text(&mut command), "three\nseven\nnine");
        let mut command = sh(new, "ls -x /proc/self/fd");
        assert_eq!(text(command.fd(4, fd("x")).fd(8, fd("y"))), "0  1  2  3  4  8");
        // The first three are those of stdin, stdout and stderr; the last call counts.
        let (mut reader, writer) = pipe();
        let mut command = sh(new, "cat; echo out; echo err >&2");
        command.stdin(Stdio::null()).fd(0, fd("in")).fd(1, writer.try_clone().unwrap()).fd(2, writer);
        assert!(command.spawn().unwrap().wait().unwrap().success());
        drop(command);
        let mut told = String::new();
        reader.read_to_string(&mut told).unwrap();
        assert_eq!(told, "inout\nerr\n");
        assert_eq!(text(new("cat").fd(0, fd("lost")).stdin(Stdio::null())), "");
    });
}

#[test]
fn descriptors_whose_numbers_collide_with_sources() {
    let directory = Dir::new();
    both_ways(|new| {
        // Numbers that nobody else takes at this time.
        let (a, b, c) = (file(&directory, "a", 700), file(&directory, "b", 700), file(&directory, "c", 700));
        let numbers = [a.as_raw_fd(), b.as_raw_fd(), c.as_raw_fd()];
        // Each gets the number of another; dash knows one digit alone.
        let mut command = new("bash");
        let cat = |number| format!("cat /proc/self/fd/{number}; echo;");
        command.args(["-c", &(cat(numbers[0]) + &cat(numbers[1]) + &cat(numbers[2]))]);
        command.fd(numbers[1], a).fd(numbers[2], b).fd(numbers[0], c);
        assert_eq!(text(&mut command), "c\na\nb");
        assert_eq!(text(&mut command), "c\na\nb");

        // The number of its own source, and of the source of standard input.
        let (a, b) = (file(&directory, "a", 700), file(&directory, "b", 700));
        let (own, input) = (a.as_raw_fd(), b.as_raw_fd());
        let c = file(&directory, "c", 700);
        let mut command = sh(new, &(cat(own) + "cat; echo;" + &cat(input)));
        command.fd(own, a).stdin(b).fd(input, c);
        assert_eq!(text(&mut command), "a\nb\nc");
    });
}

#[test]
fn no_other_descriptor_is_inherited() {
    let open = File::open("/dev/null").unwrap();
    // Not close-on-exec; SAFETY: the descriptor is new.
    let open = unsafe { File::from_raw_fd(libc::dup(open.as_raw_fd())) };
    let number = open.as_raw_fd().to_string();
    both_ways(|new| {
        assert_eq!(text(new("ls").arg("/proc/self/fd")), "0\n1\n2\n3");
        let inherited = text(new("ls").arg("/proc/self/fd").inherit_fds(true));
        assert!(inherited.lines().any(|line| line == number), "{number} in {inherited}");
        assert_eq!(text(new("ls").arg("/proc/self/fd").inherit_fds(true).inherit_fds(false)), "0\n1\n2\n3");
        // Both: all, and those with a number.
        let mut command = sh(new, "cat <&9");
        command.inherit_fds(true).fd(9, File::open("/proc/self/comm").unwrap());
        assert_eq!(output(&mut command).status.code(), Some(0));
    });
}

#[test]
fn user_and_groups() {
    if !rustix::process::geteuid().is_root() {
        return println!("skipped: it takes root");
    }
    both_ways(|new| {
        let ids = |command: &mut Command| text(command);
        let mut id = sh(new, "echo $(id -u) $(id -g) $(id -G)");
        assert_eq!(ids(id.uid(65534).gid(65534).groups(&[])), "65534 65534 65534");
        let mut id = sh(new, "echo $(id -u) $(id -g) $(id -G)");
        // The groups of root are gone too.
        assert_eq!(ids(id.uid(65534).gid(65533)), "65534 65533 65533");
        let mut id = sh(new, "echo $(id -u) $(id -g) $(id -G)");
        assert_eq!(ids(id.uid(65534).gid(65533).groups(&[7, 8])), "65534 65533 65533 7 8");
        let mut id = sh(new, "echo $(id -u) $(id -g) $(id -G)");
        assert_eq!(ids(id.gid(65533).groups(&[9])), "0 65533 65533 9");
        // It cannot go back.
        let status = text(new("grep").args(["^Uid\\|^Gid", "/proc/self/status"]).uid(1).gid(2));
        assert_eq!(status, "Uid:\t1\t1\t1\t1\nGid:\t2\t2\t2\t2");
    });
    assert!(rustix::process::geteuid().is_root() && rustix::process::getuid().is_root());
}

#[test]
fn session_and_process_group() {
    // SAFETY: asking for numbers.
    let (our_group, our_session) = unsafe { (i64::from(libc::getpgid(0)), i64::from(libc::getsid(0))) };
    both_ways(|new| {
        let stat_of = |change: &dyn Fn(&mut Command)| {
            let mut command = new("cat");
            command.arg("/proc/self/stat");
            change(&mut command);
            let pid: i64 = text(&mut command).split(' ').next().unwrap().parse().unwrap();
            let fields = stat(&mut command);
            // Two spawns: they differ in their pid.
            assert!(pid > 0);
            (fields[&5], fields[&6])
        };
        assert_eq!(stat_of(&|_| {}), (our_group, our_session));
        let (group, session) = stat_of(&|command| {
            command.setsid(true);
        });
        assert!(group == session && session != our_session);
        let (group, session) = stat_of(&|command| {
            command.process_group(0);
        });
        assert!(group != our_group && session == our_session);

        let mut leader =
            new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).process_group(0).spawn().unwrap();
        let (group, _) = stat_of(&|command| {
            command.process_group(leader.id() as i32);
        });
        assert_eq!(group, i64::from(leader.id()));
        drop(leader.stdin.take());
        assert!(leader.wait().unwrap().success());
        let error = new("true").process_group(leader.id() as i32).spawn().unwrap_err();
        assert_eq!(errno(&error), libc::EPERM, "{error}");
    });
}

#[test]
fn file_mode_mask() {
    both_ways(|new| {
        assert_eq!(text(sh(new, "umask").umask(0o027)), "0027");
        assert_eq!(text(sh(new, "umask").umask(0)), "0000");
    });
}

#[test]
fn resource_limits() {
    both_ways(|new| {
        let limit = libc::RLIMIT_NOFILE;
        assert_eq!(text(sh(new, "ulimit -Sn; ulimit -Hn").rlimit(limit, 20, 30)), "20\n30");
        assert_eq!(text(sh(new, "ulimit -n").rlimit(limit, 5, 5).rlimit(limit, 40, 40)), "40");
        let core = libc::RLIMIT_CORE;
        assert_eq!(text(sh(new, "ulimit -n; ulimit -c").rlimit(limit, 20, 20).rlimit(core, 0, 0)), "20\n0");
        // The descriptors of the child are in place before its limit is.
        let mut command = sh(new, "cat /proc/self/fd/50");
        command.fd(50, File::open("/proc/self/comm").unwrap()).rlimit(limit, 10, 10);
        assert!(output(&mut command).status.success());
        assert_eq!(text(sh(new, "true").rlimit(limit, 4, 4)), "");
    });
}

#[test]
fn priority_and_scheduler() {
    both_ways(|new| {
        let mut command = new("cat");
        command.arg("/proc/self/stat");
        assert_eq!(stat(command.nice(7))[&19], 7);
        for policy in [libc::SCHED_BATCH, libc::SCHED_IDLE, libc::SCHED_OTHER] {
            assert_eq!(stat(command.scheduler(policy, 0))[&41], policy.into());
        }
    });
}

#[test]
fn signal_mask() {
    let status = |new: New| {
        let mut command = new("cat");
        command.arg("/proc/self/status");
        command
    };
    both_ways(|new| {
        assert_eq!(signals(&mut status(new), "SigBlk"), []);
        let some = [1, libc::SIGUSR1, libc::SIGTERM, 64];
        assert_eq!(signals(status(new).signal_mask(&some), "SigBlk"), some);
        assert_eq!(signals(status(new).signal_mask(&some).signal_mask(&[]), "SigBlk"), []);
        // One that this thread blocks is not blocked in the child.
        thread::scope(|scope| {
            scope.spawn(|| {
                // SAFETY: the sets are initialized, and the mask is this thread's.
                unsafe {
                    let mut set = std::mem::zeroed();
                    libc::sigfillset(&mut set);
                    libc::pthread_sigmask(libc::SIG_SETMASK, &set, std::ptr::null_mut());
                }
                assert_eq!(signals(&mut status(new), "SigBlk"), []);
            });
        });
        for none in [0, -1, 65, i32::MAX, i32::MIN] {
            let error = status(new).signal_mask(&[libc::SIGTERM, none]).spawn().unwrap_err();
            assert_eq!(SpawnError::from_io_error(&error).unwrap().errno(), libc::EINVAL);
            assert!(error.to_string().contains(&format!("block signal {none}:")), "{error}");
        }
    });
}

#[test]
fn no_new_privileges() {
    both_ways(|new| {
        let line = |forbid| text(new("grep").args(["NoNewPrivs", "/proc/self/status"]).no_new_privs(forbid));
        assert_eq!(line(true), "NoNewPrivs:\t1");
        assert_eq!(
            line(false),
            fs::read_to_string("/proc/thread-self/status")
                .unwrap()
                .lines()
                .find(|line| line.starts_with("NoNewPrivs"))
                .unwrap()
        );
    });
}

#[test]
fn parent_death_signal() {
    both_ways(|new| {
        // The thread that spawns it is the parent.
        let (child, stdin) = thread::scope(|scope| {
            let spawn = || {
                let mut command = new("cat");
                command.stdin(Stdio::piped()).stdout(Stdio::null()).parent_death_signal(libc::SIGTERM);
                let mut child = command.spawn().unwrap();
                let stdin = child.stdin.take();
                assert_eq!(child.try_wait().unwrap(), None);
                (child, stdin)
            };
            scope.spawn(spawn).join().unwrap()
        });
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGTERM));
        drop(stdin);
    });
    // From a thread that stays, it lives.
    let mut child = Command::new("cat")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .parent_death_signal(libc::SIGKILL)
        .spawn()
        .unwrap();
    child.stdin.as_mut().unwrap().write_all(b"x").unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

/// A program without a library that ends with code 7.
#[cfg(target_arch = "x86_64")]
fn tiny_program() -> Vec<u8> {
    let code: [u8; 12] = [0xb8, 60, 0, 0, 0, 0xbf, 7, 0, 0, 0, 0x0f, 0x05];
    let address: u64 = 0x40_0000;
    let size = (64 + 56 + code.len()) as u64;
    let mut elf = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let mut push = |bytes: &[u8]| elf.extend_from_slice(bytes);
    push(&[2, 0, 62, 0, 1, 0, 0, 0]);
    push(&(address + 64 + 56).to_le_bytes());
    push(&64u64.to_le_bytes());
    push(&[0; 8]);
    push(&[0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    push(&[1, 0, 0, 0, 5, 0, 0, 0]);
    for number in [0, address, address, size, size, 0x1000] {
        push(&number.to_le_bytes());
    }
    push(&code);
    elf
}

#[test]
#[cfg(target_arch = "x86_64")]
fn root_directory() {
    if !rustix::process::geteuid().is_root() {
        return println!("skipped: it takes root");
    }
    let directory = Dir::new();
    script(&directory, "bin/tiny", 0o755, "");
    fs::write(directory.path().join("bin/tiny"), tiny_program()).unwrap();
    both_ways(|new| {
        let code =
            |command: &mut Command| command.chroot(directory.path()).spawn().unwrap().wait().unwrap().code();
        assert_eq!(code(&mut new("/bin/tiny")), Some(7));
        // The search too is in the new root, and the working directory.
        assert_eq!(code(new("tiny").env("PATH", "/sbin:/bin")), Some(7));
        assert_eq!(code(new("./tiny").current_dir("/bin")), Some(7));
        assert_eq!(code(&mut new("bin/tiny")), Some(7));
        assert_eq!(code(new("bin/tiny").uid(65534).gid(65534)), Some(7));
        let error = new("sh").chroot(directory.path()).spawn().unwrap_err();
        assert_eq!(errno(&error), libc::ENOENT);
        assert_eq!(text(sh(new, "pwd").chroot("/")), "/");
    });
    assert!(File::open("/proc/self/exe").is_ok());
}

#[test]
fn closure_in_the_child() {
    let mut command = sh(|program| Command::new(program), "cat <&9; ulimit -n");
    let (reader, low) = pipe();
    // A number that is not installed over.
    let mut writer = File::from(rustix::io::fcntl_dupfd_cloexec(&low, 100).unwrap());
    drop(low);
    writer.write_all(b"by the parent ").unwrap();
    let ours = std::process::id();
    let number = writer.as_raw_fd();
    let write = move || {
        // SAFETY: system calls that are allowed after a fork, on memory that lives.
        let written = unsafe {
            assert_ne!(libc::getpid() as u32, ours);
            libc::write(number, b"by the child ".as_ptr().cast(), 13)
        };
        if written == 13 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    };
    command.fd(9, reader).rlimit(libc::RLIMIT_NOFILE, 25, 25);
    // SAFETY: it makes system calls alone.
    unsafe { command.pre_exec(write) };
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    drop(writer);
    let mut told = String::new();
    child.stdout.take().unwrap().read_to_string(&mut told).unwrap();
    assert_eq!(told, "by the parent by the child 25\n");
    assert!(child.wait().unwrap().success());
}

#[test]
fn closures_run_in_order_until_one_fails() {
    let (mut reader, writer) = pipe();
    let number = writer.as_raw_fd();
    let mut command = Command::new("true");
    for act in 0..4u8 {
        // SAFETY: it makes a system call alone.
        unsafe {
            command.pre_exec(move || {
                libc::write(number, [b'0' + act].as_ptr().cast(), 1);
                if act == 2 {
                    Err(io::Error::from_raw_os_error(libc::EXDEV))
                } else {
                    Ok(())
                }
            })
        };
    }
    let error = command.spawn().unwrap_err();
    assert_eq!(errno(&error), libc::EXDEV, "{error:?}");
    drop(writer);
    let mut told = String::new();
    reader.read_to_string(&mut told).unwrap();
    assert_eq!(told, "012");
}

#[test]
fn prepared() {
    let mut command = Command::new("sh");
    command.args(["-c", "cat; echo $A; ls -x /proc/self/fd"]).env("A", "first");
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let prepared = command.prepare().unwrap();
    command.env("A", "second");
    drop(command);
    for _ in 0..3 {
        let output = prepared.spawn().unwrap().wait_with_input("in ").unwrap();
        assert_eq!(output.stdout, b"in first\n0  1  2  3\n");
    }
    let missing = Command::new("/no/such/program").prepare().unwrap();
    for _ in 0..2 {
        assert_eq!(errno(&missing.spawn().unwrap_err()), libc::ENOENT);
    }
    // SAFETY: the closure does nothing.
    let with_closure = unsafe { Command::new("true").pre_exec(|| Ok(())).prepare().unwrap_err() };
    let with_std = Command::new("true").stdin(std::process::Stdio::null()).prepare().unwrap_err();
    for error in [with_closure, with_std] {
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("cannot be prepared"), "{error}");
    }
}

#[test]
fn prepared_before_its_program_is_there() {
    let directory = Dir::new();
    fs::create_dir(directory.path().join("a")).unwrap();
    script(&directory, "b/tool", 0o755, "#!/bin/sh\nexit 2\n");
    let search = format!("{0}/a:{0}/b", directory.path().display());
    let tool = Command::new("tool").env("PATH", search).prepare().unwrap();
    assert_eq!(tool.spawn().unwrap().wait().unwrap().code(), Some(2));
    // Only which one seems likely was found out before: if that is gone, all are tried.
    script(&directory, "a/tool", 0o755, "#!/bin/sh\nexit 1\n");
    fs::remove_file(directory.path().join("b/tool")).unwrap();
    assert_eq!(tool.spawn().unwrap().wait().unwrap().code(), Some(1));
}

#[test]
fn into_a_set() {
    use childset::ChildSet;

    let set = ChildSet::new().unwrap();
    let prepared = Command::new("sh").args(["-c", "exit 3"]).prepare().unwrap();
    set.spawn(&prepared, 3).unwrap();
    set.spawn(Command::new("sh").args(["-c", "exit 4"]), 4).unwrap();
    set.spawn(by_std("sh").args(["-c", "exit 5"]), 5).unwrap();
    for _ in 0..3 {
        let exited = set.wait(None).unwrap().unwrap();
        assert_eq!(exited.exit.unwrap().code(), Some(exited.tag));
    }
    let mut cat = Command::new("cat");
    cat.stdin(Stdio::piped()).stdout(Stdio::piped());
    let key = set.spawn(&mut cat, 6).unwrap();
    let (mut child, tag) = set.remove(key).unwrap();
    assert_eq!(tag, 6);
    assert!(child.stdin.is_some() && child.stdout.is_some() && child.stderr.is_none());
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());

    let error = set.spawn(&mut Command::new("/no/such/program"), 7).unwrap_err();
    assert_eq!((error.tag, error.child.is_none(), errno(&error.error)), (7, true, libc::ENOENT));
    set.close();
    let error = set.spawn(&mut cat, 8).unwrap_err();
    assert_eq!((error.tag, error.error.kind()), (8, ErrorKind::BrokenPipe));
    let mut child = error.child.expect("it was spawned");
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    assert!(set.is_empty());
}

#[test]
fn the_search_is_that_of_execvp() {
    let directory = Dir::new();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    script(&directory, "a/tool", 0o755, "#!/bin/sh\necho a\n");
    script(&directory, "b/tool", 0o755, "#!/bin/sh\necho b\n");
    script(&directory, "refused/tool", 0o644, "#!/bin/sh\necho refused\n");
    script(&directory, "refused/other", 0o644, "#!/bin/sh\n");
    script(&directory, "plain/tool", 0o755, "echo \"plain $0 $*\"\n");
    script(&directory, "a/ls", 0o755, "#!/bin/sh\necho mine\n");
    fs::create_dir_all(directory.path().join("folder/tool")).unwrap();
    fs::write(directory.path().join("file"), "").unwrap();
    let (a, b, refused, plain, folder, missing, file) =
        (path("a"), path("b"), path("refused"), path("plain"), path("folder"), path("missing"), path("file"));
    both_ways(|new| {
        let found = |search: &str| text(new("tool").env("PATH", search));
        assert_eq!(found(&format!("{a}:{b}")), "a");
        assert_eq!(found(&format!("{b}:{a}")), "b");
        assert_eq!(found(&format!("{missing}:{file}:{b}")), "b");
        assert_eq!(found(&format!("{refused}:{b}")), "b");
        assert_eq!(found(&format!("{folder}:{b}")), "b");
        assert_eq!(found(&format!("{a}/:{b}")), "a");

        let error = |program: &str, search: &str| new(program).env("PATH", search).spawn().unwrap_err();
        assert_eq!(errno(&error("tool", &missing)), libc::ENOENT);
        assert_eq!(errno(&error("tool", &file)), libc::ENOTDIR, "the last says why, as with execvp");
        // One that may not be executed is remembered.
        for search in [&format!("{refused}:{missing}"), &format!("{missing}:{refused}"), &folder] {
            let error = error("tool", search);
            assert_eq!((errno(&error), error.kind()), (libc::EACCES, ErrorKind::PermissionDenied));
        }

        // Without a first line that names an interpreter, the shell runs it, under the path that was found.
        let told = text(new("tool").args(["1", "2 3"]).arg0("lost").env("PATH", &plain));
        assert_eq!(told, format!("plain {plain}/tool 1 2 3"));
        let told = text(new(&format!("{plain}/tool")).arg("1"));
        assert_eq!(told, format!("plain {plain}/tool 1"));
        let told = text(new("tool").env("PATH", format!("{missing}:{refused}:{plain}:{a}")));
        assert_eq!(told, format!("plain {plain}/tool"));

        // Empty and relative parts are relative to the directory of the child.
        for search in [":/bin", "/nowhere::/bin", "/nowhere:", ".:/bin", "../a:/bin", ""] {
            let told = text(new("ls").env("PATH", search).current_dir(&a));
            assert_eq!(told, "mine", "with {search:?}");
        }
        assert_eq!(text(new("ls").env("PATH", "a:/bin").current_dir(directory.path())), "mine");
        assert_eq!(text(new("ls").env("PATH", "/bin:").current_dir(&a)), "ls\ntool");

        // Without PATH, and with that of ours.
        assert_eq!(text(new("echo").env_remove("PATH").arg("found")), "found");
        assert_eq!(text(new("echo").env_clear().arg("found")), "found");
        assert_eq!(errno(&new("tool").env_clear().spawn().unwrap_err()), libc::ENOENT);

        // A name with a slash is not searched.
        assert_eq!(text(new("./tool").env("PATH", &b).current_dir(&a)), "a");
        assert_eq!(text(new("b/tool").env("PATH", &a).current_dir(directory.path())), "b");
        assert_eq!(errno(&error("./tool", &a)), libc::ENOENT);
    });
}

#[test]
fn impossible_numbers_of_descriptors() {
    both_ways(|new| {
        for number in [-1, i32::MIN, i32::MAX, i32::MAX - 1] {
            let error = new("true").fd(number, File::open("/dev/null").unwrap()).spawn().unwrap_err();
            let known = [libc::EBADF, libc::EINVAL, libc::EMFILE];
            let errno = SpawnError::from_io_error(&error).map(SpawnError::errno).or(error.raw_os_error());
            assert!(errno.is_some_and(|errno| known.contains(&errno)), "{number}: {error:?}");
        }
    });
}

#[test]
fn null_bytes() {
    both_ways(|new| {
        let refused = |command: &mut Command, what: &str| {
            for error in [command.spawn().map(drop), command.prepare().map(drop), Err(command.exec())] {
                let error = error.unwrap_err();
                if error.kind() == ErrorKind::Unsupported {
                    continue;
                }
                assert_eq!(error.kind(), ErrorKind::InvalidInput, "{what}: {error}");
                assert!(error.to_string().contains(what), "{error}");
                assert!(error.to_string().contains(r"a\x00b"), "{error}");
            }
        };
        refused(&mut new("a\0b"), "the program");
        refused(&mut new("/bin/a\0b"), "the program");
        refused(new("/no/such/program").arg("a\0b"), "an argument");
        refused(new("/no/such/program").args(["x", "a\0b", "y"]), "an argument");
        refused(new("/no/such/program").arg0("a\0b"), "an argument");
        refused(new("/no/such/program").env("a\0b", "x"), "an environment variable");
        refused(new("/no/such/program").env("x", "a\0b"), "an environment variable");
        refused(new("/no/such/program").current_dir("a\0b"), "the working directory");
        refused(new("none").search_path("/bin:a\0b"), "the search path");
        refused(new("/no/such/program").arg0("a\0b"), "an argument");
        refused(new("/no/such/program").current_dir("a\0b"), "the working directory");
        refused(new("/no/such/program").env("a\0b", ""), "an environment variable");
        refused(new("/no/such/program").env("A", "a\0b"), "an environment variable");
        refused(new("/no/such/program").env("PATH", "/bin:a\0b"), "an environment variable");
        refused(new("/no/such/program").chroot("a\0b"), "the root directory");
    });
}

/// A set's or a child's own descriptors, and the pipes of the spawn itself, may have the number that is asked for.
#[test]
fn descriptors_whose_numbers_are_taken_by_us() {
    let directory = Dir::new();
    let path = directory.path().join("content");
    fs::write(&path, "content").unwrap();
    let content = || OpenOptions::new().read(true).write(true).open(&path).unwrap();
    both_ways(|new| {
        let mut held = Vec::new();
        // Around what is free now lie the pipes of the spawn, its pidfd, and std's own pipe.
        for number in 3..3 + times(40).max(12) as i32 {
            let mut command = sh(new, &format!("cat /proc/self/fd/{number}; echo err >&2; cat"));
            command.fd(number, content());
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut child = command.spawn().unwrap();
            child.stdin.as_mut().unwrap().write_all(b"input").unwrap();
            held.push(child);
            let error = new("/no/such/program").fd(number, content()).spawn().unwrap_err();
            assert_eq!(errno(&error), libc::ENOENT, "{number}");
        }
        for child in held {
            let output = child.wait_with_output().unwrap();
            assert_eq!((output.stdout, output.stderr), (b"contentinput".to_vec(), b"err\n".to_vec()));
        }
    });
    assert_eq!(fs::read(&path).unwrap(), b"content");
}

/// `std`'s runtime ignores SIGPIPE in this process.
#[test]
fn signal_dispositions() {
    let ignored = |command: &mut Command| signals(command.arg("/proc/self/status"), "SigIgn");
    both_ways(|new| {
        assert!(!ignored(&mut new("cat")).contains(&libc::SIGPIPE));
        assert!(ignored(new("cat").default_signals(&[])).contains(&libc::SIGPIPE));
        assert!(!ignored(new("cat").default_signals(&[libc::SIGPIPE, libc::SIGHUP])).contains(&libc::SIGPIPE));
        assert!(ignored(new("cat").default_signals(&[libc::SIGHUP])).contains(&libc::SIGPIPE));
        // None is caught.
        assert_eq!(signals(new("cat").arg("/proc/self/status"), "SigCgt"), []);
    });
}

#[test]
fn a_busy_program_is_tried_again() {
    let directory = Dir::new();
    let tool = script(&directory, "tool", 0o755, "#!/bin/sh\nexit 6\n");
    both_ways(|new| {
        let writer = OpenOptions::new().append(true).open(&tool).unwrap();
        let mut command = new(tool.to_str().unwrap());
        let error = command.spawn().unwrap_err();
        assert_eq!(errno(&error), libc::ETXTBSY, "it is given up in the end");
        assert!(error.to_string().contains(tool.to_str().unwrap()), "{error}");
        let exit = thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(std::time::Duration::from_millis(5));
                drop(writer);
            });
            command.spawn().unwrap().wait().unwrap()
        });
        assert_eq!(exit.code(), Some(6));
    });
}
