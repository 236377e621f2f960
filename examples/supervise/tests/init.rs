//! Strangers: processes that `supervise` did not start, and is the parent of.

mod common;

use std::fs;
use std::process::Command;

use rustix::process::{geteuid, Signal};

use common::{children, file, is_flat, skip, start, Supervise};

/// Makes orphans, and says so: 1,000, and when it is told to go on, 9,000.
const STORM: &str = "[[service]]
name = 'storm'
stop = { signal = 'KILL' }
command = ['sh', '-c', '''
    storm() { i=0; while [ $i -lt $1 ]; do (: &); i=$((i + 1)); done; }
    storm 1000; echo begun; read line <DIR/go; storm 9000; echo done; exec sleep 1000''']

[[service]]
name = 'flap'
command = ['true']
backoff = { first = '1ms', cap = '1ms' }
";

fn survives_the_storm(mut supervise: Supervise, directory: &std::path::Path) {
    supervise.until("begun");
    if let [(inner, _)] = children(supervise.pid)[..] {
        // `unshare` waits for the pid 1 that it made.
        if fs::read_to_string(format!("/proc/{}/comm", supervise.pid)).unwrap() == "unshare\n" {
            supervise.pid = inner;
        }
    }
    while supervise.strangers() < 1_000 {}
    let before = (supervise.memory(), supervise.fds());
    fs::write(directory.join("go"), "\n").unwrap();
    supervise.until("done");
    while supervise.strangers() < 10_000 {}
    let after = (supervise.memory(), supervise.fds());
    assert_eq!(supervise.strangers(), 10_000);
    // Only services are left: the sleeping one, and one that comes and goes.
    let left = children(supervise.pid);
    assert!(left.len() <= 2 && left.iter().filter(|(_, state)| *state == 'Z').count() <= 1, "{left:?}");
    // Nothing of a service was lost to the reaping of strangers.
    assert_eq!(supervise.column(1, 4), "exit status: 0");
    supervise.signal(Signal::TERM);
    let (code, _, stderr) = supervise.end();
    assert_eq!(code, 0, "{stderr}");
    assert!(!stderr.contains("unknown"), "{stderr}");
    println!("memory in KiB, and descriptors, after 1,000 and 10,000 orphans: {before:?}, {after:?}");
    is_flat(before, after);
}

fn storm() -> (tempfile::TempDir, std::path::PathBuf) {
    let (directory, file) = file(STORM);
    assert!(Command::new("mkfifo").arg(directory.path().join("go")).status().unwrap().success());
    (directory, file)
}

#[test]
fn ten_thousand_orphans_as_pid_1() {
    let mut unshare = vec!["unshare"];
    if !geteuid().is_root() {
        unshare.extend(["--user", "--map-root-user"]);
    }
    unshare.extend(["--pid", "--fork", "--mount-proc", "--kill-child"]);
    match Command::new(unshare[0]).args(&unshare[1..]).arg("true").output() {
        Err(error) => return skip(&format!("no unshare: {error}")),
        Ok(output) if !output.status.success() => {
            return skip(&format!("no pid namespace: {}", String::from_utf8_lossy(&output.stderr)));
        }
        Ok(_) => {}
    }
    let (directory, file) = storm();
    survives_the_storm(start(&unshare, &[], &file), directory.path());
}

#[test]
fn ten_thousand_orphans_as_subreaper() {
    let (directory, file) = storm();
    survives_the_storm(start(&[], &["--subreaper"], &file), directory.path());
}

/// Those that were there before, and those that a real-time signal ends, which some libraries have no name for.
#[test]
fn strangers_of_any_kind() {
    let text = "[[service]]\nname = 'a'\ncommand = ['sh', '-c', '''
    (sh -c 'kill -35 $$' &); (sh -c 'kill -9 $$' &); (sh -c 'exit 3' &); echo up; exec sleep 1000''']\n";
    let (_directory, file) = file(text);
    // A child of the shell that becomes `supervise`.
    let before = ["sh", "-c", "sh -c 'kill -34 $$' & exec \"$@\"", "sh"];
    let mut supervise = start(&before, &["--subreaper"], &file);
    supervise.until("up");
    while supervise.strangers() < 4 {}
    let left = children(supervise.pid);
    assert!(left.len() == 1 && left[0].1 != 'Z', "{left:?}");
    supervise.signal(Signal::TERM);
    assert_eq!(supervise.end().0, 0);
}
