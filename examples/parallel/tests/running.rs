//! The program `parallel`: how many jobs run, what they have, and what is kept of them.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use common::*;

#[test]
fn jobs_know_their_number_and_slot() {
    let output = run(&["-k", "-j1", "echo $PARALLEL_SEQ $PARALLEL_JOBSLOT {#} {%};", ":::", "a", "b"]);
    assert_eq!(stdout(&output), "1 1 1 1 a\n2 1 2 1 b\n".replace(" a", "").replace(" b", ""));
    // Each of two waits for the other one; the third gets a slot that is free again.
    let directory = Directory::new();
    let fifo = directory.fifo("fifo");
    let (write, read) = (format!("echo {{}} $PARALLEL_JOBSLOT > {fifo}"), format!("cat {fifo}"));
    let output = run(&["-j2", ":::", &write.replace("{}", "slot"), &read, "echo $PARALLEL_JOBSLOT"]);
    let mut lines: Vec<_> = stdout(&output).lines().collect();
    lines.sort_unstable();
    assert!(matches!(lines[..], ["1" | "2", "slot 1"]), "{lines:?}");
}

#[test]
fn the_number_of_jobs_may_be_that_of_the_processors() {
    let processors = std::thread::available_parallelism().unwrap().get();
    // Slots that are used while all wait.
    let slots = |jobs: &[&str]| {
        let inputs = vec!["x"; 3 * processors + 3];
        let log = run(&[jobs, &["sleep 0.2; echo {%} {#} #", ":::"], &inputs].concat());
        assert_eq!(code(&log), 0, "{}", stderr(&log));
        stdout(&log)
            .lines()
            .map(|line| line.split(' ').next().unwrap().parse::<usize>().unwrap())
            .max()
            .unwrap()
    };
    assert_eq!(slots(&["-j", "100%"]), processors);
    assert_eq!(slots(&["-P200%"]), 2 * processors);
    assert_eq!(slots(&["-j", "+1"]), processors + 1);
    assert_eq!(slots(&["-j", "-1"]), (processors - 1).max(1));
    assert_eq!(slots(&["-j-1000"]), 1);
    assert_eq!(slots(&["-j0"]), 3 * processors + 3);
}

#[test]
fn descriptors_that_it_was_given_pass_to_the_jobs() {
    let directory = Directory::new();
    let file = directory.path("file");
    fs::write(&file, "seven\n").unwrap();
    let jobs = ["-j1", "cat <&7; echo {} >&9;", ":::", "a", "b"];
    let output = parallel_after(&format!("exec 7<{file} 9>&1"), &jobs).output().unwrap();
    assert_eq!(stderr(&output), "");
    // Written straight through. What was read is read: they share the offset.
    assert_eq!(stdout(&output).lines().filter(|line| *line == "seven").count(), 1);
    assert_eq!(stdout(&output).lines().filter(|line| ["a", "b"].contains(line)).count(), 2);
    // Nothing else does, except what the tests were given themselves. With many slots, they come by another way.
    for jobs in ["-j1", "-j129"] {
        let of_a_job = |preparation: &str| {
            let jobs = [jobs, "ls /proc/self/fd; : {}", ":::", ""];
            let output = parallel_after(preparation, &jobs).output().unwrap();
            stdout(&output).lines().map(|line| line.parse().unwrap()).collect::<BTreeSet<u32>>()
        };
        let (with, without) = (of_a_job("exec 8</dev/null"), of_a_job("exec 8<&-"));
        assert_eq!(Vec::from_iter(with.difference(&without)), [&8], "{jobs}");
        assert!(without.is_superset(&BTreeSet::from([0, 1, 2])), "{without:?}");
        assert!(without.len() <= 4 + given_fds(), "{without:?}");
    }
}

/// The peak of memory, in KiB.
fn peak(child: &Child) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}

#[test]
fn memory_does_not_grow_with_the_number_of_inputs() {
    for mode in ["--group", "--ungroup", "--keep-order"] {
        let mut child = parallel(&["-j4", mode, "echo"]).stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        // What was written is less than the pipe holds.
        let mut run = |count: u32| {
            stdin.write_all("x\n".repeat(count as usize).as_bytes()).unwrap();
            (0..count).for_each(|_| assert_eq!(stdout.by_ref().lines().next().unwrap().unwrap(), "x"));
        };
        run(500);
        let before = peak(&child);
        run(2000);
        let grown = peak(&child) - before;
        // 32 bytes of each would be 64 KiB; the allocator's own use goes up and down by some pages.
        assert!(grown <= 48, "{mode}: {grown} KiB on top of {before}");
        drop(stdin);
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn a_delay_lies_between_two_starts() {
    let began = Instant::now();
    let output = run(&["-j4", "--delay", "0.1", "-k", "echo", ":::", "1", "2", "3", "4"]);
    assert_eq!(stdout(&output), "1\n2\n3\n4\n");
    assert!(began.elapsed() >= Duration::from_millis(300));
}

#[test]
fn it_goes_on_where_the_joblog_ends() {
    let directory = Directory::new();
    let log = directory.path("log");
    let go = |option: &[&str], shell: &str| {
        let jobs = ["-j1", "-k", "--joblog", &log, shell, ":::", "1", "2", "3", "4"];
        let output = run(&[option, &jobs[..]].concat());
        (stdout(&output).to_owned(), code(&output))
    };
    assert_eq!(go(&["--halt", "now,fail=1"], "echo {}; test {} != 2"), ("1\n2\n".into(), 1));
    assert_eq!(go(&["--resume", "--dry-run"], "echo {};"), ("echo 3;\necho 4;\n".into(), 0));
    assert_eq!(go(&["--resume"], "echo {}; test {} != 3"), ("3\n4\n".into(), 1));
    assert_eq!(go(&["--resume"], "echo {};"), (String::new(), 0));
    assert_eq!(read_log(&log).len(), 4);
    assert_eq!(go(&["--resume-failed"], "echo {};"), ("2\n3\n".into(), 0));
    assert_eq!(go(&["--resume-failed"], "echo {};"), (String::new(), 0));
    // Without either, the log is written anew.
    assert_eq!(go(&[], "true {}"), (String::new(), 0));
    assert_eq!(read_log(&log).len(), 4);
}

#[test]
fn results_are_kept_in_files() {
    let directory = Directory::new();
    let results = directory.path("out");
    let output = run(&["--results", &results, "echo {}; echo {2} >&2", ":::", "a/b", "..", ":::", "x"]);
    assert_eq!(code(&output), 0);
    let kept = |path: &str| fs::read_to_string(format!("{results}/{path}")).unwrap();
    assert_eq!(kept("1/a\\_b/2/x/stdout"), "a/b x\n");
    assert_eq!(kept("1/a\\_b/2/x/stderr"), "x\n");
    assert_eq!(kept("1/\\../2/x/stdout"), ".. x\n");
    // As GNU parallel has it: there, and nowhere else.
    assert_eq!((stdout(&output), stderr(&output)), ("", ""));
}

#[test]
fn each_command_is_printed_before_what_it_writes() {
    let commands = ["-j1", "-v", "echo {};", ":::", "a b"];
    for more in [&[][..], &["-u"], &["--line-buffer"], &["-k"]] {
        assert_eq!(stdout(&run(&[more, &commands].concat())), "echo 'a b';\na b\n", "{more:?}");
    }
    assert_eq!(stdout(&run(&["--version"])), format!("parallel {}\n", env!("CARGO_PKG_VERSION")));
}
