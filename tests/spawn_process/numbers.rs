//! Descriptors 0 to 2 of this process closed, or swapped.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::process::Stdio as StdStdio;

use childset::{Command, Stdio};

use crate::common::{self, errno};
use crate::{fd, WAYS};

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
pub(crate) fn without_stdio() {
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

pub(crate) fn swapped_stdio() {
    common::open_stdio();
    let link = |number| fs::read_link(format!("/proc/self/fd/{number}")).unwrap().display().to_string();
    assert_ne!(link(1), link(2));
    let mut command = Command::new("sh");
    command.args(["-c", r#"links=$(for n in 1 2; do readlink /proc/$$/fd/$n; done); echo "$links" >&9"#]);
    command.stdout(io::stderr()).stderr(io::stdout());
    let (mut reader, writer) = common::pipe();
    command.fd(9, writer);
    assert!(command.spawn().unwrap().wait().unwrap().success());
    drop(command);
    let mut told = String::new();
    reader.read_to_string(&mut told).unwrap();
    assert_eq!(told, format!("{}\n{}\n", link(2), link(1)));
}

/// A daemon: what is opened for the spawn itself takes none of the three numbers, in which it would get lost.
pub(crate) fn error_without_stdio() {
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
