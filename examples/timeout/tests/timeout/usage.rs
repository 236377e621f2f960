//! The command line, and the exit codes.

use super::*;

#[test]
fn exit_codes() {
    check(&[
        ("", &["100", "true"], 0, "", Some("")),
        ("", &["100", "false"], 1, "", Some("")),
        ("", &["100", "sh", "-c", "exit 124"], 124, "", Some("")),
        ("", &["100", "echo", "-n", "--", "-k"], 0, "-- -k", Some("")),
        ("", &["0.05", "sleep", "1000"], 124, "", Some("")),
        ("", &["--preserve-status", "0.05", "sleep", "1000"], 143, "", Some("")),
        ("", &["--preserve-status", "100", "sh", "-c", "exit 7"], 7, "", Some("")),
        (
            "",
            &["--preserve-status", "100", "sh", "-c", "sleep 1000 & trap 'exit 5' TERM; echo up; wait"],
            5,
            UP,
            Some(""),
        ),
        ("", &["100", "/no/such/program"], 127, "", None),
        ("", &["100", "no-such-program"], 127, "", None),
        ("", &["100", ""], 127, "", None),
        ("", &["100", "/"], 126, "", None),
        ("", &["100", "/etc/passwd"], 126, "", None),
        ("", &["1", "-k", "2", "true"], 127, "", None),
        ("", &["1", "--", "true"], 127, "", None),
        ("", &["--", "0.05", "sleep", "1000"], 124, "", Some("")),
    ]);
}

#[test]
fn bad_usage() {
    check(&[
        ("", &[], 125, "", None),
        ("", &["1"], 125, "", None),
        ("", &["", "true"], 125, "", None),
        ("", &["-1", "true"], 125, "", None),
        ("", &["nan", "true"], 125, "", None),
        ("", &["0x", "true"], 125, "", None),
        ("", &["0x1p", "true"], 125, "", None),
        ("", &["1x", "true"], 125, "", None),
        ("", &["1ms", "true"], 125, "", None),
        ("", &["1 s", "true"], 125, "", None),
        ("", &["--no-such-option", "1", "true"], 125, "", None),
        ("", &["--foreground=yes", "1", "true"], 125, "", None),
        ("", &["-k", "soon", "1", "true"], 125, "", None),
        ("", &["-k"], 125, "", None),
        ("", &["-s", "NONE", "1", "true"], 125, "", None),
        ("", &["-s", "", "1", "true"], 125, "", None),
        ("", &["-s", "1x", "1", "true"], 125, "", None),
        ("", &["-s", "65", "1", "true"], 125, "", None),
        ("", &["-h", "1", "true"], 125, "", None),
    ]);
}

#[test]
fn durations() {
    let times_out: &[&str] = &[
        ".05",
        "+.05",
        "5e-2",
        "0.05s",
        "0.001m",
        "0.00001h",
        "0.000001d",
        "1e-30",
        "0x.1",
        "0x1p-5s",
        "0x1P-12m",
    ];
    let times_out: Vec<[&str; 3]> = times_out.iter().map(|&duration| [duration, "sleep", "1000"]).collect();
    let cases: Vec<_> = times_out.iter().map(|arguments| ("", &arguments[..], 124, "", Some(""))).collect();
    check(&cases);
    let unlimited: &[&str] =
        &["0", "0s", "0.0", "inf", "infinityd", "99999999999999999999d", "1.", "0x0", "0x1d"];
    let unlimited: Vec<[&str; 3]> = unlimited.iter().map(|&duration| [duration, "sleep", "0.01"]).collect();
    let cases: Vec<_> = unlimited.iter().map(|arguments| ("", &arguments[..], 0, "", Some(""))).collect();
    check(&cases);
}

/// What differs between the versions of coreutils.
#[test]
fn versions() {
    for program in both() {
        let is_ours = program == ours();
        let version = if is_ours { OURS } else { coreutils().unwrap() };
        let code_of = |arguments: &[&str]| code(Outcome::of(start(&program, "", arguments)).status);
        // Signals that have no name, and are the C library's.
        let wanted = if version >= (9, 5) && !is_ours { 0 } else { 125 };
        assert_eq!(code_of(&["-s", "32", "100", "true"]), wanted, "{program:?} {version:?}");
        // POSIX's short options. The time is over, and the status is that of the command, which TERM ended.
        let wanted = if version >= (9, 6) { 143 } else { 125 };
        assert_eq!(code_of(&["-f", "-p", "0.05", "sleep", "1000"]), wanted, "{program:?} {version:?}");
        // A time that is too short for a number with a fraction: the shortest one, or no limit.
        let (time, wanted) = if version >= (9, 7) { ("1000", 124) } else { ("0.01", 0) };
        assert_eq!(code_of(&["1e-400", "sleep", time]), wanted, "{program:?} {version:?}");
    }
}

#[test]
fn signals() {
    let verbose = |name| format!("timeout: sending signal {name} to command 'sleep'\n");
    for (signal, name, wanted) in [
        ("INT", "INT", 124),
        ("hup", "HUP", 124),
        ("SIGusr1", "USR1", 124),
        ("SEGV", "SEGV", 124),
        ("iot", "ABRT", 124),
        ("poll", "POLL", 124),
        ("9", "KILL", 137),
        ("143", "TERM", 124),
        ("34", "RTMIN", 124),
        ("RTMIN+3", "RTMIN+3", 124),
        ("rtmax-1", "RTMAX-1", 124),
    ] {
        // musl keeps it for itself.
        if signal == "34" && libc::SIGRTMIN() > 34 {
            continue;
        }
        check(&[("", &["-v", "-s", signal, "0.05", "sleep", "1000"], wanted, "", Some(&verbose(name)))]);
    }
    // The last one counts, and options may be shortened.
    check(&[
        ("", &["-sINT", "--sig=USR1", "--pres", "0.05", "sleep", "1000"], 138, "", Some("")),
        ("", &["-vv", "-v", "100", "true"], 0, "", Some("")),
    ]);
}

#[test]
fn kill_after() {
    let both = "timeout: sending signal TERM to command 'sh'\ntimeout: sending signal KILL to command 'sh'\n";
    let term = "timeout: sending signal TERM to command 'sleep'\n";
    // In the foreground only the command itself is signalled.
    let alone = "trap '' TERM; echo up; exec sleep 1000";
    check(&[
        ("", &["-k", "0.05", "100", "sh", "-c", STUBBORN], 137, UP, Some("")),
        ("", &["-v", "-k.05", "100", "sh", "-c", STUBBORN], 137, UP, Some(both)),
        ("", &["--kill-after=0.05s", "--preserve-status", "100", "sh", "-c", STUBBORN], 137, UP, Some("")),
        ("", &["-v", "-k", "100", "0.05", "sleep", "1000"], 124, "", Some(term)),
        ("", &["-v", "-k", "0", "0.05", "sleep", "1000"], 124, "", Some(term)),
        ("", &["-v", "--foreground", "-k", "0.05", "100", "sh", "-c", alone], 137, UP, Some(both)),
        ("", &["--foreground", "-s", "KILL", "0.05", "sleep", "1000"], 137, "", Some("")),
    ]);
}
