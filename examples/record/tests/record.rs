//! `record`, on a terminal that the test holds the other end of.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use childset::{Child, Command, Pty, Signal};
use rustix::termios::{tcgetattr, LocalModes};
use serde_json::Value;

const LONG: Duration = Duration::from_secs(30);

/// `record` on a terminal of 30 lines and 100 columns.
struct Recorder {
    child: Child,
    pty: Pty,
    reader: Option<std::thread::JoinHandle<Vec<u8>>>,
}

impl Recorder {
    fn start(args: &[&str]) -> Recorder {
        let pty = Pty::open().unwrap();
        pty.set_size(30, 100).unwrap();
        let terminal = || pty.terminal.try_clone().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_record"));
        command.args(args).env("SHELL", "/bin/sh").env("PS1", "$ ").env_remove("ENV");
        command.stdin(terminal()).stdout(terminal()).stderr(terminal()).controlling_terminal(terminal());
        let child = command.kill_on_drop(true).spawn().unwrap();
        let mut controller = File::from(pty.controller.try_clone().unwrap());
        let reader = std::thread::spawn(move || {
            let mut screen = Vec::new();
            let _ = controller.read_to_end(&mut screen);
            screen
        });
        Recorder { child, pty, reader: Some(reader) }
    }

    fn keys(&self, keys: &str) {
        File::from(self.pty.controller.try_clone().unwrap()).write_all(keys.as_bytes()).unwrap();
    }

    fn is_raw(&self) -> bool {
        !tcgetattr(&self.pty.terminal).unwrap().local_modes.contains(LocalModes::ICANON)
    }

    fn until_raw(&self) {
        until(|| self.is_raw());
    }

    /// The exit code, and what the screen showed.
    fn end(mut self) -> (Option<i32>, String) {
        let exit = self.child.wait_timeout(LONG).unwrap();
        let Some(exit) = exit else {
            self.child.kill().unwrap();
            drop(self.pty);
            panic!("{}", String::from_utf8_lossy(&self.reader.take().unwrap().join().unwrap()));
        };
        assert!(!self.is_raw(), "the terminal is as it was");
        drop(self.pty);
        let screen = self.reader.take().unwrap().join().unwrap();
        (exit.code(), String::from_utf8_lossy(&screen).into_owned())
    }
}

fn until(mut is: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is() {
        assert!(start.elapsed() < LONG);
        std::thread::sleep(Duration::from_millis(5));
    }
}

struct Cast {
    header: Value,
    events: Vec<(f64, String, String)>,
}

impl Cast {
    fn read(path: &Path) -> Cast {
        let text = std::fs::read_to_string(path).unwrap();
        let mut lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let header = lines.next().unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let events = lines.map(|event| (event[0].as_f64().unwrap(), text(&event[1]), text(&event[2])));
        Cast { header, events: events.collect() }
    }

    fn of(&self, what: &str) -> String {
        self.events.iter().filter(|event| event.1 == what).map(|event| &event.2[..]).collect()
    }
}

fn file() -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("session.cast").to_str().unwrap().to_owned();
    (dir, path)
}

#[test]
fn a_command() {
    let (_dir, path) = file();
    let script = "stty size; printf '\\303'; sleep 0.2; printf '\\251\\n'; exit 7";
    let recorder = Recorder::start(&[&path, "--", "sh", "-c", script]);
    let (code, screen) = recorder.end();
    assert_eq!((code, &screen[..]), (Some(7), "30 100\r\né\r\n"));
    let cast = Cast::read(Path::new(&path));
    assert_eq!(
        (&cast.header["version"], &cast.header["width"], &cast.header["height"]),
        (&2.into(), &100.into(), &30.into())
    );
    assert_eq!(cast.of("o"), screen);
    assert!(cast.events.windows(2).all(|pair| pair[0].0 <= pair[1].0));
    assert!(cast.events.last().unwrap().0 >= 0.2);
}

#[test]
fn a_shell_with_job_control() {
    let (_dir, path) = file();
    let recorder = Recorder::start(&["--keys", &path]);
    recorder.until_raw();
    recorder.keys("sleep 60\r");
    // The inner terminal is not ours to ask: the job is there when ^Z is answered by a prompt.
    std::thread::sleep(Duration::from_millis(500));
    recorder.keys("\x1a");
    std::thread::sleep(Duration::from_millis(500));
    recorder.keys("jobs; kill -KILL %1; sleep 0.5; jobs; echo its $((40+2))\r");
    recorder.keys("exit 3\r");
    let (code, screen) = recorder.end();
    assert_eq!(code, Some(3), "{screen}");
    assert!(screen.contains("Stopped") && screen.contains("its 42"), "{screen}");
    let cast = Cast::read(Path::new(&path));
    assert_eq!(cast.of("o"), screen);
    assert_eq!(
        cast.of("i"),
        "sleep 60\r\x1ajobs; kill -KILL %1; sleep 0.5; jobs; echo its $((40+2))\rexit 3\r"
    );
}

#[test]
fn the_size_follows() {
    let (_dir, path) = file();
    let recorder = Recorder::start(&[
        &path,
        "--",
        "sh",
        "-c",
        "trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.05; done",
    ]);
    recorder.until_raw();
    until(|| std::fs::metadata(&path).is_ok_and(|data| data.len() > 0) || recorder.is_raw());
    std::thread::sleep(Duration::from_millis(300));
    recorder.pty.set_size(41, 83).unwrap();
    let (code, screen) = recorder.end();
    assert_eq!((code, &screen[..]), (Some(0), "ready\r\n41 83\r\n"));
    assert_eq!(Cast::read(Path::new(&path)).of("r"), "83x41");
}

#[test]
fn whatever_happens_the_terminal_is_as_before() {
    // The shell is killed.
    let (_dir, path) = file();
    let recorder = Recorder::start(&[&path, "--", "sh", "-c", "sleep 0.3; kill -KILL $$"]);
    recorder.until_raw();
    assert_eq!(recorder.end().0, Some(128 + Signal::KILL.as_raw()));
    // We are told to end.
    for signal in [Signal::TERM, Signal::HUP] {
        let (_dir, path) = file();
        let recorder = Recorder::start(&[&path, "--", "sh", "-c", "stty size; sleep 60"]);
        recorder.until_raw();
        recorder.child.send_signal(signal).unwrap();
        assert_eq!(recorder.end().0, Some(128 + Signal::HUP.as_raw()));
        assert_eq!(Cast::read(Path::new(&path)).header["version"], 2);
    }
    // The disk is full.
    let recorder = Recorder::start(&["-f", "/dev/full", "--", "sh", "-c", "yes | head -c 100000; sleep 60"]);
    let (code, screen) = recorder.end();
    assert_eq!(code, Some(125));
    assert!(screen.contains("cannot write the recording: No space left on device"), "{screen}");
}

#[test]
fn a_process_is_left_behind() {
    let (_dir, path) = file();
    let start = Instant::now();
    let recorder = Recorder::start(&[&path, "--", "sh", "-c", "trap '' HUP; sleep 20 & echo done"]);
    let (code, screen) = recorder.end();
    assert_eq!((code, &screen[..]), (Some(0), "done\r\n"));
    assert!(start.elapsed() < Duration::from_secs(15));
}

#[test]
fn what_cannot_be() {
    let (_dir, path) = file();
    std::fs::write(&path, "mine").unwrap();
    for (args, text) in [
        (&[&path[..], "--", "true"][..], "is there already"),
        (&["/no/such/dir/file", "--", "true"], "cannot write /no/such/dir/file"),
        (&["-f", "/dev/null", "--", "/no/such/program"], "/no/such/program"),
        (&["play", "/no/such/file"], "cannot read /no/such/file"),
        (&["play", &path], "does not begin with a header"),
        (&["play", "--speed", "0", &path], "not a positive number"),
        (&[], "FILE"),
    ] {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_record")).args(args).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(125), "{args:?}: {error}");
        assert!(error.contains(text), "{args:?}: {error}");
    }
    assert_eq!(std::fs::read(&path).unwrap(), b"mine");
}

#[test]
fn without_a_terminal() {
    let (_dir, path) = file();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_record"));
    command
        .args([&path, "--", "cat"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"hello\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    // It is echoed, as by each terminal.
    assert_eq!(String::from_utf8_lossy(&output.stdout), "hello\r\nhello\r\n");
}

#[test]
fn it_plays() {
    let (_dir, path) = file();
    let (_, screen) = Recorder::start(&[&path, "--", "sh", "-c", "echo one; sleep 0.5; echo two"]).end();
    let start = Instant::now();
    let play = |args: &[&str]| {
        let args = [&["play"], args, &[&path]].concat();
        std::process::Command::new(env!("CARGO_BIN_EXE_record")).args(args).output().unwrap()
    };
    let played = play(&[]);
    assert!(played.status.success());
    assert_eq!(String::from_utf8_lossy(&played.stdout), screen);
    assert!(start.elapsed() >= Duration::from_millis(500));
    let start = Instant::now();
    assert_eq!(play(&["--speed", "1000"]).stdout, screen.as_bytes());
    assert_eq!(play(&["--idle", "0.001"]).stdout, screen.as_bytes());
    assert!(start.elapsed() < Duration::from_secs(20));
}
