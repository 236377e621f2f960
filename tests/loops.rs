//! Each example of an event loop runs to its end, sees every exit, and has no thread but the loop's own.

mod common;

use std::io::Read;
use std::time::Duration;

use childset::{ChildSet, Command, Exited, Stdio};
use common::example;

/// As many as the examples make.
const CHILDREN: usize = 500;

/// An example that runs longer than this hangs.
const HANGS_AFTER: Duration = Duration::from_secs(120);

fn read(mut pipe: impl Read) -> String {
    let mut text = String::new();
    pipe.read_to_string(&mut text).unwrap();
    text
}

/// Runs an example, and compares its last words: who it is, and its threads.
fn ends_well(name: &str, arguments: &[&str], prints: &str, threads: &[&str]) {
    let set = ChildSet::new().unwrap();
    let mut command = Command::new(example(name));
    // In case that it hangs, with its children.
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    let key = set.spawn(command.stdout(Stdio::piped()).stderr(Stdio::piped()), ()).unwrap();
    let Some(Exited { exit, child, .. }) = set.wait(Some(HANGS_AFTER)).unwrap() else {
        panic!("{name} hangs: {:?}", set.remove(key));
    };
    let [out, err] = [read(child.stdout.unwrap().blocking()), read(child.stderr.unwrap().blocking())];
    assert!(exit.unwrap().success(), "{err}");

    let line = out.strip_suffix(" ms\n").unwrap_or_else(|| panic!("{out}{err}"));
    let (line, stall) = line.split_once(", longest stall ").unwrap();
    stall.parse::<u32>().unwrap();
    let (line, count) = line.split_once(", threads ").unwrap();
    assert_eq!(line, format!("{prints}: exits seen {CHILDREN}"));

    let names: Vec<_> =
        err.strip_prefix(&format!("{prints}: threads: ")).unwrap().trim_end().split(", ").collect();
    assert_eq!(names.len().to_string(), count);
    assert_eq!(names[0], name.chars().take(15).collect::<String>());
    // The thread sanitizer's own thread has the name of the first.
    let is_its = |name: &str| name == names[0] && common::sanitizer().as_deref() == Some("thread");
    assert!(names[1..].iter().all(|name| threads.contains(name) || is_its(name)), "{names:?}");
}

#[test]
fn poll() {
    ends_well("in_poll", &[], "poll", &[]);
}

#[test]
fn polling() {
    ends_well("in_polling", &[], "polling", &[]);
}

#[test]
fn mio() {
    ends_well("in_mio", &[], "mio", &[]);
}

#[test]
fn calloop() {
    for mode in ["level", "edge", "oneshot"] {
        ends_well("in_calloop", &[mode], &format!("calloop {mode}"), &[]);
    }
}

#[test]
fn tokio() {
    ends_well("in_tokio", &[], "tokio", &[]);
}

#[cfg(feature = "async-io")]
#[test]
fn smol() {
    ends_well("in_smol", &[], "smol", &["async-io"]);
}

#[cfg(feature = "async-io")]
#[test]
fn async_std() {
    ends_well("in_async_std", &[], "async-std", &["async-io", "async-std/runti"]);
}
