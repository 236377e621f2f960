//! The search of PATH, as execvp(3) does it.

use std::ffi::{CString, OsStr, OsString};
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::case::Case;
use crate::common::{self, pipe};
use crate::place::place;
use crate::ways::{run, Way};

/// The errno of execvp(3), in a copy of this process; 0 if it ran.
fn execvp(program: &OsStr, path: Option<&OsStr>, directory: &Path) -> i32 {
    let program = CString::new(program.as_bytes()).unwrap();
    let argv = [program.as_ptr(), c"--report".as_ptr(), c"/dev/null".as_ptr(), std::ptr::null()];
    let (mut reader, writer) = pipe();
    // SAFETY: this process has one thread, and the strings live.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        std::env::set_current_dir(directory).unwrap();
        match path {
            Some(path) => std::env::set_var("PATH", path),
            None => std::env::remove_var("PATH"),
        }
        // SAFETY: as above. The end of the copy, in any case.
        unsafe {
            libc::execvp(program.as_ptr(), argv.as_ptr());
            let errno = *libc::__errno_location();
            libc::write(writer.as_raw_fd(), errno.to_ne_bytes().as_ptr().cast(), 4);
            libc::_exit(1);
        }
    }
    drop(writer);
    let mut errno = [0; 4];
    let failed = reader.read_exact(&mut errno).is_ok();
    common::reap_by_pid(pid as u32);
    if failed {
        i32::from_ne_bytes(errno)
    } else {
        0
    }
}

pub(crate) fn searches() {
    let place = place();
    let place = place.path();
    let at = |names: &[&str]| {
        let elements = names.iter().map(|name| match name.strip_prefix('=') {
            Some(literal) => OsString::from(literal),
            None => place.join(name).into_os_string(),
        });
        elements.collect::<Vec<_>>().join(OsStr::new(":"))
    };
    let (long, longer) = (format!("=/{}", "x".repeat(4094)), format!("=/{}", "x".repeat(4095)));
    let paths: Vec<Option<OsString>> = [
        &["loop", "good"][..],
        &["good", "loop"],
        &["file", "good"],
        &["none", "file"],
        &["file", "none"],
        &["plain", "none"],
        &["plain", "file"],
        &["none", "plain", "none"],
        &["plain", "loop"],
        &["plain", "good"],
        &["folder"],
        &["folder", "good"],
        &["folder", "none"],
        &["interpreter", "good"],
        &["interpreter"],
        &[&long, "good"],
        &["good", &long],
        &[&longer],
        &["none", &longer],
        &["good", &longer],
        &["text"],
        &["none", "text"],
        &["="],
        &["=", "=", "="],
        &["none", "="],
        &["=.", "none"],
        &["=good"],
    ]
    .into_iter()
    .map(|names| Some(at(names)))
    .chain([None])
    .collect();
    let programs =
        ["prog", "no-such-program", "", ".", "good/prog", "file/prog", "loop/prog", &"y".repeat(256)];
    for path in &paths {
        for program in programs {
            let mut case = Case { program: program.into(), directory: Some(place.into()), ..Case::default() };
            case.variables.push(("PATH".into(), path.clone()));
            let expected = execvp(program.as_ref(), path.as_deref(), place);
            for way in [
                Way::Own,
                Way::Launch,
                Way::Prepared,
                Way::PreExec,
                Way::StdStdio,
                Way::Exec,
                Way::ExecStdio,
                Way::Std,
            ] {
                let Some(told) = run(&case, place, way) else { continue };
                let errno =
                    told.strip_prefix("errno ").map(|told| told.lines().next().unwrap().parse().unwrap());
                let what = format!("{program:?} in {path:?}, {way:?}: {told}");
                assert_eq!(errno.unwrap_or(0), expected, "{what}");
                assert!(
                    errno.is_none()
                        || program.is_empty()
                        || way == Way::Std
                        || told.contains(&program[..program.len().min(150)]),
                    "{what}"
                );
            }
        }
    }
    // Not what glibc makes of it, which looks into the working directory after the one that is too long.
    for (names, expected) in [(&[&longer, "good"][..], "Some(0)"), (&[&longer, "none"], "errno 2")] {
        let directory = Some(place.join("text"));
        let variables = vec![("PATH".into(), Some(at(names)))];
        let case = Case { program: "prog".into(), directory, variables, ..Case::default() };
        for way in [Way::Own, Way::Launch, Way::Prepared, Way::PreExec, Way::StdStdio, Way::Exec] {
            let told = run(&case, place, way).unwrap();
            assert!(told.starts_with(expected), "{way:?}: {told}");
        }
    }
}
