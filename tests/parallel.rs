//! Runs the example `parallel` as a program.
//!
//! Whether all jobs are gone, with all that they started, shows in the end-of-file of its standard output, which
//! they inherit: `output()` waits for that.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{kill_process, Pid, Signal};

fn binary() -> PathBuf {
    let me = std::env::current_exe().unwrap();
    let path = me.parent().unwrap().parent().unwrap().join("examples/parallel");
    assert!(path.is_file(), "{} is missing: `cargo build --example parallel` makes it", path.display());
    path
}

/// Whoever runs the tests in the background may have SIGINT ignored, which a program inherits and respects.
fn with_default_signals(program: &OsStr) -> Command {
    let mut command = Command::new("env");
    command.arg("--default-signal=HUP,INT,TERM").arg(program);
    command
}

fn parallel(arguments: &[&str]) -> Command {
    let mut command = with_default_signals(binary().as_ref());
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// `parallel`, started by a shell that does `preparation` before: its jobs inherit that, too.
fn parallel_after(preparation: &str, arguments: &[&str]) -> Command {
    let mut command = with_default_signals("sh".as_ref());
    command.arg("-c").arg(format!("{preparation}; exec \"$@\"")).arg("sh").arg(binary()).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(arguments: &[&str]) -> Output {
    parallel(arguments).output().unwrap()
}

fn run_with_input(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = parallel(arguments).stdin(Stdio::piped()).spawn().unwrap();
    // Fits into the pipe.
    assert!(input.len() <= 1 << 16);
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| panic!("{}: {}", output.status, stderr(output)))
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// Reads lines until one contains `text`.
fn read_until(reader: &mut impl BufRead, text: &str) {
    let mut line = String::new();
    while !line.contains(text) {
        line.clear();
        assert!(reader.read_line(&mut line).unwrap() > 0, "ended before {text:?}");
    }
}

/// A directory of its own for a test.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Directory {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("childset-parallel-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Directory(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).into_os_string().into_string().unwrap()
    }

    fn fifo(&self, name: &str) -> String {
        let path = self.path(name);
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs with a joblog, and returns its lines in the order of the jobs' numbers, each split into its fields.
fn run_with_log(arguments: &[&str]) -> (Output, Vec<Vec<String>>) {
    let directory = Directory::new();
    let log = directory.path("log");
    let output = run(&[&["--joblog", log.as_str()], arguments].concat());
    (output, read_log(&log))
}

fn read_log(path: &str) -> Vec<Vec<String>> {
    let log = fs::read_to_string(path).unwrap();
    let mut lines = log.lines();
    let header = "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand";
    assert_eq!(lines.next(), Some(header));
    let mut lines: Vec<Vec<_>> =
        lines.map(|line| line.splitn(9, '\t').map(str::to_owned).collect()).collect();
    lines.sort_by_key(|fields| fields[0].parse::<u64>().unwrap());
    lines
}

/// Exit code and signal.
fn ends(log: &[Vec<String>]) -> Vec<(&str, &str)> {
    log.iter().map(|fields| (fields[6].as_str(), fields[7].as_str())).collect()
}

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
}

#[test]
fn arguments_are_bytes() {
    let output = run_with_input(&["-0", "-j1", "printf", "[%s]"], b"a\nb\0\xff\xfe \x80\0\0'\"$x\\\0last");
    assert_eq!(output.stdout, b"[a\nb][\xff\xfe \x80][]['\"$x\\][last]");
    assert_eq!(code(&output), 0);

    let argument = OsString::from_vec(b"\xff.\xfe".to_vec());
    let output = parallel(&["printf", "%s", "{.}{}", ":::"]).arg(argument).output().unwrap();
    assert_eq!(output.stdout, b"\xff\xff.\xfe");
}

#[test]
fn lines_of_input_are_arguments() {
    let output = run_with_input(&["-j1", "printf", "[%s]"], b"a b\n\n\tc\nlast");
    assert_eq!(stdout(&output), "[a b][][\tc][last]");
    assert_eq!(code(&run_with_input(&["false"], b"")), 0);
}

#[test]
fn jobs_read_nothing() {
    assert_eq!(
        stdout(&run_with_input(&["-j1", "sh", "-c", "cat; echo \"$1\"", "sh"], b"1\n2\n3\n")),
        "1\n2\n3\n"
    );
}

#[test]
fn it_exits_with_the_number_of_failed_jobs() {
    let exits = ["-j3", "sh", "-c", "exit $1", "sh", ":::"];
    assert_eq!(code(&run(&[&exits[..], &["0", "0"]].concat())), 0);
    assert_eq!(code(&run(&[&exits[..], &["0", "1", "0", "200", "3"]].concat())), 3);
    assert_eq!(code(&run(&[&["false", ":::"], &["x"; 101][..]].concat())), 101);
    let output = run(&[&["-j4", "false", ":::"], &["x"; 150][..]].concat());
    assert_eq!(code(&output), 101);
    assert!(stderr(&output).contains("jobs: 150, failed: 150"), "{}", stderr(&output));
    // Killed by a signal is failed, too.
    assert_eq!(code(&run(&["sh", "-c", "kill -9 $$", ":::", "x"])), 1);
}

#[test]
fn wrong_options_are_told_from_failed_jobs() {
    let wrong: &[&[&str]] = &[
        &[],
        &[":::", "a"],
        &["--no-such-option", "true", ":::", "a"],
        &["-j0", "true", ":::", "a"],
        &["--timeout", "-1", "true", ":::", "a"],
        &["--timeout", "nan", "true", ":::", "a"],
        &["--halt", "soon", "true", ":::", "a"],
        &["--halt", "now,fail=0", "true", ":::", "a"],
        &["true", ":::", "a", ":::", "b"],
        &["--joblog", "/nonexistent/log", "true", ":::", "a"],
    ];
    for arguments in wrong {
        assert_eq!(code(&run(arguments)), 255, "{arguments:?}");
    }
    let output = run(&["--help"]);
    assert_eq!(code(&output), 0);
    assert!(stdout(&output).contains("sh -c"), "{}", stdout(&output));
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
    assert!(matches!(ends(&log)[..], [("0", "0") | ("-1", "15")]), "{log:?}");
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
        let output = run(&["--timeout", "0.2", "sh", "-c", script, ":::", "x"]);
        assert_eq!(code(&output), 1);
    }
}

#[test]
fn what_an_ended_job_leaves_behind_is_killed() {
    let script = "trap '' TERM; sleep 1000 & trap - TERM; exec sleep 1000";
    let (output, log) = run_with_log(&["--timeout", "0.4", "--grace", "0.1", "sh", "-c", script, ":::", "x"]);
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
    assert_eq!(code(&output), 2);
    assert_eq!(ends(&log), [("0", "15"), ("3", "0")]);
}

#[test]
fn halt_never_runs_all() {
    assert_eq!(code(&run(&["--halt", "never", "false", ":::", "1", "2", "3"])), 3);
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
fn input_is_read_only_as_jobs_start() {
    let mut endless = Command::new("yes").stdout(Stdio::piped()).spawn().unwrap();
    let output = parallel(&["-j2", "--halt", "now,fail=1", "false"])
        .stdin(endless.stdout.take().unwrap())
        .output()
        .unwrap();
    assert!((1..=2).contains(&code(&output)));
    // SIGPIPE
    assert!(!endless.wait().unwrap().success());
}

#[test]
fn memory_does_not_grow_with_the_input() {
    let mut numbers = Command::new("seq").arg("1000000").stdout(Stdio::piped()).spawn().unwrap();
    let mut command = parallel(&["--dry-run", "echo", "{}"]);
    let child = command.stdin(numbers.stdout.take().unwrap()).stdout(Stdio::null()).spawn().unwrap();
    let set = childset::ChildSet::new().unwrap();
    set.insert(child, ()).unwrap();
    let exit = set.wait(None).unwrap().unwrap().exit.unwrap();
    assert!(exit.success());
    // The arguments alone, all of them, would need more than 50 MB.
    let max_rss = exit.max_rss().unwrap();
    assert!(max_rss < 32 << 20, "{max_rss} bytes");
    assert!(numbers.wait().unwrap().success());
}

#[test]
fn an_argument_that_no_program_could_get_is_an_error() {
    let directory = Directory::new();
    let file = directory.path("input");
    fs::write(&file, [b"1\n", &*vec![b'x'; 200_000]].concat()).unwrap();
    let output = parallel(&["echo"]).stdin(fs::File::open(&file).unwrap()).output().unwrap();
    assert_eq!(code(&output), 255);
    assert_eq!(stdout(&output), "1\n");
    assert!(stderr(&output).contains("longer than 128 KiB"), "{}", stderr(&output));
}

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
        let mut child = parallel(&["-j2", "sh", "-c", script, ":::", "1", "2", "3"]).spawn().unwrap();
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
    let mut child = parallel(&["-j1", "sh", "-c", ":::", &script, "echo never"]).spawn().unwrap();
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
    let arguments = ["--joblog", &log, "sh", "-c", script, ":::", "x"];
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
        parallel_after("trap '' HUP", &["-j1", "sh", "-c", ":::", &script, "true"]).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    read_until(&mut out, "up");
    signal(&child, Signal::HUP);
    fs::write(&fifo, "go\n").unwrap();
    read_until(&mut out, "done");
    assert_eq!(child.wait().unwrap().code(), Some(0));
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

    // Also where the program is the same for all.
    let output = run(&["-j2", "no-such-program", ":::", "1", "2", "3"]);
    assert_eq!(code(&output), 3);
}

#[test]
fn so_many_jobs_run_at_a_time() {
    let arguments = ["-j3", "sh", "-c", "echo start; sleep 0.02; echo end", ":::"];
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
    for limit in 4..=20 {
        let arguments = [&["-j50", "sleep", ":::"], &["0.01"; 30][..]].concat();
        let output = parallel_after(&format!("ulimit -n {limit}"), &arguments).output().unwrap();
        match code(&output) {
            0 => assert!(stderr(&output).contains("jobs: 30, failed: 0"), "{}", stderr(&output)),
            255 => {
                assert!(limit < 16 && stderr(&output).contains("Too many open files"), "{}", stderr(&output))
            }
            other => panic!("{other} at {limit} descriptors: {}", stderr(&output)),
        }
    }
}

#[test]
fn the_summary_tells_what_the_jobs_used() {
    let script = "i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done; exit $1";
    let output = run(&["sh", "-c", script, "sh", ":::", "0", "1", "0"]);
    let summary = stderr(&output).lines().last().unwrap();
    let number = |name: &str| {
        let (_, rest) = summary.split_once(&format!("{name}: ")).unwrap();
        rest.split([',', ' ']).next().unwrap().parse::<f64>().unwrap()
    };
    assert!(summary.starts_with("parallel: jobs: 3, failed: 1, "), "{summary}");
    assert!(number("wall time") > 0.0 && number("CPU time") > 0.0 && number("largest") > 0.0, "{summary}");
}

#[test]
fn it_does_what_xargs_does() {
    let directory = Directory::new();
    let names = ["plain", "with space", "new\nline", "back\\slash", "-dash", "\u{fc}", "*"];
    for (index, name) in names.iter().enumerate() {
        fs::write(directory.0.join(name), vec![index as u8; 1000 * index]).unwrap();
    }
    fs::write(directory.0.join(std::ffi::OsStr::from_bytes(b"\xff")), "x").unwrap();
    let find = || {
        let mut find = Command::new("find")
            .arg(&directory.0)
            .args(["-type", "f", "-print0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        (find.stdout.take().unwrap(), find)
    };
    let (list, mut producer) = find();
    let by_us = parallel(&["-0", "-j4", "sha256sum", "{}"]).stdin(list).output().unwrap();
    assert!(producer.wait().unwrap().success());
    let (list, mut producer) = find();
    let by_xargs = Command::new("xargs").args(["-0", "sha256sum"]).stdin(list).output().unwrap();
    assert!(producer.wait().unwrap().success());
    let sorted = |bytes: &[u8]| {
        let mut lines: Vec<_> = bytes.split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
        lines.sort_unstable();
        lines
    };
    assert_eq!(sorted(&by_us.stdout), sorted(&by_xargs.stdout));
    assert_eq!(sorted(&by_us.stdout).len(), names.len() + 2);
}
