//! `exec` without `/proc` and without `/dev/null`.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd};

use childset::unix::CommandExt;
use childset::{Command, Stdio};

use crate::common::{self, errno};
use crate::WAYS;

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
pub(crate) fn failed_exec_without_proc() {
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
pub(crate) fn no_null_device() {
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
