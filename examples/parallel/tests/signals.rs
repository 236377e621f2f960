//! The program `parallel`: the signals that it is sent.
//!
//! Jobs write to its standard output (`-u`), whose end-of-file comes only when they are gone.

mod common;

use std::fs;
use std::io::{BufReader, Read, Write};
use std::process::Stdio;

use rustix::process::Signal;

use common::*;

#[test]
fn waiting_for_input_holds_up_neither_time_outs_nor_signals() {
    let mut child = parallel(&["-j2", "--timeout", "0.2", "sleep"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"1000\nunfinished").unwrap();
    let mut errors = BufReader::new(child.stderr.take().unwrap());
    read_until(&mut errors, "took too long");
    signal(&child, Signal::TERM);
    read_until(&mut errors, "interrupted");
    let output = child.wait_with_output().unwrap();
    assert_eq!(code(&output), 1);
    drop(input);
}

#[test]
fn ctrl_c_ends_all_and_leaves_no_orphan() {
    for stop in [Signal::INT, Signal::TERM, Signal::HUP] {
        let script = "sleep 1000 & echo up; wait";
        let mut child = parallel(&["-u", "-j2", "sh", "-c", script, ":::", "1", "2", "3"]).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        read_until(&mut out, "up");
        read_until(&mut out, "up");
        let threads = fs::read_dir(format!("/proc/{}/task", child.id())).unwrap().count();
        assert_eq!(threads, 1);
        signal(&child, stop);
        let mut rest = String::new();
        out.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "");
        assert_eq!(child.wait().unwrap().code(), Some(2));
    }
}

#[test]
fn after_a_signal_the_exit_code_is_not_0() {
    let directory = Directory::new();
    let fifo = directory.fifo("fifo");
    let script = format!("trap '' TERM; echo up; read line < {fifo}; exit 0");
    let mut child =
        parallel(&["-u", "-j1", "--summary", "sh", "-c", ":::", &script, "echo never"]).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut errors = BufReader::new(child.stderr.take().unwrap());
    read_until(&mut out, "up");
    signal(&child, Signal::INT);
    read_until(&mut errors, "interrupted");
    fs::write(&fifo, "go\n").unwrap();
    read_until(&mut errors, "jobs: 1, failed: 0");
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

#[test]
fn a_second_ctrl_c_kills() {
    let directory = Directory::new();
    let log = directory.path("log");
    let script = "sleep 1000 & echo up; wait";
    let arguments = ["-u", "--joblog", &log, "sh", "-c", script, ":::", "x"];
    let mut child = parallel_after("trap '' TERM", &arguments).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut errors = BufReader::new(child.stderr.take().unwrap());
    read_until(&mut out, "up");
    signal(&child, Signal::INT);
    read_until(&mut errors, "interrupted");
    signal(&child, Signal::INT);
    assert_eq!(out.read_to_end(&mut Vec::new()).unwrap(), 0);
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert_eq!(ends(&read_log(&log)), [("0", "9")]);
}

#[test]
fn a_signal_that_was_ignored_stays_ignored() {
    let directory = Directory::new();
    let fifo = directory.fifo("fifo");
    let script = format!("echo up; read line < {fifo}; echo done");
    let mut child =
        parallel_after("trap '' HUP", &["-u", "-j1", "sh", "-c", ":::", &script, "true"]).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    read_until(&mut out, "up");
    signal(&child, Signal::HUP);
    fs::write(&fifo, "go\n").unwrap();
    read_until(&mut out, "done");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
