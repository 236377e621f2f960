//! The program `timeout`, side by side with the installed one of coreutils.
//!
//! Each command holds our ends of pipes, so that their end-of-file tells that nothing of it is left.

#[path = "../../../tests/common/mod.rs"]
mod common;

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Once;

use common::skipped;
use rustix::process::{kill_process, Pid, Signal};

fn ours() -> OsString {
    env!("CARGO_BIN_EXE_timeout").into()
}

/// Major and minor version of the `timeout` of GNU coreutils, if it is the one that is installed.
fn coreutils() -> Option<(u32, u32)> {
    let output = Command::new("timeout").arg("--version").output().ok()?;
    let version = String::from_utf8(output.stdout).ok()?;
    let (_, version) = version.lines().next()?.split_once("(GNU coreutils) ")?;
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map_while(|number| number.parse().ok());
    Some((numbers.next()?, numbers.next()?))
}

/// What ours does as that does.
const OURS: (u32, u32) = (9, 10);

/// Ours, and that of coreutils, unless another one is installed: what it does is no measure. Nor is one before 9.1, whose
/// exit code does not say that it had to send KILL in the foreground.
fn both() -> Vec<OsString> {
    let is_gnu = coreutils() >= Some((9, 1));
    if !is_gnu {
        static SAID: Once = Once::new();
        SAID.call_once(|| {
            skipped(
                "side by side: no timeout of GNU coreutils is installed; Debian's package coreutils has it",
            )
        });
    }
    [Some(ours()), is_gnu.then(|| "timeout".into())].into_iter().flatten().collect()
}

/// Starts it after a shell's preparation, with the signals at their defaults before that.
fn start(program: &OsString, preparation: &str, arguments: &[&str]) -> Child {
    let mut command = Command::new("env");
    // Where nothing is that may not be searched, which would be another error than that nothing is found.
    command.args(["--default-signal", "LC_ALL=C", "PATH=/usr/bin:/bin"]);
    command.args(["sh", "-c", &format!("{preparation}\nexec \"$@\""), "sh"]).arg(program).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// As a shell has it in `$?`.
fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap())
}

struct Outcome {
    status: ExitStatus,
    stdout: String,
    stderr: String,
}

impl Outcome {
    /// Once all that holds its pipes is gone.
    fn of(child: Child) -> Outcome {
        let output = child.wait_with_output().unwrap();
        Outcome {
            status: output.status,
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// What a command prints that is ready to be timed out.
const UP: &str = "up\n";

/// Waits until the command is up, and `timeout` sleeps: a signal that hits coreutils's before it has noted the pid of the
/// command, which may be up by then, ends it alone.
fn until_up(child: &mut Child) {
    let mut said = [0; UP.len()];
    child.stdout.as_mut().unwrap().read_exact(&mut said).unwrap();
    assert_eq!(said, UP.as_bytes());
    let stat = format!("/proc/{}/stat", child.id());
    while !std::fs::read_to_string(&stat).unwrap().contains(") S ") {
        std::thread::yield_now();
    }
}

/// SIGALRM is to `timeout` as if its time were over: that hits no command that is not ready.
fn end_its_time(child: &mut Child) {
    until_up(child);
    kill_process(Pid::from_child(child), Signal::ALARM).unwrap();
}

/// Preparation, arguments, exit code, and what it is to print on standard output ([`UP`] first if its time is to be over
/// then), and on standard error if that is coreutils's word for word.
type Case<'a> = (&'a str, &'a [&'a str], i32, &'a str, Option<&'a str>);

fn check(cases: &[Case<'_>]) {
    let programs = both();
    for (preparation, arguments, wanted, stdout, stderr) in cases {
        let run = |program| {
            let mut child = start(program, preparation, arguments);
            if stdout.starts_with(UP) {
                end_its_time(&mut child);
            }
            Outcome::of(child)
        };
        let outcomes: Vec<_> = programs.iter().map(run).collect();
        for (program, outcome) in programs.iter().zip(&outcomes) {
            let what = format!("{program:?} {preparation:?} {arguments:?}: {}", outcome.stderr);
            assert_eq!(code(outcome.status), *wanted, "{what}");
            assert_eq!(outcome.stdout, stdout.trim_start_matches(UP), "{what}");
            match stderr {
                Some(stderr) => assert_eq!(outcome.stderr, *stderr, "{what}"),
                None => assert!(outcome.stderr.contains("timeout") || *wanted == 125, "{what}"),
            }
        }
        // Also whether it is a signal that ended them.
        assert!(outcomes.iter().all(|outcome| outcome.status == outcomes[0].status), "{arguments:?}");
    }
}

/// A command that ignores TERM.
const STUBBORN: &str = "trap '' TERM; echo up; while :; do sleep 1000; done";

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
    let times_out: &[&str] = &[".05", "+.05", "5e-2", "0.05s", "0.001m", "0.00001h", "0.000001d", "1e-30"];
    let times_out: Vec<[&str; 3]> = times_out.iter().map(|&duration| [duration, "sleep", "1000"]).collect();
    let cases: Vec<_> = times_out.iter().map(|arguments| ("", &arguments[..], 124, "", Some(""))).collect();
    check(&cases);
    let unlimited: &[&str] = &["0", "0s", "0.0", "inf", "infinityd", "99999999999999999999d", "1."];
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

/// What ends the command itself ends `timeout`, too.
#[test]
fn the_command_dies_of_a_signal() {
    for (signal, number) in [
        ("TERM", 15),
        ("INT", 2),
        ("KILL", 9),
        ("SEGV", 11),
        ("BUS", 7),
        ("USR1", 10),
        ("PWR", 30),
        ("35", 35),
    ] {
        let script = format!("kill -{signal} $$");
        // No core dump, which would be told of.
        check(&[("ulimit -c 0", &["100", "sh", "-c", &script], 128 + number, "", Some(""))]);
    }
}

#[test]
fn what_the_command_inherits() {
    // Fields of proc(5)'s stat: the command's name has no space.
    let group = "read -r pid name state parent group rest </proc/self/stat; ";
    let own = format!("{group} [ $group = $PPID ] && echo own");
    let foreground = format!("{group} [ $group != $PPID ] && echo not");
    // Signals 1 to 28: `env` leaves to us what is ignored of those that the C library keeps to itself.
    let dispositions = "sed -nE 's/^(Sig...):.*(.{7})$/\\1 \\2/p' /proc/self/status | grep -E 'Blk|Ign'";
    check(&[
        ("", &["100", "sh", "-c", &own], 0, "own\n", Some("")),
        ("", &["--foreground", "100", "sh", "-c", &foreground], 0, "not\n", Some("")),
        ("exec 9</dev/null", &["100", "test", "-e", "/proc/self/fd/9"], 0, "", Some("")),
        (
            "umask 27; cd /; X=x; export X",
            &["100", "sh", "-c", "umask; pwd; echo $X"],
            0,
            "0027\n/\nx\n",
            Some(""),
        ),
        ("", &["100", "sh", "-c", dispositions], 0, "SigBlk 0000000\nSigIgn 0000000\n", Some("")),
    ]);
    for program in both() {
        let version = if program == ours() { OURS } else { coreutils().unwrap() };
        let child = start(
            &program,
            "trap '' HUP INT QUIT TERM CHLD TTIN TTOU USR2",
            &["100", "sh", "-c", dispositions],
        );
        // What was ignored stays so, except what `timeout` itself needs. Before, USR2 alone did, which it did not take.
        let ignored = if version >= OURS { "0004807" } else { "0000800" };
        assert_eq!(Outcome::of(child).stdout, format!("SigBlk 0000000\nSigIgn {ignored}\n"), "{program:?}");
    }
}

#[test]
fn stopped_commands_are_ended() {
    check(&[
        ("", &["0.05", "sh", "-c", "kill -STOP $$; sleep 1000"], 124, "", Some("")),
        ("", &["-s", "INT", "0.05", "sh", "-c", "kill -STOP $$; exec sleep 1000"], 124, "", Some("")),
        ("", &["--foreground", "-s", "KILL", "0.05", "sh", "-c", "kill -STOP $$"], 137, "", Some("")),
    ]);
}

#[test]
fn what_the_command_has_started_is_ended_too() {
    check(&[("", &["0.05", "sh", "-c", "sleep 1000 & sleep 1000 & wait"], 124, "", Some(""))]);
}

#[test]
fn in_the_foreground_it_is_not() {
    for program in both() {
        let script = "exec 3<&0; cat <&3 & echo up; exec sleep 1000";
        let mut child = start(&program, "", &["--foreground", "100", "sh", "-c", script]);
        end_its_time(&mut child);
        let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        assert_eq!(code(child.wait().unwrap()), 124, "{program:?}");
        stdin.write_all(b"alive").unwrap();
        drop(stdin);
        let mut text = String::new();
        stdout.read_to_string(&mut text).unwrap();
        assert_eq!(text, "alive", "{program:?}");
    }
}

/// Sends `timeout` a signal once its command says that it is up.
fn signalled(program: &OsString, preparation: &str, arguments: &[&str], signal: Signal) -> Outcome {
    let mut child = start(program, preparation, arguments);
    until_up(&mut child);
    kill_process(Pid::from_child(&child), signal).unwrap();
    Outcome::of(child)
}

#[test]
fn signals_are_passed_on() {
    for program in both() {
        for signal in [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT] {
            // The signal may come twice: to the command, and to its group.
            let script =
                "sleep 1000 & trap 'trap \"\" TERM INT HUP QUIT; kill $!; echo T; exit 3' TERM INT HUP QUIT
                echo up; while :; do wait; done";
            let outcome = signalled(&program, "", &["100", "sh", "-c", script], signal);
            assert_eq!((code(outcome.status), &*outcome.stdout), (3, "T\n"), "{program:?} {signal:?}");
        }
        // Where the command dies of it, `timeout` does.
        let script = "echo up; exec sleep 1000";
        let outcome = signalled(&program, "", &["100", "sh", "-c", script], Signal::TERM);
        assert_eq!(outcome.status.signal(), Some(15), "{program:?}");
        // The one of `-s`, which would end `timeout` otherwise.
        let script = "sleep 1000 & trap 'trap \"\" USR1; kill $!; echo T; exit 4' USR1; echo up; while :; do wait; done";
        let outcome = signalled(&program, "", &["-sUSR1", "100", "sh", "-c", script], Signal::USR1);
        assert_eq!((code(outcome.status), &*outcome.stdout), (4, "T\n"), "{program:?}");
        // SIGALRM: the time is over.
        let script = "echo up; exec sleep 1000";
        let outcome = signalled(&program, "", &["-v", "100", "sh", "-c", script], Signal::ALARM);
        let said = "timeout: sending signal TERM to command 'sh'\n";
        assert_eq!((code(outcome.status), &*outcome.stderr), (124, said), "{program:?}");
        // A signal that is passed on is followed by KILL, too, which counts as a time-out.
        let script = "trap '' TERM; echo up; while :; do sleep 1000; done";
        let outcome = signalled(&program, "", &["-k", "0.05", "100", "sh", "-c", script], Signal::TERM);
        assert_eq!(outcome.status.signal(), Some(9), "{program:?}");
    }
}

/// It ends with `timeout`, also where that cannot know of its end.
#[test]
fn the_command_is_killed_with_it() {
    let mut child = start(&ours(), "", &["100", "sh", "-c", "echo up; exec sleep 1000"]);
    until_up(&mut child);
    child.kill().unwrap();
    assert_eq!(Outcome::of(child).status.signal(), Some(9));
}

#[test]
fn also_signals_that_end_nobody_else_are_passed_on() {
    let last = libc::SIGRTMAX();
    let numbers = [
        libc::SIGUSR1,
        libc::SIGUSR2,
        libc::SIGVTALRM,
        libc::SIGXCPU,
        libc::SIGPROF,
        libc::SIGRTMIN() + 1,
        last,
    ];
    for number in numbers {
        // dash has no traps for real-time signals: the command dies of it, and `timeout` with it.
        let mut child = start(&ours(), "ulimit -c 0", &["100", "sh", "-c", "echo up; exec sleep 1000"]);
        until_up(&mut child);
        childset::Pidfd::from_child(&child).unwrap().send_signal(number).unwrap();
        assert_eq!(Outcome::of(child).status.signal(), Some(number));
    }
}

#[test]
fn what_was_ignored_at_the_start_stays_so() {
    for (ignored, ends) in [("HUP", Signal::TERM), ("TERM", Signal::INT), ("USR1", Signal::HUP)] {
        let script = "kill -$0 $PPID $$; echo up; exec sleep 1000";
        let child = start(&ours(), &format!("trap '' {ignored}"), &["100", "sh", "-c", script, ignored]);
        let mut child = child;
        until_up(&mut child);
        kill_process(Pid::from_child(&child), ends).unwrap();
        assert_eq!(Outcome::of(child).status.signal(), Some(ends.as_raw()), "{ignored}");
    }
}

/// The command goes on until its input ends, and has timed out all the same.
#[test]
fn signals_that_end_nothing() {
    for program in both() {
        // coreutils's never comes back from CHLD: it ignores that from then on.
        let signals: &[_] =
            if program == ours() { &["EXIT", "0", "WINCH", "CHLD"] } else { &["EXIT", "0", "WINCH"] };
        for signal in signals {
            let mut child =
                start(&program, "", &["-v", "-s", signal, "100", "sh", "-c", "echo up; read line"]);
            end_its_time(&mut child);
            let mut line = String::new();
            BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
            let name = if *signal == "0" { "EXIT" } else { signal };
            assert_eq!(line, format!("timeout: sending signal {name} to command 'sh'\n"), "{program:?}");
            drop(child.stdin.take());
            assert_eq!(code(child.wait().unwrap()), 124, "{program:?} {signal}");
        }
    }
}

#[test]
fn it_has_one_thread_and_gives_the_command_no_descriptor() {
    let mut child =
        start(&ours(), "", &["100", "sh", "-c", "ls -l /proc/self/fd | grep anon_inode; echo up; cat"]);
    until_up(&mut child);
    assert_eq!(std::fs::read_dir(format!("/proc/{}/task", child.id())).unwrap().count(), 1);
    let outcome = Outcome::of(child);
    assert_eq!(code(outcome.status), 0);
}
