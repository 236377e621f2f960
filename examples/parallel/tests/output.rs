//! The program `parallel`: what jobs write.

mod common;

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::base::{memory_is_ours, read, wait_with_peak};
use common::*;
use rustix::process::{kill_process, Pid, Signal};

/// Writes the argument in many lines, each in two pieces.
const PIECES: &str = r#"i=0; while [ $i -lt 300 ]; do printf "$1-"; printf "$i\n"; i=$((i + 1)); done"#;

fn lines_of(job: u32) -> String {
    (0..300).map(|line| format!("{job}-{line}\n")).collect()
}

#[test]
fn output_of_jobs_is_never_mixed() {
    let jobs: Vec<_> = (1..=24).map(|job| job.to_string()).collect();
    let jobs: Vec<_> = jobs.iter().map(String::as_str).collect();
    let output = run(&[&["-j8", "sh", "-c", PIECES, "sh", ":::"], &jobs[..]].concat());
    assert_eq!(code(&output), 0);
    let mut lines = stdout(&output).lines();
    let mut seen = Vec::new();
    while let Some(first) = lines.next() {
        let job: u32 = first.strip_suffix("-0").unwrap().parse().unwrap();
        assert!((1..300).all(|line| lines.next() == Some(&format!("{job}-{line}"))));
        seen.push(job);
    }
    seen.sort_unstable();
    assert_eq!(seen, (1..=24).collect::<Vec<_>>());
}

#[test]
fn both_streams_are_collected_each_for_itself() {
    let script = "echo out $1; echo err $1 >&2; echo out $1; echo err $1 >&2";
    let output = run(&["-j4", "sh", "-c", script, "sh", ":::", "1", "2", "3", "4"]);
    for text in [stdout(&output), stderr(&output)] {
        let lines: Vec<_> = text.lines().filter(|line| !line.starts_with("parallel: ")).collect();
        assert_eq!(lines.len(), 8);
        assert!(lines.chunks(2).all(|pair| pair[0] == pair[1]), "{text}");
    }
}

#[test]
fn ungrouped_jobs_write_straight_through() {
    let directory = Directory::new();
    let fifo = directory.fifo("fifo");
    let script = format!("echo up; read line < {fifo}");
    let mut child = parallel(&["-u", "sh", "-c", &script, ":::", "x"]).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    read_until(&mut out, "up");
    std::fs::write(&fifo, "go\n").unwrap();
    assert!(child.wait().unwrap().success());
    for other in ["--group", "--line-buffer", "-k", "--tag"] {
        assert_eq!(code(&run(&["-u", other, "true", ":::", "x"])), 255, "{other}");
    }
}

#[test]
fn the_order_of_the_input_is_kept() {
    let directory = Directory::new();
    let fifo = directory.fifo("fifo");
    // The first job ends only after the last one has begun; one cannot be run, and one writes nothing.
    let (first, last) = (format!("read line < {fifo}; echo 1"), format!("echo 5; echo go > {fifo}"));
    let jobs = ["-k", "-j2", "sh", "-c", ":::", &first, "echo 2; echo 2", "", "echo 4; exit 1", &last];
    let output = run(&jobs);
    assert_eq!(stdout(&output), "1\n2\n2\n4\n5\n");
    assert_eq!(code(&output), 1);
    let output = run(&["-k", "-j3", "{}", ":::", "/nonexistent", "hostname", "/nonexistent", "pwd"]);
    assert_eq!((stdout(&output).lines().count(), code(&output)), (2, 2));
}

#[test]
fn what_waits_for_its_turn_is_printed_though_a_job_before_was_never_done() {
    let script = "test $1 != 1 || exec sleep 1000; echo $1; test $1 != 3 || exit 1";
    let arguments = ["-k", "-j3", "--halt", "now,fail=1", "sh", "-c", script, "sh", ":::", "1", "2", "3"];
    let output = run(&arguments);
    assert!(stdout(&output).ends_with("3\n"), "{}", stdout(&output));
    assert_eq!(code(&output), 1);
}

#[test]
fn lines_are_tagged_with_the_argument() {
    let script = "printf 'a\\n\\nb'; echo c >&2";
    let output = run(&["--tag", "-k", "-j2", "sh", "-c", script, "sh", ":::", "x y", "z"]);
    assert_eq!(stdout(&output), "x y\ta\nx y\t\nx y\tb\nz\ta\nz\t\nz\tb\n");
    assert!(stderr(&output).starts_with("x y\tc\nz\tc\n"), "{}", stderr(&output));
    let output = run(&["--tag", "--line-buffer", "-j1", "sh", "-c", script, "sh", ":::", "x", "z"]);
    assert_eq!(stdout(&output), "x\ta\nx\t\nx\tb\nz\ta\nz\t\nz\tb\n");
}

#[test]
fn whole_lines_come_at_once() {
    let directory = Directory::new();
    let fifos = [directory.fifo("1"), directory.fifo("2")];
    let script = "printf 1; echo 2; printf unfinished; read line < $1; echo ' done'";
    let mut child = parallel(&["--line-buffer", "-j2", "--tag", "sh", "-c", script, "sh", ":::"])
        .args(&fifos)
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || out.next().map(|line| line.unwrap());
    let mut first = [next().unwrap(), next().unwrap()];
    first.sort_unstable();
    assert_eq!(first, [format!("{}\t12", fifos[0]), format!("{}\t12", fifos[1])]);
    for fifo in fifos.iter().rev() {
        std::fs::write(fifo, "go\n").unwrap();
        assert_eq!(next(), Some(format!("{fifo}\tunfinished done")));
    }
    assert_eq!(next(), None);
    assert!(child.wait().unwrap().success());
}

#[test]
fn lines_of_interleaving_jobs_stay_whole() {
    for order in [&[][..], &["-k"]] {
        let jobs = ["--line-buffer", "-j4", "sh", "-c", PIECES, "sh", ":::", "1", "2", "3", "4", "5", "6"];
        let output = run(&[order, &jobs[..]].concat());
        for job in 1..=6 {
            let prefix = format!("{job}-");
            let lines = stdout(&output).split_inclusive('\n').filter(|line| line.starts_with(&prefix));
            assert_eq!(lines.collect::<String>(), lines_of(job));
        }
        assert_eq!(stdout(&output).lines().count(), 1800);
        if !order.is_empty() {
            assert_eq!(stdout(&output), (1..=6).map(lines_of).collect::<String>());
        }
    }
}

#[test]
fn only_the_last_try_is_printed() {
    let directory = Directory::new();
    let file = directory.path("tries");
    let script = "echo x >> $1; wc -l < $1; test $(wc -l < $1) -ge 3";
    let output = run(&["--retries", "3", "sh", "-c", script, "sh", ":::", &file]);
    assert_eq!((stdout(&output), code(&output)), ("3\n", 0));
}

#[test]
fn much_output_is_not_kept_in_memory() {
    if !memory_is_ours() {
        return;
    }
    for mode in [&["-k"][..], &["--line-buffer"]] {
        // One job ends after the others have written all; with -k, all wait for it.
        let script = "sleep 0.$1; head -c 25000000 /dev/zero | tr '\\0' $1; test $1 != 5 || sleep 0.2";
        let arguments = [mode, &["-j4", "sh", "-c", script, "sh", ":::", "5", "1", "2", "3"]].concat();
        let mut child = parallel(&arguments).spawn().unwrap();
        let mut out = child.stdout.take().unwrap();
        let mut counts = [0usize; 256];
        let mut changes = 0;
        let (mut buffer, mut last) = (vec![0; 1 << 16], 0);
        loop {
            let count = read(&mut out, &mut buffer);
            if count == 0 {
                break;
            }
            for &byte in &buffer[..count] {
                counts[byte as usize] += 1;
                changes += usize::from(byte != last && byte != b'\n');
                last = if byte == b'\n' { last } else { byte };
            }
        }
        assert!(b"1235".iter().all(|&job| counts[job as usize] == 25_000_000));
        assert_eq!(changes, 4, "{mode:?}");
        let (success, peak) = wait_with_peak(child);
        assert!(success);
        assert!(peak < 48 << 20, "{peak} bytes");
    }
}

#[test]
fn who_holds_a_pipe_is_not_waited_for_when_it_is_silent() {
    let script = "sleep 1000 & echo $!; exit 3";
    let began = Instant::now();
    let output = run(&["-j1", "sh", "-c", script, ":::", "1", "2"]);
    assert!(began.elapsed() >= Duration::from_millis(400));
    assert_eq!(code(&output), 2);
    let pids: Vec<_> =
        stdout(&output).lines().map(|pid| Pid::from_raw(pid.parse().unwrap()).unwrap()).collect();
    assert_eq!(pids.len(), 2);
    pids.into_iter().for_each(|pid| kill_process(pid, Signal::TERM).unwrap());
}

#[test]
fn what_comes_from_who_holds_a_pipe_is_waited_for() {
    // Longer than the grace in all. On a busy machine even one pause may be, but not each time.
    let script = "(for i in 1 2 3 4; do sleep 0.08; echo $i || exit; done) & echo 0";
    let all = "0\n1\n2\n3\n4\n";
    let saw_all = (0..50).any(|_| {
        let output = run(&["sh", "-c", script, ":::", "x"]);
        assert!(all.starts_with(stdout(&output)) && !stdout(&output).is_empty());
        assert_eq!(code(&output), 0);
        stdout(&output) == all
    });
    assert!(saw_all);
}

#[test]
fn a_closed_standard_output_ends_the_jobs() {
    for mode in ["--group", "-k", "--line-buffer", "--tag"] {
        let script = "echo x; test $1 != 2 || exec sleep 1000";
        let mut child =
            parallel(&[mode, "-j2", "sh", "-c", script, "sh"]).stdin(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let mut input = child.stdin.take().unwrap();
        input.write_all(b"1\n2\n3\n").unwrap();
        let output = child.wait_with_output().unwrap();
        assert!((1..=3).contains(&code(&output)), "{mode}");
        assert!(stderr(&output).contains("standard output is closed"), "{}", stderr(&output));
        assert!(!stderr(&output).contains("panic"), "{}", stderr(&output));
    }
}

#[test]
fn a_full_standard_output_is_an_error() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = parallel(&["echo", ":::", "x"]).stdout(full).output().unwrap();
    assert_eq!(code(&output), 255);
    assert!(stderr(&output).contains("cannot write standard output"), "{}", stderr(&output));
}

#[test]
fn a_slow_reader_loses_nothing() {
    let mut child = parallel(&["-j4", "-k", "seq", ":::", "50000", "50001", "50002"]).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    let mut all = Vec::new();
    let mut piece = [0; 1 << 15];
    loop {
        std::thread::sleep(Duration::from_millis(1));
        match read(&mut out, &mut piece) {
            0 => break,
            count => all.extend_from_slice(&piece[..count]),
        }
    }
    assert!(child.wait().unwrap().success());
    let expected = Command::new("sh").args(["-c", "seq 50000; seq 50001; seq 50002"]).output().unwrap();
    assert!(all == expected.stdout);
}
