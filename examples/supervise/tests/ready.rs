//! Readiness, order, and the watchdog.

mod common;

use std::fs;

use rustix::process::Signal;

use common::{file, run, start};

/// Sends a datagram as sd_notify(3) does.
const NOTIFY: &str = "import os, socket, sys, time
def notify(text):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.sendto(text.encode(), os.environ['NOTIFY_SOCKET'])
";

fn python(name: &str, more: &str, code: &str) -> String {
    format!("[[service]]\nname = '{name}'\n{more}\ncommand = ['python3', '-c', '''{NOTIFY}{code}''']\n")
}

fn after(name: &str, others: &str) -> String {
    format!("[[service]]\nname = '{name}'\nafter = [{others}]\ncommand = ['sh', '-c', 'echo {name} >>DIR/order; echo up; exec sleep 1000']\n")
}

fn has_python() -> bool {
    let is_there = std::process::Command::new("python3").arg("-V").output().is_ok();
    if !is_there {
        common::skip("no python3");
    }
    is_there
}

/// Each writes a word before it is ready, and what comes after it another one.
#[test]
fn after_waits_for_what_was_said() {
    if !has_python() {
        return;
    }
    let code = "time.sleep(0.2); open('DIR/order', 'a').write('a\\n'); notify('STATUS=x\\nREADY=1'); time.sleep(1000)";
    // In the file, it stands before what it waits for.
    let text = [after("b", "'a'"), after("c", "'b', 'a'"), python("a", "ready = 'notify'", code)].concat();
    for with_state in [false, true] {
        let (directory, path) = file(&text);
        let state = directory.path().join("state");
        let options = ["--state", state.to_str().unwrap()];
        let mut supervise = start(&[], if with_state { &options } else { &[] }, &path);
        supervise.until_said("a: ready");
        (0..2).for_each(|_| supervise.until("up"));
        let order = fs::read_to_string(directory.path().join("order")).unwrap();
        // The others were started at almost the same time.
        assert!(order.len() == 6 && order.starts_with("a\n"), "{order}");
        supervise.signal(Signal::TERM);
        assert_eq!(supervise.end().0, 0);
    }
}

#[test]
fn after_waits_for_a_check() {
    let check = "[[service]]\nname = 'a'\nready = { check = ['sh', '-c', 'echo x >>DIR/checks; test -e DIR/there'], every = '10ms' }
command = ['sh', '-c', 'while test $(wc -l <DIR/checks 2>/dev/null || echo 0) -lt 3; do sleep 0.01; done; echo a >>DIR/order; touch DIR/there; exec sleep 1000']\n";
    let (directory, path) = file(&[after("b", "'a'"), check.into()].concat());
    let mut supervise = start(&[], &[], &path);
    supervise.until_said("a: ready");
    supervise.until("up");
    assert_eq!(fs::read_to_string(directory.path().join("order")).unwrap(), "a\nb\n");
    let checks = || fs::read_to_string(directory.path().join("checks")).unwrap().lines().count();
    let count = checks();
    assert!(count >= 4);
    supervise.signal(Signal::TERM);
    assert_eq!(supervise.end().0, 0);
    // Once it is ready, it is not looked at any more.
    assert_eq!(checks(), count);
}

/// It is killed, and comes again later.
#[test]
fn a_check_that_hangs_has_failed() {
    let text = "[[service]]\nname = 'a'\nready = { check = ['sh', '-c', 'mkdir DIR/first && exec sleep 1000; true'], every = '10ms', timeout = '1s' }
command = ['sleep', '1000']\n";
    let (_directory, path) = file(text);
    let mut supervise = start(&[], &["--subreaper"], &path);
    supervise.until_said("a: ready");
    assert_eq!(supervise.strangers(), 0);
    supervise.signal(Signal::TERM);
    assert_eq!(supervise.end().0, 0);
}

#[test]
fn after_waits_for_the_end_of_a_job() {
    let job = |code: u8| {
        format!("[[service]]\nname = 'job'\nrestart = 'never'\nready = 'ended'\ncommand = ['sh', '-c', 'sleep 0.1; echo job >>DIR/order; exit {code}']\n")
    };
    let (directory, path) = file(&[after("b", "'job'"), job(0)].concat());
    let mut supervise = start(&[], &[], &path);
    supervise.until("up");
    assert_eq!(fs::read_to_string(directory.path().join("order")).unwrap(), "job\nb\n");
    supervise.signal(Signal::TERM);
    assert_eq!(supervise.end().0, 0);
    // What can never be started has failed, and so has what waits for that.
    let (code, stdout, stderr) = run(&[after("c", "'b'"), after("b", "'job'"), job(3)].concat());
    assert_eq!((code, stdout.as_str()), (1, ""));
    assert!(stderr.contains("b: not started, since job has failed"), "{stderr}");
    assert!(stderr.contains("c: not started, since b has failed"), "{stderr}");
}

#[test]
fn one_that_is_not_ready_in_time_is_killed() {
    let (code, _, stderr) =
        run("[[service]]\nname = 'a'\nready = 'notify'\nstart_within = '50ms'\nmax_restarts = 1
backoff = { first = '1ms' }\ncommand = ['sleep', '1000']\n");
    assert_eq!((code, stderr.matches("a: not ready in time").count()), (1, 2), "{stderr}");
    assert_eq!(stderr.matches("signal: 9 (SIGKILL)").count(), 2, "{stderr}");
}

#[test]
fn a_watchdog_that_hears_nothing_kills() {
    if !has_python() {
        return;
    }
    let code = "open('DIR/usec', 'w').write(os.environ['WATCHDOG_USEC'])
notify('READY=1')
for i in range(9):
    notify('WATCHDOG=1'); time.sleep(0.3)
open('DIR/lived', 'w').close(); time.sleep(1000)";
    let (directory, path) = file(&python("a", "ready = 'notify'\nwatchdog = '2s'\nrestart = 'never'", code));
    let (code, _, stderr) = start(&[], &[], &path).end();
    assert_eq!(code, 1);
    assert!(stderr.contains("a: its watchdog heard nothing") && stderr.contains("SIGKILL"), "{stderr}");
    // It was heard for longer than it may be silent.
    assert!(directory.path().join("lived").exists(), "{stderr}");
    assert_eq!(fs::read_to_string(directory.path().join("usec")).unwrap(), "2000000");
}

/// It speaks to the same socket after `supervise` was killed; and one that was ready stays so.
#[test]
fn a_successor_listens() {
    if !has_python() {
        return;
    }
    let code = "notify('READY=1')
while True:
    try: notify('WATCHDOG=1')
    except OSError: pass
    time.sleep(0.05)";
    let (directory, path) = file(&python("a", "ready = 'notify'\nwatchdog = '2s'", code));
    let state = directory.path().join("state");
    let options = ["--state", state.to_str().unwrap()];
    let mut first = start(&[], &options, &path);
    first.until_said("a: ready");
    first.signal(Signal::KILL);
    first.wait();
    fs::write(
        &path,
        [fs::read_to_string(&path).unwrap(), after("b", "'a'")]
            .concat()
            .replace("DIR", directory.path().to_str().unwrap()),
    )
    .unwrap();
    let mut second = start(&[], &options, &path);
    second.until_said("a: found again");
    second.until("up");
    std::thread::sleep(std::time::Duration::from_millis(2500));
    assert_eq!([second.column(0, 1), second.column(0, 3)], ["running", "0"]);
    second.signal(Signal::TERM);
    assert_eq!(second.end().0, 0);
    // Nothing is left of it.
    assert!(!directory.path().join("state.d").exists());
}
