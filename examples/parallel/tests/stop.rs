//! The program `parallel`: Ctrl-Z, and `fg`.

mod common;

use std::fs;
use std::io::BufReader;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use common::*;

/// Waits until the letter of its state is one for which this holds.
fn until(pid: u32, is_it: impl Fn(&str) -> bool) {
    while !is_it(&base::stat(pid, 3).unwrap()) {
        std::thread::yield_now();
    }
}

#[test]
fn stops_and_goes_on_with_its_jobs() {
    let directory = Directory::new();
    let (pids, fifo) = (directory.path("pids"), directory.fifo("fifo"));
    let script = format!("echo $$ >>{pids}; echo up; read line <{fifo}");
    let mut child = parallel(&["-u", "-j2", "--timeout", "100", &script, ":::", "1", "2"]).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    read_until(&mut out, "up");
    read_until(&mut out, "up");
    let jobs = fs::read_to_string(&pids).unwrap();
    let jobs: Vec<u32> = jobs.lines().map(|pid| pid.parse().unwrap()).collect();
    for _ in 0..3 {
        signal(&child, Signal::TSTP);
        until(child.id(), |state| state == "T");
        jobs.iter().for_each(|&job| until(job, |state| state == "T"));
        signal(&child, Signal::CONT);
        jobs.iter().for_each(|&job| until(job, |state| state != "T"));
        until(child.id(), |state| state != "T");
    }
    // They read for ever.
    signal(&child, Signal::TERM);
    assert_eq!(child.wait().unwrap().code(), Some(2));
}

#[test]
fn the_time_of_a_stop_does_not_count() {
    let mut child =
        parallel(&["-u", "--timeout", "1.5", "echo up; exec sleep {}", ":::", "0.9"]).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    read_until(&mut out, "up");
    signal(&child, Signal::TSTP);
    until(child.id(), |state| state == "T");
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(2) {
        std::thread::sleep(Duration::from_millis(100));
    }
    signal(&child, Signal::CONT);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
