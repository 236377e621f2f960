//! `log`: the file that a service's output goes to.

mod common;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{geteuid, Signal};
use tempfile::TempDir;

use common::log::{files, job, numbers, run_in, until};
use common::{file, run, start, Supervise};

#[test]
fn both_streams_go_to_the_file_in_their_order() {
    let script = "echo one; echo two >&2; printf three; echo 4 >/dev/stderr; printf \"\\\\377\\\\0\\\\r\\\\n\"; printf end";
    let (directory, code, stdout, stderr) = run_in(&job("'DIR/log'", script));
    assert_eq!((code, &*stdout), (0, ""), "{stderr}");
    let wanted = b"one\ntwo\nthree4\n\xff\0\r\nend";
    assert_eq!(fs::read(directory.path().join("log")).unwrap(), wanted);
    // What it is for others.
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &directory.path().join("log").metadata().unwrap().permissions(),
    );
    assert_eq!(mode & 0o027, 0);
}

/// As far as it may be read and written again, by its own user.
#[test]
fn a_service_of_another_user_may_open_its_standard_error() {
    if !geteuid().is_root() {
        return common::skip("only root may start a service as another user");
    }
    let text = job("'DIR/log'", "echo here >/dev/stderr").replace("log =", "user = 'nobody'\nlog =");
    for options in [&[][..], &["--state", "state"]] {
        let (directory, path) = file(&text);
        let state = directory.path().join("state");
        let options =
            options.iter().map(|&word| if word == "state" { state.to_str().unwrap() } else { word });
        let (code, _, stderr) = start(&[], &options.collect::<Vec<_>>(), &path).end();
        assert_eq!(code, 0, "{stderr}");
        assert_eq!(fs::read_to_string(directory.path().join("log")).unwrap(), "here\n");
    }
}

#[test]
fn no_line_is_lost_or_torn_by_rotation() {
    let log = "{ file = 'DIR/log', size = '64k', rotate = 100 }";
    let (directory, code, _, stderr) = run_in(&job(log, "seq 300000; (seq 300001 400000)"));
    assert_eq!(code, 0, "{stderr}");
    let files = files(&directory.path().join("log"));
    assert!(files.concat() == numbers(400_000));
    assert!(files.len() > 40 && files.iter().all(|file| file.ends_with(b"\n")));
    // `seq` writes lines in two pieces; and none is smaller than need be.
    assert!(files.iter().all(|file| file.len() < (64 << 10) + 7));
    assert!(files.iter().rev().skip(1).all(|file| file.len() > (64 << 10) - 8));
}

#[test]
fn so_many_old_files_are_kept() {
    for (rotate, wanted) in [(0, 1), (2, 3)] {
        let log = format!("{{ file = 'DIR/log', size = 4096, rotate = {rotate} }}");
        let (directory, code, ..) = run_in(&job(&log, "seq 20000"));
        assert_eq!(code, 0);
        let files = files(&directory.path().join("log"));
        assert_eq!(files.len(), wanted);
        assert!(numbers(20_000).ends_with(&files.concat()));
        // The services file is the other one.
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), wanted + 1);
    }
}

/// One that begins in a file, and one that is longer than a file.
#[test]
fn long_lines_are_written_in_pieces_in_order() {
    let script =
        "echo first; seq -s , 100000; echo; seq -s , 10000 | tr -d \"\\\\n\"; sleep 0.1; echo; echo last";
    let line = |most: u32| (1..=most).map(|number| number.to_string()).collect::<Vec<_>>().join(",");
    let wanted = format!("first\n{}\n\n{}\nlast\n", line(100_000), line(10_000)).into_bytes();
    let (directory, ..) = run_in(&job("{ file = 'DIR/log', size = '10M' }", script));
    assert!(fs::read(directory.path().join("log")).unwrap() == wanted);
    let (directory, ..) = run_in(&job("{ file = 'DIR/log', size = '100k', rotate = 100 }", script));
    let files = files(&directory.path().join("log"));
    assert!(files.concat() == wanted);
    // Bounded in any case.
    assert!(files.len() > 5 && files.iter().all(|file| file.len() < 200 << 10));
}

#[test]
fn it_is_appended_to_what_is_there() {
    let (directory, path) = file(&job("{ file = 'DIR/log', size = 4096 }", "echo new"));
    let log = directory.path().join("log");
    for (before, wanted) in [
        ("old\n".into(), vec!["old\nnew\n".into()]),
        ("cut ".into(), vec!["cut new\n".into()]),
        ("x\n".repeat(3000), vec!["x\n".repeat(3000), "new\n".into()]),
    ] {
        fs::write(&log, before).unwrap();
        assert_eq!(start(&[], &[], &path).end().0, 0);
        let files = files(&log).into_iter().map(|file| String::from_utf8(file).unwrap());
        assert_eq!(files.collect::<Vec<_>>(), wanted);
    }
    // Nobody has it written elsewhere.
    fs::remove_file(&log).unwrap();
    std::os::unix::fs::symlink(directory.path().join("elsewhere"), &log).unwrap();
    let (code, _, stderr) = start(&[], &[], &path).end();
    assert!(code == 0 && stderr.contains("what it writes is dropped: cannot write"), "{stderr}");
    assert!(!directory.path().join("elsewhere").exists());
}

/// Says numbers, until a file is there, and then how many.
const COUNTS: &str =
    "i=0; while ! test -e DIR/stop; do i=$((i + 1)); echo $i; done; echo $i >DIR/count; exec sleep 1000";

fn counting(options: &str) -> (TempDir, PathBuf, String) {
    let log = "{ file = 'DIR/log', size = '16k', rotate = 1000 }";
    let (directory, path) = file(&job(log, COUNTS));
    let state = directory.path().join(options).to_str().unwrap().into();
    (directory, path, state)
}

/// All that it has said is in the files, once, and in order.
fn is_whole(directory: &Path, mut supervise: Supervise) {
    fs::write(directory.join("stop"), "").unwrap();
    let count = || fs::read_to_string(directory.join("count")).unwrap_or_default();
    until(|| count().ends_with('\n'));
    supervise.signal(Signal::TERM);
    let status = supervise.wait();
    assert!(status.success(), "{status}");
    let count = count().trim().parse().unwrap();
    assert!(files(&directory.join("log")).concat() == numbers(count));
    assert!(count > 1000, "{count}");
    assert!(!directory.join("state.d").exists());
}

#[test]
fn nothing_is_lost_when_supervise_is_killed() {
    let (directory, path, state) = counting("state");
    let options = ["--state", &state];
    let mut supervise = start(&[], &options, &path);
    supervise.until_said("started");
    for round in 0..30 {
        std::thread::sleep(std::time::Duration::from_millis(10 + round));
        supervise.signal(Signal::KILL);
        supervise.wait();
        supervise = start(&[], &options, &path);
        supervise.until_said("found again");
    }
    is_whole(directory.path(), supervise);
}

#[test]
fn nothing_is_lost_in_an_upgrade() {
    let (directory, path, state) = counting("state");
    let mut supervise = start(&[], &["--state", &state], &path);
    supervise.until_said("started");
    for _ in 0..5 {
        supervise.signal(Signal::USR2);
        supervise.until_said("found again");
    }
    is_whole(directory.path(), supervise);
}

/// What comes while nobody reads it waits in the pipe, and so does, in the end, the service.
#[test]
fn the_next_one_finds_what_was_written_meanwhile() {
    let script =
        "echo up; while ! test -e DIR/go; do sleep 0.01; done; seq 20000; echo $? >DIR/done; exec sleep 1000";
    let (directory, path) = file(&job("'DIR/log'", script));
    let directory = directory.path();
    let state = directory.join("state");
    let options = ["--state", state.to_str().unwrap()];
    let log = directory.join("log");
    let mut first = start(&[], &options, &path);
    until(|| fs::read(&log).unwrap_or_default() == b"up\n");
    first.signal(Signal::KILL);
    first.wait();
    fs::write(directory.join("go"), "").unwrap();
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(fs::read(&log).unwrap(), b"up\n");
    // More than a pipe has room for.
    assert!(!directory.join("done").exists());
    let mut second = start(&[], &options, &path);
    until(|| directory.join("done").exists());
    second.signal(Signal::TERM);
    assert!(second.wait().success());
    assert!(fs::read(&log).unwrap() == [b"up\n", &*numbers(20_000)].concat());
}

/// It has nowhere to write to any more, and does not wait for that.
#[test]
fn one_that_has_a_log_no_more_goes_on() {
    let script = "echo up; while ! test -e DIR/go; do sleep 0.01; done; seq 100000; echo $? >DIR/done; exec sleep 1000";
    for forgotten in [false, true] {
        let (directory, path) = file(&job("'DIR/log'", script));
        let directory = directory.path();
        let state = directory.join("state");
        let options = ["--state", state.to_str().unwrap()];
        let mut first = start(&[], &options, &path);
        until(|| fs::read(directory.join("log")).unwrap_or_default() == b"up\n");
        first.signal(Signal::KILL);
        first.wait();
        let text = fs::read_to_string(&path).unwrap();
        let log = format!("log = '{}/log'\n", directory.display());
        assert!(text.contains(&log));
        let text = match forgotten {
            false => text.replace(&log, ""),
            true => "[[service]]\nname = 'other'\ncommand = ['sleep', '1000']\n".into(),
        };
        fs::write(&path, text).unwrap();
        let mut second = start(&[], &options, &path);
        if forgotten {
            second.until_said("job: it is in the file no more");
            second.until_said("job: pid");
        } else {
            fs::write(directory.join("go"), "").unwrap();
            second.until_said("what it writes is dropped: it has no log any more");
            until(|| directory.join("done").exists());
        }
        second.signal(Signal::TERM);
        assert!(second.wait().success());
    }
}

#[test]
fn a_change_of_the_log_restarts_nothing() {
    let script = "echo $$ >>DIR/pids; while read -r line; do echo $line; done <DIR/fifo";
    let (directory, path) = file(&job("'DIR/log'", script));
    let directory = directory.path();
    let read = |name: &str| fs::read_to_string(directory.join(name)).unwrap_or_default();
    assert!(Command::new("mkfifo").arg(directory.join("fifo")).status().unwrap().success());
    let mut supervise = start(&[], &[], &path);
    let mut fifo = fs::OpenOptions::new().write(true).open(directory.join("fifo")).unwrap();
    writeln!(fifo, "one").unwrap();
    until(|| read("log") == "one\n");

    // Another program has renamed it: a SIGHUP, as it is used to.
    fs::rename(directory.join("log"), directory.join("old")).unwrap();
    writeln!(fifo, "two").unwrap();
    until(|| read("old") == "one\ntwo\n");
    supervise.signal(Signal::HUP);
    supervise.until_said("read again, 0 changed");
    writeln!(fifo, "three").unwrap();
    until(|| read("log") == "three\n");

    let text = fs::read_to_string(&path).unwrap();
    let log = format!("'{}/log'", directory.display());
    let with = |new: &str| text.replace(&log, &new.replace("DIR", directory.to_str().unwrap()));
    fs::write(&path, with("{ file = 'DIR/other', size = 4096, rotate = 2 }")).unwrap();
    supervise.signal(Signal::HUP);
    supervise.until_said("read again, 1 changed");
    for _ in 0..5 {
        writeln!(fifo, "{}", "x".repeat(1000)).unwrap();
    }
    until(|| read("other.1").len() == 4004 && read("other").len() == 1001);
    assert_eq!(read("log"), "three\n");
    assert_eq!(read("pids").lines().count(), 1);

    // Where it has none, or has one again, it must be another process.
    fs::write(&path, text.replace(&format!("log = {log}\n"), "").replace("never", "always")).unwrap();
    supervise.signal(Signal::HUP);
    supervise.until_said("read again, 1 changed");
    until(|| read("pids").lines().count() == 2);
    drop(fifo);
    supervise.signal(Signal::TERM);
    assert_eq!(supervise.end().0, 0);
}

#[test]
fn check_finds_a_log_that_cannot_be() {
    let check = |before: &[&str], path: &PathBuf| start(before, &["--check"], path).end();
    let (_directory, path) = file(&job("'DIR/no/log'", "true"));
    let (code, _, stderr) = check(&[], &path);
    assert!(code == 2 && stderr.contains("line 4: log: there is no directory"), "{stderr}");
    let (directory, path) = file(&job("'DIR/log'", "true"));
    assert_eq!(check(&[], &path), (0, String::new(), String::new()));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    if !geteuid().is_root() {
        return;
    }
    for it in [directory.path(), &path] {
        fs::set_permissions(it, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    let (code, _, stderr) = check(&["setpriv", "--reuid=65534", "--clear-groups"], &path);
    assert!(code == 2 && stderr.contains("line 4: log: no file can be made in"), "{stderr}");
}

/// A run without an error prints nothing of it.
#[test]
fn a_service_without_one_writes_where_supervise_does() {
    let text = job("'x'", "echo here").replace("log = 'x'\n", "");
    assert_eq!(run(&text).1, "here\n");
}

/// Some programs make it so that they do not wait, for others, too.
#[test]
fn the_next_run_has_a_pipe_that_blocks() {
    let flags = "sed -n s/flags://p /proc/self/fdinfo/1";
    let script = format!(
        "test -e DIR/over && exec sleep 1000; test -e DIR/once && >DIR/over; >DIR/once
        {flags}; dd if=/dev/null oflag=nonblock status=none; {flags}"
    );
    let text =
        job("'DIR/log'", &script).replace("'never'", "'always'\nbackoff = { first = '1ms', cap = '1ms' }");
    let (directory, path) = file(&text);
    let supervise = start(&[], &[], &path);
    let log = || fs::read_to_string(directory.path().join("log")).unwrap_or_default();
    until(|| log().lines().count() == 4);
    let lines: Vec<_> =
        log().lines().map(|line| u32::from_str_radix(line.trim(), 8).unwrap() & 0o4000).collect();
    assert_eq!(lines, [0, 0o4000, 0, 0o4000]);
    supervise.signal(Signal::TERM);
    assert_eq!(supervise.end().0, 0);
}

/// Whatever it does with them.
#[test]
fn what_a_service_is_given_is_two_descriptors() {
    let script = "ls /proc/self/fd | wc -l; exec >&- 2>&-; exec true";
    let (directory, code, ..) = run_in(&job("'DIR/log'", script));
    // And that of the directory.
    assert_eq!((code, &*fs::read_to_string(directory.path().join("log")).unwrap()), (0, "4\n"));
    let text =
        job("'DIR/log'", "true").replace("'never'", "'always'\nbackoff = { first = '1ms', cap = '1ms' }");
    let (_directory, path) = file(&text);
    let mut supervise = start(&[], &[], &path);
    supervise.until_said("ended");
    let before = supervise.fds();
    (0..100).for_each(|_| supervise.until_said("ended"));
    assert!(supervise.fds().abs_diff(before) <= 3);
    supervise.signal(Signal::TERM);
    supervise.end();
}
