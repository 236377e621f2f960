//! How services, `supervise` itself and what is left to it come to an end.

mod common;

use std::fs;
use std::process::{Command, Stdio};

use rustix::process::Signal;

use common::{file, run, start};

/// Each run is a long one: none failed twice in a row.
#[test]
fn restarts_are_counted_within_a_row() {
    let service = |reset_after: &str| {
        format!(
            "[[service]]\nname = 'a'\nmax_restarts = 2
backoff = {{ first = '1ms', reset_after = '{reset_after}' }}
command = ['sh', '-c', 'echo x >>DIR/runs; test $(wc -l <DIR/runs) -lt 6 || exec sleep 1000; sleep 0.05']\n"
        )
    };
    let (directory, path) = file(&service("50ms"));
    let runs = || fs::read_to_string(directory.path().join("runs")).unwrap_or_default().lines().count();
    let mut supervise = start(&[], &[], &path);
    (0..6).for_each(|_| supervise.until_said("started"));
    while runs() < 6 {}
    assert_eq!(supervise.column(0, 3), "5");
    supervise.signal(Signal::TERM);
    assert_eq!(supervise.end().0, 0);

    let (code, _, stderr) = run(&service("1h"));
    assert!(code == 1 && stderr.contains("given up after 2 restarts"), "{stderr}");
}

#[test]
fn an_essential_service_ends_all() {
    let other = "[[service]]\nname = 'b'\ncommand = ['sh', '-c', 'echo up >DIR/go; exec sleep 1000']\n";
    let essential = |script: &str| {
        run(&format!(
            "[[service]]\nname = 'a'\nessential = true\ncommand = ['sh', '-c', 'while ! test -s DIR/go; do sleep 0.01; done; {script}']\n{other}"
        ))
    };
    for (script, wanted) in [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137)] {
        let (code, _, stderr) = essential(script);
        assert_eq!(code, wanted, "{stderr}");
        assert!(stderr.contains("stopping") && stderr.contains("b: pid"), "{stderr}");
    }
    let text = "[[service]]\nname = 'a'\nessential = true\ncommand = ['/no/such/program']\n";
    assert_eq!(run(&[text, other].concat()).0, 127);
}

/// Nobody reads what it says: more than a pipe holds, and more than it keeps.
#[test]
fn it_never_waits_for_standard_error() {
    let (directory, path) = file(
        "[[service]]\nname = 'flap'\nbackoff = { first = '0s' }\ncommand = ['sh', '-c', 'echo x >>DIR/runs']\n",
    );
    let supervise = start(&[], &[], &path);
    let runs = || fs::metadata(directory.path().join("runs")).map_or(0, |runs| runs.len() / 2);
    // Each run is told in two lines, of 20 bytes at least: a pipe holds less than 1,700.
    while runs() < 2_500 {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    supervise.signal(Signal::TERM);
    let (code, _, stderr) = supervise.end();
    assert_eq!(code, 0);
    // The newest lines were kept, and what became of the others is said.
    assert!(
        stderr.contains(" lines are lost: nobody read them\n") && stderr.contains("supervise: stopping\n")
    );
    assert!((1..2_500).contains(&stderr.matches("started").count()));
}

/// `env` can block signals, as whoever starts us may have done.
#[test]
fn blocked_signals_are_no_obstacle() {
    let help = Command::new("env").arg("--help").output().unwrap();
    if !String::from_utf8_lossy(&help.stdout).contains("--block-signal") {
        return common::skip("env cannot block signals: it is older than coreutils 8.31");
    }
    let text = "[[service]]\nname = 'a'\ncommand = ['sh', '-c', 'echo up; exec sleep 1000']\n";
    let (_directory, path) = file(text);
    let mut supervise = start(&["env", "--block-signal=TERM,USR1,CHLD"], &[], &path);
    supervise.until("up");
    assert_eq!(supervise.column(0, 1), "running");
    supervise.signal(Signal::TERM);
    assert_eq!(supervise.end().0, 0);
}

/// A daemon is in a session of its own, and its parent has gone.
#[test]
fn daemons_get_term_in_the_end() {
    let daemon =
        |trap: &str| format!("setsid sh -c \"trap {trap} TERM; echo up; while :; do sleep 0.01; done\" &");
    let polite = daemon("\\\"echo asked; exit 0\\\"");
    let text = format!(
        "[[service]]\nname = 'a'\nstop = {{ signal = 'KILL' }}\ncommand = ['sh', '-c', '''({polite}) ; exec sleep 1000''']\n"
    );
    let (_directory, path) = file(&text);
    let mut supervise = start(&[], &["--subreaper"], &path);
    supervise.until("up");
    while fs::read_to_string(format!("/proc/{0}/task/{0}/children", supervise.pid))
        .unwrap_or_default()
        .split_whitespace()
        .count()
        < 2
    {}
    supervise.signal(Signal::TERM);
    let (code, stdout, stderr) = supervise.end();
    assert_eq!((code, stdout.trim()), (0, "asked"), "{stderr}");

    // One that does not listen is killed by the next signal.
    let text = text.replace(&polite, &daemon("\\\"echo asked\\\""));
    let (_directory, path) = file(&text);
    let mut supervise = start(&[], &["--subreaper"], &path);
    supervise.until("up");
    supervise.signal(Signal::TERM);
    supervise.until("asked");
    supervise.signal(Signal::TERM);
    assert_eq!(supervise.end().0, 0);
}

#[test]
fn check_finds_what_is_missing() {
    for (key, value) in [("command", "['/no/such/program']"), ("directory", "'/no/such'")] {
        let command = if key == "command" { "" } else { "command = ['true']\n" };
        let (_directory, path) = file(&format!("[[service]]\nname = 'a'\n{command}{key} = {value}\n"));
        let check = Command::new(env!("CARGO_BIN_EXE_supervise"))
            .arg("--check")
            .arg(&path)
            .stdin(Stdio::null())
            .output();
        let check = check.unwrap();
        let stderr = String::from_utf8(check.stderr).unwrap();
        assert_eq!(check.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(&format!(": {key}: there is no ")), "{stderr}");
    }
}
