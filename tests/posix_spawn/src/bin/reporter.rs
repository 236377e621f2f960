//! A program that writes to the file `$REPORT` what it was started with.
//!
//! It has no Rust `main`: before that, the runtime would open the standard descriptors that are closed, and
//! ignore SIGPIPE.

#![no_main]

use std::fmt::Write;
use std::fs;
use std::os::unix::ffi::OsStringExt;

/// What the C runtime calls.
#[no_mangle]
pub extern "C" fn main(_argc: i32, _argv: *const *const std::ffi::c_char) -> i32 {
    let Some(path) = std::env::var_os("REPORT") else { return 99 };
    match fs::write(path, report().unwrap_or_else(|error| format!("{error}\n"))) {
        Ok(()) => 7,
        Err(_) => 98,
    }
}

fn report() -> Result<String, Box<dyn std::error::Error>> {
    let mut report = String::new();
    let args: Vec<_> = std::env::args_os().collect();
    writeln!(report, "args {args:?}")?;
    let executed = fs::read("/proc/self/auxv")?
        .chunks(16)
        .map(|entry| [&entry[..8], &entry[8..]].map(|half| usize::from_ne_bytes(half.try_into().unwrap())))
        .find(|entry| entry[0] == libc::AT_EXECFN as usize)
        .ok_or("no AT_EXECFN")?[1];
    // SAFETY: the kernel put a string there.
    let executed = unsafe { std::ffi::CStr::from_ptr(executed as *const _) };
    writeln!(report, "executed {executed:?}")?;
    let environ = fs::read("/proc/self/environ")?;
    let mut variables: Vec<_> = environ.split(|&byte| byte == 0).map(<[u8]>::escape_ascii).collect();
    variables.sort_by_key(ToString::to_string);
    for variable in variables {
        writeln!(report, "env {variable}")?;
    }
    writeln!(report, "directory {}", fs::read_link("/proc/self/cwd")?.display())?;
    descriptors(&mut report)?;
    for line in fs::read_to_string("/proc/self/status")?.lines() {
        if ["SigBlk", "SigIgn", "SigCgt", "Uid", "Gid", "Groups"].iter().any(|name| line.starts_with(name)) {
            writeln!(report, "{}", line.replace('\t', " "))?;
        }
    }
    // SAFETY: none of these touches memory of ours, but for the parameter that is written.
    unsafe {
        let (me, parent) = (libc::getpid(), libc::getppid());
        let name = |id: i32, parents: i32| match id {
            id if id == me => "own".to_owned(),
            id if id == parents => "the parent's".to_owned(),
            id => id.to_string(),
        };
        writeln!(report, "group {}", name(libc::getpgrp(), libc::getpgid(parent)))?;
        writeln!(report, "session {}", name(libc::getsid(0), libc::getsid(parent)))?;
        let mut parameter: libc::sched_param = std::mem::zeroed();
        libc::sched_getparam(0, &mut parameter);
        writeln!(report, "scheduler {} {}", libc::sched_getscheduler(0), parameter.sched_priority)?;
        writeln!(report, "foreground of 5: {}", name(libc::tcgetpgrp(5), 0))?;
        writeln!(report, "umask {:o}", libc::umask(0))?;
    }
    Ok(report)
}

fn descriptors(report: &mut String) -> Result<(), Box<dyn std::error::Error>> {
    let own = format!("/proc/{}/fd", std::process::id());
    let mut descriptors = Vec::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        let name = String::from_utf8(entry?.file_name().into_vec())?;
        let file = fs::read_link(format!("/proc/self/fd/{name}"))?.to_string_lossy().into_owned();
        if file != own {
            let info = fs::read_to_string(format!("/proc/self/fdinfo/{name}"))?;
            let field = |name| info.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("?").trim();
            descriptors.push((
                name.parse::<u32>()?,
                file,
                field("flags:").to_owned(),
                field("pos:").to_owned(),
            ));
        }
    }
    descriptors.sort();
    for (number, file, flags, position) in descriptors {
        writeln!(report, "fd {number} {file} flags {flags} at {position}")?;
    }
    Ok(())
}
