//! What else a process may be chosen by: its environment, cgroup, namespaces, handlers, and the file with its pid.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use rustix::fs::{flock, FlockOperation};

use crate::choice::found;
use crate::common::{check_leaks, Dir};
use crate::programs::{ours, Programs, Talking};

fn code(args: &[&str]) -> Option<i32> {
    ours(args).output().unwrap().status.code()
}

pub(crate) fn environment() {
    check_leaks(|| {
        let programs = Programs::new();
        let name = programs.name.as_str();
        let with = |value: &str| Talking::new(Command::new(programs.copy("cat", "")).env("PW_TEST", value));
        let processes = [with("a"), with("ab"), programs.cat()];
        let [a, ab, _] = processes.each_ref().map(|process| process.child.id());
        for (wanted, expected) in [
            ("PW_TEST", &[a, ab][..]),
            ("PW_TEST=a", &[a]),
            ("PW_TEST=ab,PW_TEST=c", &[ab]),
            ("PW_TEST=", &[]),
            // Not the start of a name, nor of a value.
            ("PW_TES", &[]),
            ("PW_TEST=b", &[]),
        ] {
            assert_eq!(found(&["--env", wanted, name]), expected, "{wanted}");
        }
    });
}

pub(crate) fn cgroup() {
    check_leaks(|| {
        let programs = Programs::new();
        let process = programs.cat();
        let (pid, name) = (process.child.id(), programs.name.as_str());
        let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
        // A machine may have version 1 alone.
        let cgroup = text.lines().find_map(|line| line.strip_prefix("0::"));
        if let Some(cgroup) = cgroup {
            assert_eq!(found(&["--cgroup", &format!("/none,{cgroup}"), name]), [pid]);
            assert_eq!(found(&["--cgroup", &format!("{cgroup}x"), name]), [0; 0]);
        }
        assert_eq!(found(&["--cgroup", "/none", name]), [0; 0]);
    });
}

pub(crate) fn namespaces() {
    check_leaks(|| {
        let programs = Programs::new();
        let (process, name) = (programs.cat(), programs.name.as_str());
        let (pid, own) = (process.child.id(), std::process::id().to_string());
        assert_eq!(found(&["--ns", &own, name]), [pid]);
        assert_eq!(found(&["--ns", &own, "--nslist", "mnt,net", name]), [pid]);
        assert_eq!(found(&["--ns", &u32::MAX.to_string(), name]), [0; 0]);
        assert_eq!(code(&["--ns", &own, "--nslist", "none", name]), Some(2));
        // In another one, if we may make it.
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let mut unshare = Command::new("unshare");
        let mut other = Talking::new(unshare.arg("--uts").arg(programs.copy("cat", "")));
        other.until_cat();
        let there = other.child.id();
        assert_eq!(found(&["--ns", &own, name]), [pid]);
        assert_eq!(found(&["--ns", &there.to_string(), name]), [there]);
        let mut both = [pid, there];
        both.sort_unstable();
        assert_eq!(found(&["--ns", &there.to_string(), "--nslist", "mnt", name]), both);
        assert_eq!(found(&["--ns", &there.to_string(), "--nslist", "uts,mnt", name]), [there]);
    });
}

pub(crate) fn handlers() {
    check_leaks(|| {
        let programs = Programs::new();
        let (shell, name) = (programs.copy("sh", ""), programs.name.as_str());
        let mut with = Talking::new(Command::new(shell).args(["-c", "trap : USR1; cat; :"]));
        with.until_cat();
        let (pid, plain) = (with.child.id(), programs.cat());
        for (signal, expected) in
            [("USR1", &[pid][..]), ("SIGUSR1", &[pid]), ("10", &[pid]), ("usr1", &[pid]), ("USR2", &[])]
        {
            assert_eq!(found(&["-H", "--signal", signal, name]), expected, "{signal}");
        }
        // TERM, unless said; and without -H, it is nothing.
        assert_eq!(found(&["-H", name]), [0; 0]);
        let mut both = [pid, plain.child.id()];
        both.sort_unstable();
        assert_eq!(found(&["--signal", "USR1", name]), both);
        for wrong in ["NONE", "0", "65", ""] {
            assert_eq!(code(&["-H", "--signal", wrong, name]), Some(2), "{wrong}");
        }
    });
}

pub(crate) fn inverse() {
    check_leaks(|| {
        let programs = Programs::new();
        let processes = [programs.cat(), programs.cat()];
        let pids = processes.each_ref().map(|process| process.child.id());
        let (name, first) = (programs.name.as_str(), pids[0].to_string());
        let without = found(&["-v", name]);
        assert!(without.contains(&std::process::id()) && pids.iter().all(|pid| !without.contains(pid)));
        // Also what is named by its number.
        let others = found(&["--inverse", "-p", &first]);
        assert!(!others.contains(&pids[0]) && others.contains(&pids[1]));
        assert!(!found(&["-v", "-A", name]).contains(&std::process::id()));
        for wrong in [&["-v", "-n", name][..], &["-v", "-o", name], &["-v"]] {
            assert_eq!(code(wrong), Some(2), "{wrong:?}");
        }
    });
}

pub(crate) fn locked_pid_file() {
    check_leaks(|| {
        let (programs, directory) = (Programs::new(), Dir::new());
        let process = programs.cat();
        let path = directory.path().join("pid");
        let file = path.to_str().unwrap();
        // The rest does not matter.
        fs::write(&path, format!(" {} and more\nlines", process.child.id())).unwrap();
        assert_eq!(found(&["-F", file]), [process.child.id()]);
        assert_eq!(found(&["-L", "-F", file]), [0; 0]);
        let daemon = fs::File::open(&path).unwrap();
        flock(&daemon, FlockOperation::LockExclusive).unwrap();
        assert_eq!(found(&["-L", "-F", file]), [process.child.id()]);
        assert_eq!(code(&["-L", &programs.name]), Some(2));

        let mut waits = ours(&["-e", "--timeout", "0", "-F", "-"]);
        let mut waits = waits.stdin(Stdio::piped()).spawn().unwrap();
        write!(waits.stdin.take().unwrap(), "{}", process.child.id()).unwrap();
        let output = waits.wait_with_output().unwrap();
        assert!(output.stdout.ends_with(format!("(pid {})\n", process.child.id()).as_bytes()), "{output:?}");
    });
}

/// As getopt(3) has it.
pub(crate) fn options_of_any_form() {
    check_leaks(|| {
        let programs = Programs::new();
        let (process, name) = (programs.cat(), programs.name.as_str());
        let pid = process.child.id();
        let me = rustix::process::getuid().as_raw().to_string();
        for arguments in [
            &["-x", "-x", name][..],
            &["--exa", name],
            &["-ixu", &me, name],
            &["-x", "--", name],
            &[name, "-x"],
            // Nothing to be exact about.
            &["-x", "-f", "-i", "-p", &pid.to_string()],
        ] {
            assert_eq!(found(arguments), [pid], "{arguments:?}");
        }
        for wrong in [&[name, name][..], &["-w", name], &["--no-such-option", name], &[], &["("]] {
            assert_eq!(code(wrong), Some(2), "{wrong:?}");
        }
    });
}

/// As regex(7) has them.
pub(crate) fn extended_expressions() {
    check_leaks(|| {
        let programs = Programs::new();
        let (process, name) = (programs.cat(), programs.name.as_str());
        let rest = &name[1..];
        for pattern in [
            format!("^[[:alpha:]]{rest}$"),
            format!("^[]p]{rest}$"),
            format!("^[[p]{rest}$"),
            format!("^[\\p]{rest}$"),
            format!("^[^\\]{rest}$"),
            format!("^(p|[[.q.]]){rest}$"),
            format!("^q{{,2}}p{rest}$"),
            format!("\\<{name}\\>"),
        ] {
            assert_eq!(found(&[&pattern]), [process.child.id()], "{pattern}");
        }
        assert_eq!(found(&[&format!("^[\\.]{rest}$")]), [0; 0]);
    });
}
