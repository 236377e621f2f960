//! The control socket, and the file that is read again.

mod common;

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Output};

use rustix::process::Signal;

use common::{file, start, Supervise};

fn service(name: &str) -> String {
    format!("[[service]]\nname = '{name}'\ncommand = ['sh', '-c', 'echo {name} >>DIR/starts; echo up; exec sleep 1000']\n")
}

fn listening(directory: &Path, path: &std::path::PathBuf) -> Supervise {
    start(&[], &["--control", directory.join("socket").to_str().unwrap()], path)
}

fn ctl(directory: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_supervise"));
    command.arg("ctl").arg(directory.join("socket")).args(words).output().unwrap()
}

fn ok(directory: &Path, words: &[&str]) -> String {
    let output = ctl(directory, words);
    assert!(output.status.success(), "{words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn starts(directory: &Path, name: &str) -> usize {
    let starts = fs::read_to_string(directory.join("starts")).unwrap();
    starts.lines().filter(|line| *line == name).count()
}

fn rewrite(directory: &Path, path: &Path, text: &str) {
    fs::write(path, text.replace("DIR", directory.to_str().unwrap())).unwrap();
}

fn state(table: &str, name: &str) -> String {
    let row = table.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap();
    row.split_whitespace().nth(1).unwrap().to_owned()
}

#[test]
fn one_can_be_stopped_and_started() {
    let (directory, path) = file(&[service("a"), service("b")].concat());
    let directory = directory.path();
    let mut supervise = listening(directory, &path);
    (0..2).for_each(|_| supervise.until("up"));
    let mode = fs::metadata(directory.join("socket")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(state(&ok(directory, &["status"]), "a"), "running");
    ok(directory, &["stop", "a"]);
    let table = ok(directory, &["status"]);
    assert_eq!([state(&table, "a"), state(&table, "b")], ["done", "running"]);
    ok(directory, &["stop", "b"]);
    // All are stopped, but may be started again.
    ok(directory, &["start", "a"]);
    ok(directory, &["start", "a"]);
    assert_eq!(state(&ok(directory, &["status"]), "a"), "running");
    ok(directory, &["restart", "a"]);
    ok(directory, &["restart", "b"]);
    (0..3).for_each(|_| supervise.until("up"));
    assert_eq!((starts(directory, "a"), starts(directory, "b")), (3, 2));

    for (words, reason) in
        [(["stop", "c"], "there is no service \"c\""), (["start", ""], "there is no service")]
    {
        let output = ctl(directory, &words);
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&output.stderr).contains(reason), "{output:?}");
    }
    supervise.signal(Signal::TERM);
    assert_eq!(supervise.end().0, 0);
    assert!(!directory.join("socket").exists());
    assert_eq!(ctl(directory, &["status"]).status.code(), Some(2));
}

/// Its process may not lead a group yet.
#[test]
fn one_that_was_just_started_can_be_stopped() {
    let (directory, path) = file(&service("a").replace("command", "stop = { grace = '1h' }\ncommand"));
    let mut supervise = listening(directory.path(), &path);
    supervise.until("up");
    for _ in 0..50 {
        ok(directory.path(), &["restart", "a"]);
    }
    supervise.signal(Signal::TERM);
    assert_eq!(supervise.end().0, 0);
}

/// One that says nothing, one without an end, one that goes away, one that has nothing more to say.
#[test]
fn clients_of_any_kind() {
    let (directory, path) = file(&service("a"));
    let directory = directory.path();
    let mut supervise = listening(directory, &path);
    supervise.until("up");
    let before = supervise.fds();
    let connect = || UnixStream::connect(directory.join("socket")).unwrap();
    let silent: Vec<_> = (0..20).map(|_| connect()).collect();
    let mut endless = connect();
    while endless.write_all(&[b'x'; 1000]).is_ok() {}
    for _ in 0..100 {
        connect().write_all(b"stop a\nstart").unwrap();
        connect().write_all(b"restart a\n").unwrap();
    }
    let mut half = connect();
    half.write_all(b"status\n").unwrap();
    half.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = String::new();
    half.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("ok\nSERVICE"), "{answer}");
    let mut bad = connect();
    bad.write_all(b"\xff\xff a b\n").unwrap();
    answer.clear();
    bad.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("error: there is no request"), "{answer}");
    ok(directory, &["restart", "a"]);
    drop(silent);
    ok(directory, &["restart", "a"]);
    // Nothing is left of those that have gone; what a launch has taken for its child goes when it looks at its children.
    while supervise.fds() > before {
        ok(directory, &["status"]);
    }
    supervise.signal(Signal::TERM);
    assert_eq!(supervise.end().0, 0);
}

#[test]
fn one_that_cannot_be_started_is_an_error() {
    let bad =
        "[[service]]\nname = 'bad'\nrestart = 'never'\nready = 'notify'\ncommand = ['sh', '-c', 'exit 4']\n";
    let (directory, path) = file(&[service("a"), bad.into()].concat());
    let mut supervise = listening(directory.path(), &path);
    supervise.until("up");
    let output = ctl(directory.path(), &["restart", "bad"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("exit status: 4"), "{output:?}");
    supervise.signal(Signal::TERM);
    assert_eq!(supervise.end().0, 1);
}

#[test]
fn a_socket_that_nobody_listens_at_is_replaced() {
    let (directory, path) = file(&service("a"));
    let mut first = listening(directory.path(), &path);
    first.until("up");
    let (code, _, stderr) = listening(directory.path(), &path).end();
    assert!(code == 2 && stderr.contains("somebody listens"), "{stderr}");
    first.signal(Signal::KILL);
    first.wait();
    let mut second = listening(directory.path(), &path);
    second.until("up");
    assert_eq!(state(&ok(directory.path(), &["status"]), "a"), "running");
    second.signal(Signal::TERM);
    assert_eq!(second.end().0, 0);
}

#[test]
fn the_file_is_read_again() {
    for with_state in [false, true] {
        let (directory, path) = file(&["stays", "changes", "leaves"].map(service).concat());
        let directory = directory.path();
        let state_file = directory.join("state");
        let options = ["--state", state_file.to_str().unwrap()];
        let mut supervise = start(&[], if with_state { &options } else { &[] }, &path);
        (0..3).for_each(|_| supervise.until("up"));
        let count = |name: &str| starts(directory, name);

        // A wrong one changes nothing.
        rewrite(directory, &path, &[service("new"), service("stays").replace("command", "comand")].concat());
        supervise.signal(Signal::HUP);
        supervise.until_said("nothing is changed: ");
        assert_eq!(supervise.table().len(), 4);

        let changed = service("changes").replace("'echo changes", "'echo changed");
        let stays = service("stays") + "stop = { signal = 'KILL' }\n";
        rewrite(directory, &path, &[service("new"), changed.clone(), stays.clone()].concat());
        supervise.signal(Signal::HUP);
        supervise.until_said("read again, 4 changed");
        (0..2).for_each(|_| supervise.until("up"));
        let counts = ["new", "stays", "changes", "changed", "leaves"].map(count);
        assert_eq!(counts, [1, 1, 1, 1, 1]);
        while supervise.table().len() > 4 {}
        let names: Vec<_> =
            supervise.table().iter().map(|row| row.split(' ').next().unwrap().to_owned()).collect();
        assert_eq!(names, ["new", "changes", "stays", "strangers"]);

        // The same once more.
        supervise.signal(Signal::HUP);
        supervise.until_said("read again, 0 changed");
        // What has changed of it is known: this signal cannot be ignored.
        supervise.signal(Signal::TERM);
        supervise.until_said("stays: pid");
        let (code, _, stderr) = supervise.end();
        assert_eq!(code, 0, "{stderr}");
    }
}

/// It is back before it has gone.
#[test]
fn one_that_leaves_and_comes_again() {
    let slow = "[[service]]\nname = 'slow'\ncommand = ['sh', '-c', \"trap 'sleep 0.3; exit' TERM; echo up; while :; do sleep 0.01; done\"]\n";
    let (directory, path) = file(&[service("a"), slow.into()].concat());
    let state_file = directory.path().join("state");
    let mut supervise = start(&[], &["--state", state_file.to_str().unwrap()], &path);
    (0..2).for_each(|_| supervise.until("up"));
    rewrite(directory.path(), &path, &service("a"));
    supervise.signal(Signal::HUP);
    supervise.until_said("1 changed");
    rewrite(directory.path(), &path, &[service("a"), slow.into()].concat());
    supervise.signal(Signal::HUP);
    supervise.until_said("1 changed");
    supervise.until("up");
    assert_eq!([supervise.column(1, 0), supervise.column(1, 1)], ["slow", "running"]);
    supervise.signal(Signal::TERM);
    assert_eq!(supervise.end().0, 0);
}
