//! Closures that run in the child.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;

use childset::unix::CommandExt;
use childset::{Command, Resource, Signal, Stdio};

use crate::common::pipe;
use crate::{errno, sh};

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
    command.fd(9, reader).rlimit(Resource::NOFILE, 25, 25);
    // SAFETY: it makes system calls alone.
    unsafe { command.pre_exec(write) };
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    drop(writer);
    let mut told = String::new();
    child.stdout.take().unwrap().blocking().read_to_string(&mut told).unwrap();
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

/// Two of the ways: by `fork`, and by `std`.
fn both(test: impl Fn(&dyn Fn() -> Command)) {
    test(&|| Command::new("true"));
    test(&|| {
        let mut command = Command::new("true");
        command.stdin(std::process::Stdio::null());
        command
    });
}

#[test]
fn an_error_without_an_errno() {
    both(|new| {
        let mut command = new();
        // SAFETY: it makes a constant.
        unsafe { command.pre_exec(|| Err(io::ErrorKind::Other.into())) };
        let error = command.spawn().unwrap_err();
        assert_eq!(errno(&error), libc::EINVAL, "{error:?}");
        assert!(error.to_string().contains("pre_exec"), "{error}");
    });
}

/// It ends the child, as std's does, and does not go on in a copy of what the caller does next.
#[test]
fn a_panic_ends_the_child() {
    both(|new| {
        let mut command = new();
        // SAFETY: where the panic is printed, other threads may hold the lock of the standard error; without a message
        // and a hook, it is not.
        unsafe { command.pre_exec(|| std::panic::resume_unwind(Box::new(0))) };
        let exit = command.spawn().unwrap().wait().unwrap();
        assert_eq!(exit.signal(), Some(Signal::ABRT), "{exit:?}");
    });
}

/// What it takes to wait for the closure stays in the parent.
#[test]
fn the_program_gets_nothing_of_ours() {
    let sockets =
        |output: std::process::Output| String::from_utf8(output.stdout).unwrap().matches("socket:").count();
    let mut by_std = std::process::Command::new("ls");
    let before = sockets(by_std.args(["-l", "/proc/self/fd"]).output().unwrap());
    for with_stdio in [false, true] {
        let mut command = crate::common::by_std("ls");
        command.args(["-l", "/proc/self/fd"]).inherit_fds(true);
        if with_stdio {
            command.stdin(std::process::Stdio::null());
        }
        assert_eq!(sockets(crate::output(&mut command)), before);
    }
}
