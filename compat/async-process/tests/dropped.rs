//! A program that drops its children and awaits none of them, alone in its process.

use std::time::{Duration, Instant};

use async_process::Command;

#[test]
fn a_dropped_child_is_reaped_though_nothing_is_awaited() {
    for kill in [true, false] {
        let child = Command::new("sleep").arg("0.1").kill_on_drop(kill).spawn().unwrap();
        let stat = format!("/proc/{}/stat", child.id());
        drop(child);
        let start = Instant::now();
        while std::fs::read(&stat).is_ok() {
            assert!(start.elapsed() < Duration::from_secs(20), "a zombie is left");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
