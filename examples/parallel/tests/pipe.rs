//! The example `parallel --pipe`: standard input in blocks.

mod common;

use std::fs::File;
use std::process::{Command, Output, Stdio};

use common::base::{memory_is_ours, wait_with_peak};
use common::*;

fn seq(last: u32) -> Vec<u8> {
    Command::new("seq").arg(last.to_string()).output().unwrap().stdout
}

/// With `seq last` on standard input.
fn run_with_seq(last: u32, arguments: &[&str]) -> Output {
    let mut numbers = Command::new("seq").arg(last.to_string()).stdout(Stdio::piped()).spawn().unwrap();
    let output = parallel(arguments).stdin(numbers.stdout.take().unwrap()).output().unwrap();
    numbers.wait().unwrap();
    output
}

fn numbers(output: &Output) -> Vec<u64> {
    stdout(output).lines().map(|line| line.trim().parse().unwrap()).collect()
}

#[test]
fn blocks_are_whole_lines() {
    let output = run_with_seq(1_000_000, &["--pipe", "--block", "100k", "-j4", "wc", "-l"]);
    let counts = numbers(&output);
    assert_eq!(counts.iter().sum::<u64>(), 1_000_000);
    // 6,888,896 bytes.
    assert_eq!(counts.len(), 68);
    assert_eq!(code(&output), 0);

    let output = run_with_seq(100_000, &["--pipe", "--block", "10k", "-j4", "wc", "-c"]);
    assert!(numbers(&output).iter().all(|&bytes| bytes <= 10 << 10));
}

#[test]
fn the_content_is_the_same() {
    let large = 300_000;
    for (block, last) in
        [("1", 300), ("100", 2000), ("64k", large), ("100k", large), ("1M", large), ("1G", large)]
    {
        let output = run_with_seq(last, &["--pipe", "-k", "-j4", "--block", block, "cat"]);
        assert!(output.stdout == seq(last), "{block}");
    }
    for input in ["", "x", "x\n", "\n", "\n\n", "x\ny"] {
        let output = run_with_input(&["--pipe", "-k", "--block", "1", "cat"], input.as_bytes());
        assert_eq!((stdout(&output), code(&output)), (input, 0));
    }
}

#[test]
fn a_block_is_so_many_records() {
    let output = run_with_seq(100_001, &["--pipe", "-k", "-N", "1000", "wc", "-l"]);
    let mut expected = vec![1000; 100];
    expected.push(1);
    assert_eq!(numbers(&output), expected);
}

#[test]
fn records_end_with_whatever_one_likes() {
    let input = b"a;;b;c;;d;;;e";
    for (arguments, expected) in [
        (&["--block", "1", "--recend", ";;"][..], "[a;;][b;c;;][d;;][;e]"),
        (&["-N", "2", "--recend", ";;"], "[a;;b;c;;][d;;;e]"),
        (&["-N1", "--recend", ";"], "[a;][;][b;][c;][;][d;][;][;][e]"),
        (&["--recend", "\\n"], "[a;;b;c;;d;;;e]"),
    ] {
        let command = ["sh", "-c", "printf '[%s]' $(cat)"];
        let output = run_with_input(&[&["--pipe", "-k"], arguments, &command].concat(), input);
        assert_eq!(stdout(&output), expected, "{arguments:?}");
    }
}

#[test]
fn wrong_options_of_pipe_are_refused() {
    let wrong: &[&[&str]] = &[
        &["--pipe", "cat", ":::", "x"],
        &["--pipe", "-0", "cat"],
        &["--block", "1M", "cat"],
        &["--pipe", "--block", "0", "cat"],
        &["--pipe", "--block", "1x", "cat"],
        &["--pipe", "--block", "k", "cat"],
        &["--pipe", "--recend", "\\x", "cat"],
        &["--pipe", "-N", "0", "cat"],
        &["--pipe", "-N", "1", "--block", "1", "cat"],
    ];
    for arguments in wrong {
        assert_eq!(code(&run(arguments)), 255, "{arguments:?}");
    }
}

#[test]
fn a_job_need_not_read() {
    let output = run_with_seq(300_000, &["--pipe", "--block", "500k", "-j2", "echo", "{#}"]);
    assert_eq!((numbers(&output).len(), code(&output)), (4, 0));
    // Neither all, nor before it closes it.
    let output = run_with_seq(300_000, &["--pipe", "--block", "500k", "-j2", "-k", "head", "-n1"]);
    assert_eq!((numbers(&output)[0], code(&output)), (1, 0));
    let output = run_with_seq(300_000, &["--pipe", "--block", "500k", "sh", "-c", "exec <&-; sleep 0.05"]);
    assert_eq!(code(&output), 0);
}

#[test]
fn a_block_is_given_again_to_the_next_try() {
    let directory = Directory::new();
    let file = directory.path("tries");
    let script = format!("echo x >> {file}; cat; test $(wc -l < {file}) -ge 2");
    let output = run_with_seq(50_000, &["--pipe", "--retries", "2", "sh", "-c", &script]);
    assert!(output.stdout == seq(50_000));
    assert_eq!(code(&output), 0);
}

#[test]
fn jobs_can_write_straight_through() {
    let output = run_with_seq(100_000, &["--pipe", "-u", "--block", "50k", "-j1", "cat"]);
    assert!(output.stdout == seq(100_000));
}

#[test]
fn lines_are_tagged_with_the_number() {
    let output = run_with_input(&["--pipe", "-N1", "--tag", "-k", "cat"], b"a\nb\n");
    assert_eq!(stdout(&output), "1\ta\n2\tb\n");
}

#[test]
fn memory_is_bounded_by_jobs_and_blocks() {
    if !memory_is_ours() {
        return;
    }
    let zero = File::open("/dev/zero").unwrap();
    let mut head =
        Command::new("head").args(["-c", "200M"]).stdin(zero).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines =
        Command::new("fold").stdin(head.stdout.take().unwrap()).stdout(Stdio::piped()).spawn().unwrap();
    let mut command = parallel(&["--pipe", "--block", "2M", "-j4", "cat"]);
    let child = command.stdin(lines.stdout.take().unwrap()).stdout(Stdio::null()).spawn().unwrap();
    let (success, peak) = wait_with_peak(child);
    assert!(success);
    assert!(peak < 40 << 20, "{peak} bytes");
    assert!(head.wait().unwrap().success() && lines.wait().unwrap().success());
}
