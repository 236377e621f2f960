//! Standard input, output and error.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};

use childset::{Command, Stdio};

use crate::common::{pipe, Dir};
use crate::{both_ways, sh, text};

#[test]
fn stdio_null_and_inherit() {
    let link = |number: i32| fs::read_link(format!("/proc/self/fd/{number}")).unwrap();
    // Where one is not, a file that is opened here may take its number.
    let is_open = [0, 2].iter().all(|number| fs::exists(format!("/proc/self/fd/{number}")).unwrap());
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

        if is_open {
            let told = text(&mut sh(new, "readlink /proc/$$/fd/0; readlink /proc/$$/fd/2"));
            assert_eq!(told, format!("{}\n{}", link(0).display(), link(2).display()));
        }
        // Null can be written to.
        assert_eq!(text(sh(new, "echo lost >&2 && echo kept").stderr(Stdio::null())), "kept");
    });
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
        let stdin = child.stdin.take().unwrap();
        stdin.blocking().write_all(b"one ").unwrap();
        let mut first = [0; 4];
        child.stdout.as_ref().unwrap().blocking().read_exact(&mut first).unwrap();
        assert_eq!(&first, b"one ");
        assert_eq!(child.try_wait().unwrap(), None);
        drop(stdin);
        assert!(child.wait().unwrap().success());
        let mut rest = String::new();
        child.stdout.take().unwrap().blocking().read_to_string(&mut rest).unwrap();
        child.stderr.take().unwrap().blocking().read_to_string(&mut rest).unwrap();
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
fn stdio_of_a_number() {
    both_ways(|new| {
        let (mut reader, writer) = pipe();
        // SAFETY: `into_raw_fd` gives the descriptor away.
        let stdout = unsafe { Stdio::from_raw_fd(writer.into_raw_fd()) };
        assert!(new("echo").arg("hello").stdout(stdout).spawn().unwrap().wait().unwrap().success());
        // The command was dropped, and closed it: else this would not end.
        let mut told = String::new();
        reader.read_to_string(&mut told).unwrap();
        assert_eq!(told, "hello\n");
    });
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
            let stdin = first.stdin.take().unwrap();
            stdin.blocking().write_all(b"x").unwrap();
            let mut stdout = first.stdout.take().unwrap();
            let mut byte = [0];
            AsyncReadExt::read_exact(&mut stdout, &mut byte).await.unwrap();
            let mut second = sh(new, "cat /proc/self/fdinfo/0; cat")
                .stdin(stdout.into_stdio().await.unwrap())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            stdin.blocking().write_all(b"later").unwrap();
            drop(stdin);
            let mut told = String::new();
            AsyncReadExt::read_to_string(second.stdout.as_mut().unwrap(), &mut told).await.unwrap();
            assert!(told.ends_with("later"), "{told}");
            assert_blocking(&told);
            assert!(second.status().await.unwrap().success() && first.status().await.unwrap().success());
        });
    });
}

/// Also where it is passed on as it is.
#[cfg(feature = "async-io")]
#[test]
fn an_awaited_pipe_converted_blocks_again() {
    use futures_lite::{future::block_on, AsyncReadExt};

    both_ways(|new| {
        let mut first = sh(new, "echo x; cat >/dev/null");
        let mut first = first.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = first.stdout.take().unwrap();
        block_on(AsyncReadExt::read_exact(&mut stdout, &mut [0; 2])).unwrap();
        let flags = rustix::fs::fcntl_getfl(&stdout).unwrap();
        assert!(flags.contains(rustix::fs::OFlags::NONBLOCK), "it was awaited");
        assert_blocking(&text(new("cat").arg("/proc/self/fdinfo/0").stdin(Stdio::from(stdout))));
        drop(first.stdin.take());
        assert!(first.wait().unwrap().success());
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

/// Each of the three is opened for what it is used for.
#[test]
fn null_is_for_reading_or_for_writing() {
    both_ways(|new| {
        let directory = crate::common::Dir::new();
        let told = directory.path().join("told");
        let mut command = sh(new, "cat /proc/self/fdinfo/0 /proc/$$/fdinfo/1 /proc/$$/fdinfo/2 >\"$0\"");
        command.arg(&told).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        assert!(command.spawn().unwrap().wait().unwrap().success());
        let told = std::fs::read_to_string(told).unwrap();
        let flags = told.lines().filter_map(|line| line.strip_prefix("flags:"));
        let access: Vec<i32> =
            flags.map(|flags| i32::from_str_radix(flags.trim(), 8).unwrap() & libc::O_ACCMODE).collect();
        assert_eq!(access, [libc::O_RDONLY, libc::O_WRONLY, libc::O_WRONLY]);
    });
}

/// Through one pipe, in the order in which they were written.
#[test]
fn standard_error_to_standard_output() {
    const SCRIPT: &str = "echo 1; echo 2 >&2; echo 3";
    const ALL: &[u8] = b"1\n2\n3\n";
    both_ways(|new| {
        let merged = || {
            let mut command = sh(new, SCRIPT);
            command.stderr_to_stdout();
            command
        };
        let output = merged().wait_with_output().unwrap();
        assert_eq!((&output.stdout[..], &output.stderr[..]), (ALL, &b""[..]));
        // Whatever standard output is, and whenever it is set.
        let mut command = merged();
        let child = command.stdout(Stdio::piped()).spawn().unwrap();
        assert!(child.stderr.is_none());
        assert_eq!(child.wait_with_output().unwrap().stdout, ALL);
        assert_eq!(command.launch().unwrap().wait_with_output().unwrap().stdout, ALL);
        let prepared = command.prepare().unwrap();
        assert_eq!(prepared.spawn().unwrap().wait_with_output().unwrap().stdout, ALL);
        assert_eq!(prepared.launch().unwrap().wait_with_output().unwrap().stdout, ALL);
        let (mut reader, writer) = pipe();
        command.stdout(writer);
        assert!(command.wait().unwrap().success());
        drop(command);
        let mut told = Vec::new();
        reader.read_to_end(&mut told).unwrap();
        assert_eq!(told, ALL);
        let std = merged().stdout(std::process::Stdio::piped()).wait_with_output().unwrap();
        assert_eq!(std.stdout, ALL);
        assert!(merged().stdout(Stdio::null()).wait().unwrap().success());
        // The last one of two counts.
        let output = merged().stderr(Stdio::piped()).wait_with_output().unwrap();
        assert_eq!((&output.stdout[..], &output.stderr[..]), (&b"1\n3\n"[..], &b"2\n"[..]));
        assert!(format!("{:#?}", merged()).contains("standard output"));
    });
}

/// What is inherited is the same, too.
#[test]
fn standard_error_to_an_inherited_standard_output() {
    if fs::read_link("/proc/self/fd/1").is_err() {
        return crate::common::skipped("this test has no standard output: tests/low_numbers.rs");
    }
    both_ways(|new| {
        let mut command =
            sh(new, r#"links=$(readlink /proc/$$/fd/1; readlink /proc/$$/fd/2); echo "$links" >&9"#);
        let (mut reader, writer) = pipe();
        command.stderr_to_stdout().fd(9, writer);
        for child in [command.spawn(), command.launch()] {
            assert!(child.unwrap().wait().unwrap().success());
        }
        drop(command);
        let mut told = String::new();
        reader.read_to_string(&mut told).unwrap();
        let lines: Vec<_> = told.lines().collect();
        assert_eq!(lines.len(), 4, "{told}");
        assert!(lines.iter().all(|line| *line == lines[0]), "{told}");
    });
}

/// `std`'s most used calls.
#[test]
fn blocking_in_one_call() {
    both_ways(|new| {
        assert_eq!(sh(new, "exit 3").wait().unwrap().code(), Some(3));
        // It closes the pipe to standard input.
        assert!(new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).wait().unwrap().success());
        assert!(new("/no/such/program").wait().is_err());

        // As by default: nothing to read, and both pipes.
        let output = sh(new, "cat; echo out; echo err >&2; exit 4").wait_with_output().unwrap();
        assert_eq!((&output.stdout[..], &output.stderr[..]), (&b"out\n"[..], &b"err\n"[..]));
        assert_eq!(output.status.code(), Some(4));
        let output = sh(new, "echo out").stdout(Stdio::null()).wait_with_output().unwrap();
        assert_eq!(output.stdout, b"");
        assert!(new("/no/such/program").wait_with_output().is_err());
    });
}

#[test]
fn stdio_of_sockets_and_of_our_own() {
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::{UnixDatagram, UnixListener};

    both_ways(|new| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut ours = TcpStream::connect(address).unwrap();
        let theirs = listener.accept().unwrap().0;
        assert!(new("echo").arg("hello").stdout(theirs).wait().unwrap().success());
        let mut told = String::new();
        ours.read_to_string(&mut told).unwrap();
        assert_eq!(told, "hello\n");

        let (ours, theirs) = UnixDatagram::pair().unwrap();
        assert!(new("echo").arg("hello").stdout(theirs).wait().unwrap().success());
        let mut told = [0; 16];
        let length = ours.recv(&mut told).unwrap();
        assert_eq!(&told[..length], b"hello\n");

        // As inetd passes what listens.
        let is_socket = |command: &mut Command| command.args(["-S", "/proc/self/fd/0"]).wait().unwrap();
        assert!(is_socket(new("test").stdin(listener)).success());
        let dir = Dir::new();
        assert!(
            is_socket(new("test").stdin(UnixListener::bind(dir.path().join("socket")).unwrap())).success()
        );
        assert!(!is_socket(new("test").stdin(Stdio::null())).success());

        let Ok(here) = fs::read_link("/proc/self/fd/0") else {
            return crate::common::skipped("this test has no standard input");
        };
        let mut command = new("readlink");
        let link = command.arg("/proc/self/fd/0").stdin(std::io::stdin()).wait_with_output().unwrap();
        assert_eq!(String::from_utf8(link.stdout).unwrap().trim_end(), here.to_str().unwrap());
    });
}
