//! How it is run: each way in a copy of this process.

use std::ffi::CString;
use std::fs::{self, File};
use std::io::{Read, Write as _};
use std::os::fd::AsRawFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use childset::unix::CommandExt;
use childset::SpawnError;

use crate::case::Case;
use crate::common::{self, pipe};
use crate::generate::{CASES, SEED};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Way {
    Own,
    Prepared,
    Launch,
    PreparedLaunch,
    PreExec,
    StdStdio,
    Exec,
    ExecWithClosure,
    ExecStdio,
    Std,
}

/// Those that copy the environment.
pub(crate) const COPYING: [Way; 3] = [Way::Prepared, Way::Launch, Way::PreparedLaunch];

/// Runs the case in a copy of this process, which may change what it likes. Returns what the child said, or the error.
pub(crate) fn run(case: &Case, place: &Path, way: Way) -> Option<String> {
    if way == Way::Std && case.std(place).is_none() {
        return None;
    }
    let (mut reader, low) = pipe();
    // No number that the child may have.
    let mut writer = File::from(rustix::io::fcntl_dupfd_cloexec(&low, 90).unwrap());
    drop(low);
    // SAFETY: this process has one thread.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        drop(reader);
        // What the copy prepares has the pid of its own in no name.
        let told = std::panic::catch_unwind(|| in_copy(case, place, way)).unwrap_or_else(|_| "panic".into());
        writer.write_all(told.as_bytes()).unwrap();
        // SAFETY: the end of the copy.
        unsafe { libc::_exit(0) };
    }
    drop(writer);
    let mut told = String::new();
    reader.read_to_string(&mut told).unwrap();
    let status = common::reap_by_pid(pid as u32);
    if told.is_empty() {
        // It became the program.
        told = format!("{:?}", std::process::ExitStatus::from_raw(status).code());
    }
    let path = place.join("out").join(pid.to_string());
    told.push('\n');
    if let Ok(text) = fs::read_to_string(&path) {
        told.push_str(&text);
        fs::remove_file(path).unwrap();
    }
    // Its name differs.
    Some(told.replace(&format!("out/{pid}"), "out/PID"))
}

extern "C" fn handler(_: i32) {}

fn in_copy(case: &Case, place: &Path, way: Way) -> String {
    // Not close-on-exec, with numbers that the child may want.
    for number in [6, 30] {
        // SAFETY: nothing else has them here.
        unsafe { libc::dup2(File::open(place.join("file")).unwrap().as_raw_fd(), number) };
    }
    // SAFETY: the copy's own signals, and a handler that does nothing.
    unsafe {
        libc::signal(libc::SIGHUP, libc::SIG_IGN);
        libc::signal(libc::SIGUSR1, handler as extern "C" fn(i32) as libc::sighandler_t);
        if case.ignores_sigchld {
            libc::signal(libc::SIGCHLD, libc::SIG_IGN);
        }
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        // std leaves it to the child.
        if way != Way::Std {
            libc::sigaddset(&mut set, libc::SIGWINCH);
        }
        libc::sigprocmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
        libc::alarm(30);
    }
    let mut std = if way == Way::Std { case.std(place) } else { None };
    let mut command = case.command(place, way);
    for number in (0..3).filter(|&number| case.closed[number]) {
        // SAFETY: the copy uses none of the three.
        unsafe { libc::close(number as i32) };
    }
    let error = match way {
        Way::Std => match std.as_mut().unwrap().spawn() {
            Ok(mut child) => return format!("{:?}", child.wait().unwrap().code()),
            Err(error) => return format!("errno {}", error.raw_os_error().unwrap()),
        },
        Way::Exec | Way::ExecWithClosure | Way::ExecStdio => command.exec(),
        Way::Prepared => match command.prepare().unwrap().spawn() {
            Ok(child) => return code(child),
            Err(error) => error,
        },
        // What fails after there is a process is its end.
        Way::Launch | Way::PreparedLaunch => {
            let child = match way {
                Way::Launch => command.launch(),
                _ => command.prepare().unwrap().launch(),
            };
            match child {
                Ok(child) => match child.wait() {
                    Err(error) if SpawnError::from_io_error(&error).is_some() => error,
                    _ => return code(child),
                },
                Err(error) => error,
            }
        }
        _ => match command.spawn() {
            Ok(child) => return code(child),
            Err(error) => error,
        },
    };
    let errno = SpawnError::raw_os_error(&error);
    format!("errno {}\n{error}", errno.unwrap_or(0))
}

fn code(mut child: childset::Child) -> String {
    drop(child.stdin.take());
    match child.wait() {
        Ok(status) => format!("{:?}", status.code()),
        // Before 6.15 a status that nobody may take is lost.
        Err(error) => {
            assert!(common::kernel() < (6, 15), "{error}");
            "Some(0)".into()
        }
    }
}

/// The first line, or also what the child said, but not the text of the error: what std has, too.
pub(crate) fn as_std(told: &str) -> &str {
    match told.starts_with("errno") {
        true => told.lines().next().unwrap(),
        false => told,
    }
}

/// An environment with a name twice, and entries without `=`.
pub(crate) fn set_environment() {
    static ENTRIES: std::sync::OnceLock<Vec<CString>> = std::sync::OnceLock::new();
    static POINTERS: std::sync::OnceLock<Vec<usize>> = std::sync::OnceLock::new();
    let path = std::env::var("PATH").unwrap();
    let own: Vec<String> = [CASES, SEED, "CHILDSET_TEST_SHARE"]
        .iter()
        .filter_map(|name| Some(format!("{name}={}", std::env::var(name).ok()?)))
        .collect();
    let texts = ["TWICE=1", "nothing", "Z=last", "HOME=/", "TWICE=2", "=odd", "A=ours"].map(String::from);
    let texts = texts.into_iter().chain([format!("PATH={path}")]).chain(own);
    let entries = ENTRIES.get_or_init(|| texts.map(|text| CString::new(text).unwrap()).collect());
    let pointers = POINTERS.get_or_init(|| {
        entries.iter().map(|entry| entry.as_ptr() as usize).chain(std::iter::once(0)).collect()
    });
    extern "C" {
        static mut environ: *const *const libc::c_char;
    }
    // SAFETY: this process has one thread, and the strings and pointers live for ever.
    unsafe { environ = pointers.as_ptr().cast() };
}
