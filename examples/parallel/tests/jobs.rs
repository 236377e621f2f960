//! The program `parallel`: the command of a job, and what is told of the jobs.

mod common;

use std::process::Command;

use common::*;

#[test]
fn placeholders_are_replaced_anywhere_in_a_word() {
    let output =
        run(&["-j1", "printf", "%s|", "{}", "{.}", "<{/}>", "{#}{#}", "{x}", ":::", "a b/c.d.e", "f"]);
    assert_eq!(stdout(&output), "a b/c.d.e|a b/c.d|<c.d.e>|11|{x}|f|f|<f>|22|{x}|");
    assert_eq!(code(&output), 0);
}

#[test]
fn an_extension_is_as_in_gnu_parallel() {
    let output = run(&["-j1", "printf", "%s|", "{.}", ":::", "a.b/c", "a/.b", ".c", "d.", ""]);
    assert_eq!(stdout(&output), "a.b/c|a/||d||");
}

#[test]
fn the_argument_is_appended_where_no_placeholder_stands() {
    assert_eq!(stdout(&run(&["-j1", "echo", "-n", "x", ":::", "-a", "b c"])), "x -ax b c");
    assert_eq!(stdout(&run(&["-j1", "echo", "{#}", ":::", "a", "b"])), "1\n2\n");
    // What looks like an option is one of the program.
    assert_eq!(stdout(&run(&["-j1", "echo", "-n", "-k", "--tag", ":::", "x"])), "-k --tag x");
}

#[test]
fn wrong_options_are_told_from_failed_jobs() {
    let wrong: &[&[&str]] = &[
        &["--pipe"],
        &["--no-such-option", "true", ":::", "a"],
        &["-jx", "true", ":::", "a"],
        &["-j", "-x%", "true", ":::", "a"],
        &["--timeout", "-1", "true", ":::", "a"],
        &["--timeout", "nan", "true", ":::", "a"],
        &["--halt", "soon", "true", ":::", "a"],
        &["--halt", "now,fail=0", "true", ":::", "a"],
        &["--timeout", "1x", "true", ":::", "a"],
        &["--halt", "now,fail=101%", "true", ":::", "a"],
        &["--halt", "later,fail=1", "true", ":::", "a"],
        &["true", "::::", "/nonexistent/file"],
        &["true", "::::", ":::", "a"],
        &["true", ":::+", "a"],
        &["--pipe", "true", ":::", "a"],
        &["--resume", "true", ":::", "a"],
        &["-d", "ab", "true", ":::", "a"],
        &["--colsep", "[,;]", "true", ":::", "a"],
        &["--results", "out{#}", "true", ":::", "a"],
        &["--joblog", "/nonexistent/log", "true", ":::", "a"],
    ];
    for arguments in wrong {
        assert_eq!(code(&run(arguments)), 255, "{arguments:?}");
    }
    let output = run(&["--help"]);
    assert_eq!(code(&output), 0);
    assert!(stdout(&output).contains("gzip < {}"), "{}", stdout(&output));
}

#[test]
fn what_is_not_known_is_an_error_that_names_it_before_anything_runs() {
    let unknown: &[(&[&str], &str)] = &[
        (&["echo", "{..}"], "{..}"),
        (&["echo", "a{+/}"], "{+/}"),
        (&["echo", "{1..}.{-1.}{0}"], "{0}"),
        (&["echo", "{##}"], "{##}"),
        (&["echo {1/} {..}"], "{..}"),
        (&["echo", "{= $_ =}"], "{= =}"),
        (&["echo", "{2}"], "{2}"),
        (&["-n2", "echo", "{1} {-3.}"], "{-3}"),
        (&["--tagstring", "{2}", "echo"], "{2}"),
        (&["--tag", "--unheard-of", "echo"], "--unheard-of"),
    ];
    for (arguments, name) in unknown {
        let output = run(&[arguments, &[":::", "a"][..]].concat());
        assert_eq!((code(&output), stdout(&output)), (255, ""), "{arguments:?}");
        assert!(stderr(&output).contains(name), "{name}: {}", stderr(&output));
    }
    // Of awk, of the shell, of a regular expression.
    let output = run(&["-j1", "printf", "%s|", "{print}", "{1..3}", "a{2,}", "${x}", "{", "}", ":::", "z"]);
    assert_eq!(stdout(&output), "{print}|{1..3}|a{2,}|${x}|{|}|z|");
}

#[test]
fn the_joblog_has_the_columns_of_gnu_parallel() {
    let (output, log) =
        run_with_log(&["-j1", "sh", "-c", "{}", ":::", "sleep 0.1", "exit 7", "kill -9 $$", "true\n"]);
    assert_eq!(code(&output), 2);
    assert_eq!(ends(&log), [("0", "0"), ("7", "0"), ("0", "9"), ("0", "0")]);
    let is_number = |text: &str, decimals| {
        text.split_once('.').is_some_and(|(whole, fraction)| {
            fraction.len() == decimals
                && whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit())
        })
    };
    for (index, fields) in log.iter().enumerate() {
        assert_eq!(fields[0], (index + 1).to_string());
        assert_eq!(fields[1], ":");
        assert!(is_number(&fields[2], 3), "{fields:?}");
        assert!(fields[3].len() == 10 && is_number(fields[3].trim_start(), 3), "{fields:?}");
        assert_eq!([&*fields[4], &*fields[5]], ["0", "0"]);
    }
    assert!(log[0][3].trim().parse::<f64>().unwrap() >= 0.1);
    let commands: Vec<_> = log.iter().map(|fields| fields[8].as_str()).collect();
    assert_eq!(commands, ["sh -c 'sleep 0.1'", "sh -c 'exit 7'", "sh -c 'kill -9 $$'", "sh -c 'true\0'"]);
}

#[test]
fn a_dry_run_prints_what_a_shell_would_run() {
    let command = ["printf", "<%s>", "{}", "{#}", ":::"];
    let arguments = ["plain-1.0", "a b", "", "it's", "$HOME `x` \\", "new\nline", "~", "a=b", "*", "#"];
    let dry = run(&[&["--dry-run"], &command[..], &arguments[..]].concat());
    assert_eq!(code(&dry), 0);
    assert_eq!(stdout(&dry).lines().next(), Some("printf '<%s>' plain-1.0 1"));
    assert_eq!(stderr(&dry), "");

    let by_shell = Command::new("sh").arg("-c").arg(stdout(&dry)).output().unwrap();
    let by_us = run(&[&["-j1"], &command[..], &arguments[..]].concat());
    assert_eq!(stdout(&by_shell), stdout(&by_us));
}

#[test]
fn a_dry_run_into_a_closed_pipe_just_ends() {
    let mut child = parallel(&["--dry-run", "echo", ":::"]).args(vec!["x"; 1000]).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((code(&output), stderr(&output)), (0, ""));
}

#[test]
fn a_program_that_cannot_be_run_is_a_failed_job() {
    let (output, log) = run_with_log(&[
        "-j1",
        "--retries",
        "3",
        "{}",
        ":::",
        "/nonexistent",
        "true",
        "/etc/passwd",
        "no-such-program",
    ]);
    assert_eq!(code(&output), 3);
    assert_eq!(ends(&log), [("127", "0"), ("0", "0"), ("126", "0"), ("127", "0")]);
    assert!(stderr(&output).contains("cannot run job 1: /nonexistent: No such file"), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("cannot run job 3: /etc/passwd: Permission denied"),
        "{}",
        stderr(&output)
    );

    // Where the program is the same for all, it is said once.
    let output = run(&["-j2", "no-such-program", ":::", "1", "2", "3"]);
    assert_eq!(code(&output), 3);
    assert_eq!(stderr(&output).matches("cannot run").count(), 1, "{}", stderr(&output));
    // So is that a shell was meant.
    let output = run(&["-j2", "cd", "{}", "&&", "ls", ":::", "1", "2", "3"]);
    assert_eq!(code(&output), 3);
    assert_eq!(stderr(&output).matches("a line for a shell is one word").count(), 1, "{}", stderr(&output));
}

#[test]
fn so_many_jobs_run_at_a_time() {
    let arguments = ["-u", "-j3", "sh", "-c", "echo start; sleep 0.02; echo end", ":::"];
    let output = run(&[&arguments, &["x"; 20][..]].concat());
    let (mut running, mut most) = (0, 0);
    for line in stdout(&output).lines() {
        match line {
            "start" => running += 1,
            _ => running -= 1,
        }
        most = most.max(running);
    }
    assert!(running == 0 && most <= 3, "{most}");

    // Each waits for the other one.
    let directory = Directory::new();
    let fifo = directory.fifo("fifo");
    let (write, read) = (format!("echo hello > {fifo}"), format!("cat {fifo}"));
    assert_eq!(stdout(&run(&["-j2", "sh", "-c", ":::", &write, &read])), "hello\n");
}

#[test]
fn a_shortage_of_descriptors_is_waited_out() {
    // Of what the tests were given, parallel has copies.
    let given = given_fds();
    for (mode, enough) in [("-u", 16 + 3 * given), ("--group", 22 + 3 * given)] {
        for limit in 4..=26 {
            let arguments =
                [&[mode, "-j50", "--summary", "sh", "-c", "sleep 0.01; echo x", ":::"], &["0"; 20][..]]
                    .concat();
            let output = parallel_after(&format!("ulimit -n {limit}"), &arguments).output().unwrap();
            match code(&output) {
                0 => {
                    assert!(stderr(&output).contains("jobs: 20, failed: 0"), "{}", stderr(&output));
                    assert_eq!(stdout(&output), "x\n".repeat(20));
                }
                255 => assert!(
                    limit < enough && stderr(&output).contains("(os error 24)"),
                    "{limit} {mode}: {}",
                    stderr(&output)
                ),
                other => panic!("{other} at {limit} descriptors: {}", stderr(&output)),
            }
        }
    }
}

#[test]
fn the_summary_tells_what_the_jobs_used() {
    // The peak of a job is known if it had more than `parallel` itself.
    let script = "i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done
        test $1 = 0 || head -c 64M /dev/zero | tail -c 64M >/dev/null; exit $1";
    let jobs = ["sh", "-c", script, "sh", ":::", "0", "1", "0"];
    // cron sends a mail for each line.
    assert_eq!(stderr(&run(&jobs)), "");
    let output = run(&[&["--summary"], &jobs[..]].concat());
    let summary = stderr(&output).lines().last().unwrap();
    let number = |name: &str| {
        let (_, rest) = summary.split_once(&format!("{name}: ")).unwrap();
        rest.split([',', ' ']).next().unwrap().parse::<f64>().unwrap()
    };
    assert!(summary.starts_with("parallel: jobs: 3, failed: 1, "), "{summary}");
    assert!(number("wall time") > 0.0 && number("CPU time") > 0.0 && number("largest") >= 64.0, "{summary}");
}
