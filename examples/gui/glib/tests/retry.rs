//! The program itself, to its end.

use std::process::{Command, Output};

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_childset-glib")).args(arguments).output().unwrap()
}

#[test]
fn commands_are_run_until_they_succeed() {
    let log = std::env::temp_dir().join(format!("childset-glib-{}", std::process::id()));
    // Succeeds when its log has three lines.
    let third = format!("echo >>{0}; test $(wc -l <{0}) = 3", log.display());
    let output = run(&["--pause", "0.01", "true", &third]);
    let lines = std::fs::read_to_string(&log).unwrap();
    std::fs::remove_file(&log).unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(lines, "\n\n\n");
    let mut shown: Vec<_> = std::str::from_utf8(&output.stdout).unwrap().lines().collect();
    shown.sort_unstable();
    let (failed, succeeded) = (format!("{third}: exit status: 1"), format!("{third}: exit status: 0"));
    assert_eq!(shown, [&succeeded, &failed, &failed, "true: exit status: 0"]);
}

#[test]
fn a_command_that_fails_too_often() {
    let output = run(&["--pause", "0", "--tries", "2", "kill -9 $$", "true"]);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("kill -9 $$: failed 2 times"), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("true: exit status: 0"), "{output:?}");
}

#[test]
fn bad_pauses() {
    for pause in ["-1", "nan", "1e30", "soon"] {
        let output = run(&[&format!("--pause={pause}"), "true"]);
        assert_eq!(output.status.code(), Some(2), "{pause}");
    }
}

/// Processes that have a word in their command line.
fn processes(with: &str) -> usize {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = all.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    lines.filter(|line| line.split(|&byte| byte == 0).any(|word| word == with.as_bytes())).count()
}

#[test]
fn nothing_is_left_when_it_is_told_to_end() {
    let seconds = format!("1000.{}", std::process::id());
    let mut child = Command::new(env!("CARGO_BIN_EXE_childset-glib"))
        .args([format!("sleep {seconds} | sleep {seconds}"), format!("sleep {seconds}; true")])
        .spawn()
        .unwrap();
    until(|| processes(&seconds) == 3);
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    until(|| processes(&seconds) == 0);
}

fn until(mut is: impl FnMut() -> bool) {
    let start = std::time::Instant::now();
    while !is() {
        assert!(start.elapsed().as_secs() < 60);
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

#[test]
fn the_limit_of_descriptors_is_raised_and_said_when_reached() {
    // Too few for 20 commands with a set each.
    let program = env!("CARGO_BIN_EXE_childset-glib");
    let commands = "'ulimit -n; exit' ".repeat(20);
    let run = |limits: &str| {
        Command::new("sh")
            .args(["-c", &format!("{limits}; {program} --tries 1 {commands}")])
            .output()
            .unwrap()
    };
    let output = run("ulimit -Sn 30; ulimit -Hn 1000");
    assert!(output.status.success(), "{output:?}");
    // The commands have the limit that the program had.
    assert!(String::from_utf8_lossy(&output.stdout).contains("30\n"), "{output:?}");

    let output = run("ulimit -Sn 30; ulimit -Hn 30");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("the limit of 30 open files is reached"), "{output:?}");
}
