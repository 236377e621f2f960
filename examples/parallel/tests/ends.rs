//! The program `parallel`: how jobs end, and are ended.
//!
//! Whether all jobs are gone, with all that they started, shows in the end-of-file of its standard output, which
//! they inherit by `-u`: `output()` waits for that.

mod common;

use std::fs;
use std::io::BufReader;
use std::time::{Duration, Instant};

use common::*;

#[test]
fn it_exits_with_the_number_of_failed_jobs() {
    let exits = ["-j3", "sh", "-c", "exit $1", "sh", ":::"];
    assert_eq!(code(&run(&[&exits[..], &["0", "0"]].concat())), 0);
    assert_eq!(code(&run(&[&exits[..], &["0", "1", "0", "200", "3"]].concat())), 3);
    assert_eq!(code(&run(&[&["false", ":::"], &["x"; 101][..]].concat())), 101);
    let output = run(&[&["-j4", "--summary", "false", ":::"], &["x"; 150][..]].concat());
    assert_eq!(code(&output), 101);
    assert!(stderr(&output).contains("jobs: 150, failed: 150"), "{}", stderr(&output));
    // Killed by a signal is failed, too.
    assert_eq!(code(&run(&["sh", "-c", "kill -9 $$", ":::", "x"])), 1);
}

#[test]
fn a_failed_job_is_tried_again() {
    let directory = Directory::new();
    let script = "echo x >> $1; test $(wc -l < $1) -ge 3";
    for (tries, failed) in [("3", 0), ("2", 1), ("1", 1)] {
        let file = directory.path(tries);
        let (output, log) = run_with_log(&["--retries", tries, "sh", "-c", script, "sh", ":::", &file]);
        assert_eq!(code(&output), failed);
        assert_eq!(fs::read_to_string(&file).unwrap().lines().count().to_string(), tries);
        // Of the last try alone.
        assert_eq!(ends(&log), [(failed.to_string().as_str(), "0")]);
    }
}

#[test]
fn a_job_that_takes_too_long_is_terminated() {
    let began = Instant::now();
    let (output, log) =
        run_with_log(&["--timeout", "0.2", "--retries", "2", "-j3", "sleep", ":::", "1000", "0"]);
    assert_eq!(code(&output), 1);
    assert!(began.elapsed() >= Duration::from_millis(400));
    assert_eq!(stderr(&output).matches("job 1 took too long: sleep 1000").count(), 2, "{}", stderr(&output));
    assert_eq!(ends(&log), [("-1", "15"), ("0", "0")]);
}

#[test]
fn a_job_that_ends_itself_when_its_time_is_over_has_failed() {
    let script = "trap 'exit 0' TERM; sleep 1000 & wait";
    let (output, log) = run_with_log(&["--timeout", "0.5", "sh", "-c", script, ":::", "x"]);
    assert_eq!(code(&output), 1);
    assert!(matches!(ends(&log)[..], [("-1", "0" | "15")]), "{log:?}");
}

#[test]
fn a_job_that_ignores_sigterm_is_killed() {
    let directory = Directory::new();
    let log = directory.path("log");
    let arguments = ["--timeout", "0.2", "--grace", "0.1", "--joblog", &log, "sleep", ":::", "1000", "1001"];
    let began = Instant::now();
    let output = parallel_after("trap '' TERM", &arguments).output().unwrap();
    assert_eq!(code(&output), 2);
    assert!(began.elapsed() >= Duration::from_millis(300));
    assert_eq!(ends(&read_log(&log)), [("-1", "9"), ("-1", "9")]);
}

#[test]
fn a_job_is_ended_with_all_that_it_started() {
    for script in ["sleep 1000 & wait", "sleep 1000 | sleep 1000", "(sleep 1000; true) & sleep 1000; true"] {
        let output = run(&["-u", "--timeout", "0.2", "sh", "-c", script, ":::", "x"]);
        assert_eq!(code(&output), 1);
    }
}

#[test]
fn what_an_ended_job_leaves_behind_is_killed() {
    let script = "trap '' TERM; sleep 1000 & trap - TERM; exec sleep 1000";
    let (output, log) =
        run_with_log(&["-u", "--timeout", "0.4", "--grace", "0.1", "sh", "-c", script, ":::", "x"]);
    assert_eq!(code(&output), 1);
    assert_eq!(ends(&log), [("-1", "15")]);
}

#[test]
fn halt_soon_lets_running_jobs_end() {
    let directory = Directory::new();
    let fifo = directory.fifo("fifo");
    let wait = format!("read line < {fifo}; echo done");
    let arguments =
        ["-j2", "--halt", "soon,fail=2", "sh", "-c", ":::", &wait, "exit 1", "exit 1", "echo never"];
    let mut child = parallel(&arguments).spawn().unwrap();
    let mut errors = BufReader::new(child.stderr.take().unwrap());
    read_until(&mut errors, "2 failed: no more jobs are started");
    fs::write(&fifo, "go\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(stdout(&output), "done\n");
    assert_eq!(code(&output), 2);
}

#[test]
fn halt_now_ends_running_jobs() {
    let (output, log) = run_with_log(&[
        "-j2",
        "--halt",
        "now,fail=1",
        "--retries",
        "1",
        "sh",
        "-c",
        ":::",
        "exec sleep 1000",
        "exit 3",
        "echo never",
    ]);
    assert_eq!(stdout(&output), "");
    assert_eq!(code(&output), 3);
    assert_eq!(ends(&log), [("0", "15"), ("3", "0")]);
}

/// Each was seen of GNU parallel.
#[test]
fn the_exit_status_of_halt_is_that_of_gnu_parallel() {
    for (status, halt, jobs) in [
        (7, "now,fail=1", &["true", "exit 7", "true"][..]),
        (7, "soon,fail=1", &["true", "true", "exit 7"]),
        (137, "now,fail=1", &["kill -9 $$", "true"]),
        (255, "now,fail=1", &["exit 255", "true"]),
        (0, "now,fail=1", &["true", "true"]),
        (2, "now,fail=2", &["exit 7", "exit 8", "true"]),
        (34, "soon,fail=30%", &["exit 7", "true", "true"]),
        (67, "soon,fail=60%", &["exit 7", "exit 7", "exit 7"]),
        (2, "soon,fail=2%", &["exit 7"; 100]),
        (100, "soon,fail=100%", &["exit 7"; 5]),
        (67, "soon,fail=100%", &["true", "exit 7", "exit 7"]),
        (0, "soon,success=50%", &["false", "true", "true", "false"]),
        (75, "soon,success=50%", &["false", "false", "false", "true"]),
        (50, "now,done=50%", &["exit 7", "exit 7", "true", "true"]),
        (0, "now,done=50%", &["true"; 4]),
    ] {
        let output = run(&[&["-j1", "--halt", halt, ":::"], jobs].concat());
        assert_eq!(code(&output), status, "{halt}: {jobs:?}");
    }
    // Those that were ended are none of the failed ones.
    let output = run(&["-j3", "--halt", "now,fail=2", ":::", "exec sleep 1000", "exit 7", "exit 7"]);
    assert_eq!(code(&output), 2);
    let output = run(&["-j1", "--halt", "now,fail=1", "--timeout", "0.3", ":::", "exec sleep 1000", "true"]);
    assert_eq!(code(&output), 255);
}

#[test]
fn halt_takes_successes_ends_and_percentages() {
    let four = [":::", "true", "false", "true", "true"];
    let after = |halt: &str| {
        let (output, log) = run_with_log(&[&["-j1", "--halt", halt], &four[..]].concat());
        (log.len(), code(&output))
    };
    for (halt, expected) in [
        ("soon,success=2", (3, 0)),
        ("now,success=75%", (4, 0)),
        ("soon,done=2", (2, 1)),
        ("now,done=50%", (2, 25)),
        ("now,fail=25%", (2, 25)),
        ("soon,fail=30%", (4, 25)),
        ("1", (2, 1)),
        ("2", (2, 1)),
        ("-1", (1, 0)),
        ("-2", (1, 0)),
        ("20%", (2, 25)),
        ("0", (4, 1)),
    ] {
        assert_eq!(after(halt), expected, "{halt}");
    }
    // Those that a success ended have not failed.
    let output = run(&["-j2", "--halt", "now,success=1", ":::", "exec sleep 1000", "true"]);
    assert_eq!(code(&output), 0);
}

#[test]
fn a_time_out_has_units_and_may_be_that_of_the_others() {
    let output = run(&["--timeout", "0.002m0.08s", "sleep", ":::", "1000"]);
    assert_eq!(code(&output), 1);
    // The last one was started before there was a median.
    let jobs = ["-j4", "--timeout", "300%", "sleep", ":::", "0.1", "0.1", "0.1", "1000", "1001"];
    let (output, log) = run_with_log(&jobs);
    assert_eq!(code(&output), 2);
    assert_eq!(ends(&log), [("0", "0"), ("0", "0"), ("0", "0"), ("-1", "15"), ("-1", "15")]);
}

#[test]
fn halt_never_runs_all() {
    assert_eq!(code(&run(&["--halt", "never", "false", ":::", "1", "2", "3"])), 3);
}
