//! The program, on a terminal that the test holds the other end of.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use childset::{Child, Command, Pty, Signal};

const LONG: Duration = Duration::from_secs(60);

struct Session {
    child: Child,
    pty: Pty,
    /// All that the program has written.
    screen: Arc<Mutex<Vec<u8>>>,
}

impl Session {
    fn start(commands: &[&str]) -> Session {
        let pty = Pty::open().unwrap();
        pty.set_size(24, 100).unwrap();
        let terminal = || pty.terminal.try_clone().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_in_ratatui"));
        command.args(commands).env("TERM", "xterm").stdin(terminal()).stdout(terminal()).stderr(terminal());
        let child = command.controlling_terminal(terminal()).kill_on_drop(true).spawn().unwrap();
        let screen = Arc::<Mutex<Vec<u8>>>::default();
        let (mut controller, written) =
            (File::from(pty.controller.try_clone().unwrap()), Arc::clone(&screen));
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = controller.read(&mut buffer) {
                written.lock().unwrap().extend_from_slice(&buffer[..length]);
            }
        });
        Session { child, pty, screen }
    }

    /// Waits until a text is written, since the last keys.
    fn until_shown(&self, text: &str) {
        let start = Instant::now();
        loop {
            let screen = self.screen.lock().unwrap();
            let written = String::from_utf8_lossy(&screen).into_owned();
            if written.contains(text) {
                return;
            }
            drop(screen);
            assert!(start.elapsed() < LONG, "no {text:?} in {written:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn keys(&self, keys: &str) {
        self.screen.lock().unwrap().clear();
        File::from(self.pty.controller.try_clone().unwrap()).write_all(keys.as_bytes()).unwrap();
    }

    fn end(self) {
        let exit = self.child.wait_timeout(LONG).unwrap().expect("it ends");
        assert_eq!(exit.code(), Some(0), "{}", String::from_utf8_lossy(&self.screen.lock().unwrap()));
        // It has left the alternate screen.
        self.until_shown("\x1b[?1049l");
    }
}

/// Processes that have a text in their command line.
fn processes(with: &str) -> usize {
    let all = fs::read_dir("/proc").unwrap().flatten();
    let lines = all.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    lines.filter(|line| line.split(|&byte| byte == 0).any(|word| word == with.as_bytes())).count()
}

/// A number of seconds that no other process sleeps.
fn unique(seconds: u32) -> String {
    format!("{seconds}.{}", std::process::id())
}

#[test]
fn jobs_output_and_keys() {
    let session = Session::start(&["seq 3000", "exit 3"]);
    session.until_shown("✗ exit status: 3");
    // The end of the output, not its start.
    session.until_shown("2999");

    let sleep = unique(1001);
    session.keys(&format!("nsleep {sleep} | sleep {sleep}\r"));
    session.until_shown("▶ running");
    session.keys("s");
    session.until_shown("SIGTERM");
    assert_eq!(processes(&sleep), 0);

    session.keys("ntrap '' TERM; echo $((6 * 7))x; sleep 1000 & sleep 1000\r");
    session.until_shown("42x");
    session.keys("s");
    session.until_shown("stopping");
    session.keys("s");
    session.until_shown("SIGKILL");
    session.keys("q");
    session.end();
}

#[test]
fn nothing_is_left() {
    for signal in [None, Some(Signal::TERM), Some(Signal::HUP)] {
        let sleep = unique(1002);
        let left = format!("sleep {sleep} & echo left");
        let session = Session::start(&[&format!("sleep {sleep} | sleep {sleep}"), &left]);
        session.until_shown("✓");
        match signal {
            None => session.keys("q"),
            Some(signal) => session.child.send_signal(signal).unwrap(),
        }
        session.end();
        let start = Instant::now();
        while processes(&sleep) > 0 {
            assert!(start.elapsed() < LONG, "{signal:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
