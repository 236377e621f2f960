//! The command while it runs, and signals.

use super::*;

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
