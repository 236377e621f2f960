//! Where SIGCHLD is ignored, the kernel reaps each child at its end. Its status can still be had.

use std::env;
use std::fs;
use std::process;

use async_process::{Command, Stdio};
use futures_lite::future::block_on;

#[test]
fn no_status_is_lost() {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers =
        release.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse::<u32>().unwrap_or(0));
    if (numbers.next(), numbers.next()) < (Some(6), Some(15)) {
        println!("skipped: before Linux 6.15 nothing keeps the status");
        return;
    }
    let mut env = process::Command::new("env");
    env.arg("--ignore-signal=CHLD").arg(env::current_exe().unwrap());
    let output = env.args(["--exact", "in_a_process_that_ignores_it", "--ignored"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[test]
#[ignore = "part of the other one"]
fn in_a_process_that_ignores_it() {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    assert_ne!(u64::from_str_radix(ignored.trim(), 16).unwrap() & (1 << 16), 0);
    block_on(async {
        let mut command = Command::new("sh");
        command.args(["-c", "echo x; exit 7"]);
        for _ in 0..50 {
            assert_eq!(command.output().await.unwrap().status.code(), Some(7));
            assert_eq!(Command::new("false").status().await.unwrap().code(), Some(1));
        }
        let mut child =
            Command::new("sh").args(["-c", "read x; exit 5"]).stdin(Stdio::piped()).spawn().unwrap();
        assert_eq!(child.status().await.unwrap().code(), Some(5));
    });
}
