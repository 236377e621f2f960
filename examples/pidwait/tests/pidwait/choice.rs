//! Which processes the example `pidwait` waits for.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::common::{check_leaks, stat, Dir};
use crate::programs::{ours, Programs, Talking};

/// The pids that it finds with these options.
pub(crate) fn found<S: AsRef<OsStr>>(args: &[S]) -> Vec<u32> {
    let output = ours(&["-e", "--timeout", "0"]).args(args).output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let pids: Vec<_> = stdout
        .lines()
        .map(|line| line.rsplit_once("(pid ").unwrap().1.strip_suffix(')').unwrap().parse().unwrap())
        .collect();
    let code = if pids.is_empty() { 1 } else { 124 };
    assert_eq!(output.status.code(), Some(code), "{stdout}{}", String::from_utf8_lossy(&output.stderr));
    pids
}

/// Anybody may run a program with any argument, and under any name.
pub(crate) fn bytes() {
    check_leaks(|| {
        let programs = Programs::new();
        let cat = programs.copy("cat", "");
        let mut odd = programs.name.clone().into_bytes();
        odd.extend(b"\xff\n");
        let argument = OsStr::from_bytes(&odd);
        let link = cat.with_file_name(argument);
        fs::hard_link(&cat, &link).unwrap();
        let mut plain = Talking::new(Command::new(&cat).args(["-", "ä\u{f1}"]));
        let mut with_argument = Talking::new(Command::new(&cat).arg("-").arg(argument).stderr(Stdio::null()));
        let mut with_name = Talking::new(&mut Command::new(&link));
        for process in [&mut plain, &mut with_argument, &mut with_name] {
            process.until_cat();
        }
        let pid = |process: &Talking| process.child.id();
        let mut all = vec![pid(&plain), pid(&with_argument), pid(&with_name)];
        all.sort_unstable();
        assert_eq!(found(&["-f", &format!("{}( |$|.)", programs.name)]), all);
        let in_bytes = |pattern: &[u8]| found(&[OsStr::new("-f"), OsStr::from_bytes(pattern)]);
        let pattern = [b" - ", &*odd].concat();
        assert_eq!(in_bytes(&pattern), [pid(&with_argument)]);
        assert_eq!(found(&["-f".into(), format!("{} - ä.$", programs.name)]), [pid(&plain)]);
        let name = [b"^", &odd[..odd.len() - 1], b".$"].concat();
        // `.` is any character, as in POSIX's regular expressions: also a newline.
        assert_eq!(found(&[OsStr::from_bytes(&name)]), [pid(&with_name)]);
        assert_eq!(found(&[OsStr::from_bytes(&[b"^", &*odd, b"$"].concat())]), [pid(&with_name)]);
    });
}

pub(crate) fn newest_and_oldest() {
    check_leaks(|| {
        let programs = Programs::new();
        let processes = [programs.cat(), programs.cat(), programs.cat()];
        let pids = processes.each_ref().map(|process| process.child.id());
        assert_eq!(found(&["-n", "-x", &programs.name]), [pids[2]]);
        assert_eq!(found(&["-o", &programs.name]), [pids[0]]);
        for wrong in [&["-n", "-o", "x"][..], &["-A"], &["-U", "no such user", "x"], &["-O", "1x", "x"]] {
            assert_eq!(ours(wrong).output().unwrap().status.code(), Some(2), "{wrong:?}");
        }
        assert_eq!(ours(&["--version"]).output().unwrap().status.code(), Some(0));
    });
}

pub(crate) fn age() {
    check_leaks(|| {
        let programs = Programs::new();
        let process = programs.cat();
        assert_eq!(found(&["-O", "0", &programs.name]), [process.child.id()]);
        assert_eq!(found(&["-O", "1000", &programs.name]), [0; 0]);
        while found(&["-O", "1", &programs.name]).is_empty() {
            std::thread::sleep(Duration::from_millis(50));
        }
    });
}

pub(crate) fn pid_file() {
    check_leaks(|| {
        let (programs, directory) = (Programs::new(), Dir::new());
        let file = directory.path().join("pid");
        let read = |text: &str, more: &[&str]| {
            fs::write(&file, text).unwrap();
            found(&[&["-F", file.to_str().unwrap()], more].concat())
        };
        let processes = [programs.cat(), programs.cat()];
        let pids = processes.each_ref().map(|process| process.child.id());
        assert_eq!(read(&format!("{}\n", pids[0]), &[]), [pids[0]]);
        assert_eq!(read(&pids[0].to_string(), &["-x", "other"]), [0; 0]);
        for wrong in ["", "x", "-5", "0", "1x"] {
            assert_eq!(read(wrong, &[]), [0; 0], "{wrong}");
        }
        assert_eq!(found(&["-F", "/nonexistent", &programs.name]), [0; 0]);
    });
}

pub(crate) fn ids() {
    check_leaks(|| {
        let programs = Programs::new();
        let process = Talking::new(Command::new(programs.copy("cat", "")).process_group(0));
        let pid = process.child.id();
        let name = programs.name.as_str();
        let me = rustix::process::getuid().as_raw().to_string();
        let group = rustix::process::getgid().as_raw().to_string();
        // 0 in a pid namespace that was entered by this session.
        // SAFETY: the call reads no memory.
        let session = unsafe { libc::getsid(0) }.to_string();
        let (own_group, other) = (pid.to_string(), "4294967".to_owned());
        let foreign = std::process::id().to_string();
        let cases: [(&str, &[&str], bool); 12] = [
            ("-U", &[&me], true),
            ("-U", &[&other], false),
            ("-G", &[&other, &group], true),
            ("-G", &[&other], false),
            ("-g", &[&own_group], true),
            ("-g", &[&foreign], false),
            // The group of `pidwait`, which is ours.
            ("-g", &["0"], false),
            ("-s", &[&session], true),
            ("-s", &["0"], true),
            ("-s", &[&own_group], false),
            ("-r", &["SD"], true),
            ("-r", &["ZT"], false),
        ];
        for (option, list, is_found) in cases {
            let expected: &[u32] = if is_found { &[pid] } else { &[] };
            // It may not sleep yet.
            while option == "-r" && is_found && found(&[option, list[0], name]).is_empty() {}
            assert_eq!(found(&[option, &list.join(","), name]), expected, "{option} {list:?}");
        }
        if me == "0" {
            assert_eq!(found(&["-U", "root", "-G", "root", name]), [pid]);
        }
    });
}

/// Whoever runs the tests has one, or not.
pub(crate) fn terminal() {
    check_leaks(|| {
        let programs = Programs::new();
        let process = programs.cat();
        let terminals = |name: &str| found(&["-t", name, &programs.name]);
        assert_eq!(terminals("no-such-terminal"), [0; 0]);
        // Whose it is, by the kernel's word.
        let number: u32 = stat(process.child.id(), 7).unwrap().parse().unwrap();
        let (major, minor) = (number >> 8 & 0xfff, number & 0xff | number >> 12 & 0xfff00);
        if major == 136 {
            assert_eq!(terminals(&format!("pts/{minor}")), [process.child.id()]);
        }
        assert_eq!(terminals("null"), [0; 0]);
    });
}

/// The shell's command line has the pattern, and so has that of `pidwait`.
pub(crate) fn neither_itself_nor_ancestors() {
    check_leaks(|| {
        let programs = Programs::new();
        let script = "\"$0\" -e --timeout 0 \"$@\"; exit $?";
        let by_shell = |more: &[&str]| {
            let program = ours(&[]).get_program().to_owned();
            let mut shell = Command::new("sh");
            shell.args(["-c", script]).arg(program).args(more).args(["-f", &programs.name]);
            let child = shell.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
            let pid = child.id();
            let output = child.wait_with_output().unwrap();
            (pid, String::from_utf8(output.stdout).unwrap(), output.status.code())
        };
        let (shell, said, code) = by_shell(&[]);
        assert_eq!((said, code), (format!("waiting for sh (pid {shell})\n"), Some(124)));
        let (_, said, code) = by_shell(&["-A"]);
        assert_eq!((said, code), (String::new(), Some(1)));
    });
}
