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
