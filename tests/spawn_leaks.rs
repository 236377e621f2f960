//! Descriptors do not leak into children that other threads spawn.

#![allow(unsafe_code)]

mod common;

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use childset::{Command, Stdio};
use common::check_leaks;

fn main() {
    if common::role().is_some() {
        if let Err(error) = common::seccomp::filter(libc::SYS_close_range, Some(libc::ENOSYS), None) {
            return common::skipped(format_args!("seccomp filters are refused: {error}"));
        }
        return threads_that_open_and_spawn();
    }
    common::main(&[
        ("threads_that_open_and_spawn", threads_that_open_and_spawn),
        ("threads_that_open_and_spawn_without_close_range", without_close_range),
        ("end_of_file_comes_at_once", end_of_file_comes_at_once),
    ]);
}

/// Ends with an error if it has a descriptor besides 0, 1, 2 and that of the listing.
const LOOK: &str = r#"
for fd in /proc/self/fd/*; do
    case ${fd##*/} in
        0|1|2) ;;
        *) test -e "$fd" && { readlink "$fd" >&2; exit 9; } ;;
    esac
done
exit 0"#;

/// A file and a pipe, close-on-exec or not.
fn open(close_on_exec: bool) -> [OwnedFd; 3] {
    let flags = if close_on_exec { libc::O_CLOEXEC } else { 0 };
    let mut pipe = [0; 2];
    // SAFETY: the path ends with a null byte, and the array has room for both ends; the descriptors are new.
    unsafe {
        let file = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | flags);
        assert!(file >= 0 && libc::pipe2(pipe.as_mut_ptr(), flags) == 0);
        [file, pipe[0], pipe[1]].map(|fd| OwnedFd::from_raw_fd(fd))
    }
}

/// Nor where what to close must be found out first (also by `std`'s way on Linux 5.10).
fn without_close_range() {
    assert!(common::reexec("without_close_range").status().unwrap().success());
}

fn threads_that_open_and_spawn() {
    check_leaks(|| {
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            for close_on_exec in [true, false] {
                let done = &done;
                scope.spawn(move || {
                    // Each number is the highest so far, for a while.
                    let mut held = Vec::new();
                    while !done.load(Ordering::Relaxed) {
                        held.push(open(close_on_exec));
                        if held.len() == 100 {
                            held.clear();
                        }
                    }
                });
            }
            let spawners: Vec<_> = (0..6)
                .map(|thread| {
                    scope.spawn(move || {
                        for round in 0..common::times(60) {
                            let _open = open(round % 2 == 0);
                            let mut command = Command::new("sh");
                            command.args(["-c", LOOK]);
                            match thread % 3 {
                                0 => {}
                                1 => drop(
                                    command
                                        .stdin(Stdio::piped())
                                        .stdout(Stdio::piped())
                                        .stderr(Stdio::null()),
                                ),
                                // Moved to their places, the sources are closed.
                                _ => {
                                    command.stdin(File::open("/dev/null").unwrap());
                                    if round % 10 == 0 {
                                        common::make_by_std(&mut command);
                                    }
                                }
                            }
                            let child = command.spawn().unwrap();
                            assert_eq!(child.wait().unwrap().code(), Some(0));
                        }
                    })
                })
                .collect();
            let results: Vec<_> = spawners.into_iter().map(|spawner| spawner.join()).collect();
            done.store(true, Ordering::Relaxed);
            assert!(results.iter().all(|result| result.is_ok()));
        });
    });
}

/// No child of another thread holds a pipe's end open, close-on-exec or not.
fn end_of_file_comes_at_once() {
    let done = AtomicBool::new(false);
    check_leaks(|| {
        thread::scope(|scope| {
            for _ in 0..4 {
                let done = &done;
                scope.spawn(move || {
                    while !done.load(Ordering::Relaxed) {
                        // It stays until it is told to go, with whatever it got.
                        let mut child =
                            Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
                        thread::yield_now();
                        drop(child.stdin.take());
                        assert!(child.wait().unwrap().success());
                    }
                });
            }
            let mut holders = Vec::new();
            for round in 0..common::times(150) {
                let [_, reader, writer] = open(round % 2 == 0);
                let mut holder = Command::new("cat");
                holder.stdin(Stdio::piped()).stdout(Stdio::null());
                holders.push(holder.spawn().unwrap());
                // This one has it, and gives it up.
                let mut command = Command::new("sh");
                command.args(["-c", "echo hello"]).stdout(writer);
                let child = command.spawn().unwrap();
                drop(command);
                let mut told = String::new();
                // Would block for good if a holder had the other end.
                File::from(reader).read_to_string(&mut told).unwrap();
                assert_eq!(told, "hello\n");
                assert!(child.wait().unwrap().success());
                if holders.len() > 20 {
                    let mut holder = holders.swap_remove(0);
                    let stdin = holder.stdin.take().unwrap();
                    assert!(stdin.as_raw_fd() > 2);
                    stdin.blocking().write_all(b"bye").unwrap();
                    drop(stdin);
                    assert!(holder.wait().unwrap().success());
                }
            }
            done.store(true, Ordering::Relaxed);
            for mut holder in holders {
                drop(holder.stdin.take());
                assert!(holder.wait().unwrap().success());
            }
        });
    });
}
