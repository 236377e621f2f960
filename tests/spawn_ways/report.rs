//! The child: it writes all that it was given into a file.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::fs;
use std::os::unix::ffi::OsStrExt;

/// Writes all that this process was given into the file that its second argument names.
pub(crate) fn report(args: &[OsString]) {
    let mut text = String::new();
    for number in 0..64 {
        // SAFETY: asking for numbers.
        let (flags, status) =
            unsafe { (libc::fcntl(number, libc::F_GETFD), libc::fcntl(number, libc::F_GETFL)) };
        if flags != -1 {
            let target = fs::read_link(format!("/proc/self/fd/{number}")).unwrap();
            let target = target.to_str().unwrap();
            let target = if target.starts_with("pipe:") { "pipe" } else { target };
            writeln!(text, "{number}: {target} {flags} {:o}", status & (libc::O_ACCMODE | libc::O_NONBLOCK))
                .unwrap();
        }
    }
    writeln!(text, "{:?}", [&args[..1], &args[3..]].concat()).unwrap();
    let environment = fs::read("/proc/self/environ").unwrap();
    // What chooses the cases is not the same in all of them.
    let entries = environment.split(|&byte| byte == 0).filter(|entry| !entry.starts_with(b"CHILDSET_TEST_"));
    for entry in entries {
        writeln!(text, "{:?}", OsStr::from_bytes(entry)).unwrap();
    }
    let status = fs::read_to_string("/proc/self/status").unwrap();
    for name in ["Umask", "Uid", "Gid", "Groups", "SigBlk", "SigIgn", "SigCgt", "SigPnd", "NoNewPrivs"] {
        text.extend(status.lines().filter(|line| line.starts_with(name)).map(|line| format!("{line}\n")));
    }
    // SAFETY: asking for numbers.
    let own = unsafe { [libc::getpgid(0), libc::getsid(0)].map(|id| id == libc::getpid()) };
    // SAFETY: as above.
    let (nice, policy) = unsafe { (libc::getpriority(libc::PRIO_PROCESS, 0), libc::sched_getscheduler(0)) };
    writeln!(text, "{:?} {own:?} {nice} {policy}", std::env::current_dir().ok()).unwrap();
    let limits = fs::read_to_string("/proc/self/limits").unwrap();
    text.extend(limits.lines().filter(|line| line.contains("open files")));
    fs::write(&args[2], text).unwrap();
}
