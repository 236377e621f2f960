//! `log`, where the file cannot be written.

mod common;

use std::fs;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{geteuid, Signal};

use common::log::{files, job, until};
use common::{file, start, Supervise};

/// Has a service that echoes what is written to the fifo, and a way to say something there.
struct Echo {
    fifo: fs::File,
    said: Box<dyn Fn() -> String>,
}

impl Echo {
    const SCRIPT: &str = "while read -r line; do echo $line; echo $line >>DIR/said; done <DIR/fifo";

    fn prepare(directory: &Path) {
        assert!(Command::new("mkfifo").arg(directory.join("fifo")).status().unwrap().success());
    }

    fn new(directory: &Path) -> Echo {
        let fifo = fs::OpenOptions::new().write(true).open(directory.join("fifo")).unwrap();
        let said = directory.join("said");
        Echo { fifo, said: Box::new(move || fs::read_to_string(&said).unwrap_or_default()) }
    }

    /// Returns when the service has written it, wherever to.
    fn say(&mut self, line: &str) {
        writeln!(self.fifo, "{line}").unwrap();
        until(|| (self.said)().ends_with(&format!("{line}\n")));
    }
}

/// In clock ticks.
fn used(supervise: &Supervise) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", supervise.pid)).unwrap();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[test]
fn a_directory_that_goes_away_stops_nothing() {
    let (directory, path) = file(&job("'DIR/logs/log'", Echo::SCRIPT));
    let directory = directory.path();
    Echo::prepare(directory);
    let (logs, log) = (directory.join("logs"), directory.join("logs/log"));
    let mut supervise = start(&[], &[], &path);
    let mut echo = Echo::new(directory);
    // It is not there yet.
    echo.say("none");
    supervise.until_said("job: what it writes is dropped: cannot write");
    fs::create_dir(&logs).unwrap();
    echo.say("one");
    supervise.until_said("is written again, 5 bytes were dropped");
    until(|| fs::read_to_string(&log).unwrap_or_default() == "one\n");
    fs::remove_dir_all(&logs).unwrap();
    let before = used(&supervise);
    for number in 0..100 {
        echo.say(&format!("lost {number}"));
    }
    std::thread::sleep(std::time::Duration::from_millis(500));
    // Of 50 at least.
    assert!(used(&supervise) - before < 25);
    fs::create_dir(&logs).unwrap();
    echo.say("two");
    supervise.signal(Signal::TERM);
    let (code, _, stderr) = supervise.end();
    assert_eq!((code, fs::read_to_string(&log).unwrap().as_str()), (0, "two\n"), "{stderr}");
    let reports: Vec<_> = stderr.lines().filter(|line| line.contains("dropped")).collect();
    assert_eq!(reports.len(), 2, "{stderr}");
    assert!(reports[0].contains("No such file or directory") && reports[1].contains("790 bytes"), "{stderr}");
}

/// Its end comes when the file can be written again.
#[test]
fn a_line_is_dropped_as_a_whole() {
    let script = "while read -r piece; do printf %b \"$piece\"; printf \"%s\\n\" \"$piece\" >>DIR/said; done <DIR/fifo";
    let (directory, path) = file(&job("'DIR/logs/log'", script));
    let directory = directory.path();
    Echo::prepare(directory);
    let mut supervise = start(&[], &[], &path);
    let mut echo = Echo::new(directory);
    echo.say("half");
    supervise.until_said("job: what it writes is dropped: cannot write");
    fs::create_dir(directory.join("logs")).unwrap();
    for piece in ["of", "it", "\\012next", "line", "\\012"] {
        echo.say(piece);
    }
    supervise.until_said("is written again, 9 bytes were dropped");
    supervise.signal(Signal::TERM);
    assert_eq!(supervise.end().0, 0);
    assert_eq!(fs::read_to_string(directory.join("logs/log")).unwrap(), "nextline\n");
}

#[test]
fn a_directory_that_may_not_be_written_stops_nothing() {
    if !geteuid().is_root() {
        return common::skip("only root may become somebody who may not");
    }
    let (directory, path) = file(&job("{ file = 'DIR/logs/log', size = 4096 }", Echo::SCRIPT));
    let directory = directory.path();
    Echo::prepare(directory);
    let mode = |name: &str, mode| {
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
        fs::set_permissions(directory.join(name), permissions).unwrap();
    };
    fs::create_dir(directory.join("logs")).unwrap();
    fs::write(directory.join("logs/log"), "").unwrap();
    fs::write(directory.join("said"), "").unwrap();
    for (name, bits) in
        [("", 0o755), ("services.toml", 0o644), ("fifo", 0o666), ("said", 0o666), ("logs/log", 0o666)]
    {
        mode(name, bits);
    }
    let mut supervise = start(&["setpriv", "--reuid=65534", "--clear-groups"], &[], &path);
    let mut echo = Echo::new(directory);
    let line = "x".repeat(1000);
    (0..4).for_each(|number| echo.say(&format!("{number}{line}")));
    // No file can be renamed: that is where it ends.
    echo.say(&format!("4{line}"));
    supervise.until_said("Permission denied");
    assert_eq!(fs::metadata(directory.join("logs/log")).unwrap().len(), 4008);
    mode("logs", 0o777);
    echo.say(&format!("5{line}"));
    supervise.until_said("is written again, 1002 bytes were dropped");
    supervise.signal(Signal::TERM);
    assert_eq!(supervise.end().0, 0);
    let files = files(&directory.join("logs/log"));
    assert_eq!((files[0].len(), &*files[1]), (4008, format!("5{line}\n").as_bytes()));
}

#[test]
fn a_full_disk_stops_nothing() {
    if !geteuid().is_root() {
        return common::skip("only root may mount a file system");
    }
    let script = format!("{0}; seq 200000; echo $? >DIR/done; {0}", Echo::SCRIPT);
    let (directory, path) = file(&job("'DIR/disk/log'", &script));
    let directory = directory.path();
    Echo::prepare(directory);
    fs::create_dir(directory.join("disk")).unwrap();
    let disk = directory.join("disk");
    let mount = "mount -t tmpfs -o size=64k none \"$0\" || exit 77; exec \"$@\"";
    let before = ["unshare", "--mount", "sh", "-c", mount, disk.to_str().unwrap()];
    let mut supervise = start(&before, &[], &path);
    let mut echo = Echo::new(directory);
    // As it is mounted there.
    let inside = PathBuf::from(format!("/proc/{}/root{}", supervise.pid, disk.display()));
    echo.say("first");
    until(|| fs::read_to_string(inside.join("log")).unwrap_or_default() == "first\n");
    let fill = |name: &str| {
        let mut file = fs::File::create(inside.join(name)).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
    };
    fill("fill");
    // The page that is there has room for it, and no more.
    let line = "x".repeat(3000);
    echo.say(&format!("a{line}"));
    echo.say(&format!("b{line}"));
    supervise.until_said("job: what it writes is dropped: cannot write");
    // It writes as much as it likes, and does not wait.
    drop(echo);
    until(|| directory.join("done").exists());
    let before = used(&supervise);
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert!(used(&supervise) - before < 25);
    let mut echo = Echo::new(directory);
    fs::remove_file(inside.join("fill")).unwrap();
    echo.say("last");
    let mut said = String::new();
    while !said.contains("is written again") {
        assert!(supervise.stderr.read_line(&mut said).unwrap() > 0, "{said}");
    }
    // Once was enough.
    assert!(!said.contains("cannot write"), "{said}");
    // What was written is whole, except for the line that the disk had no room for; and what comes then is a line.
    let text = fs::read_to_string(inside.join("log")).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!((lines[0], lines[1], lines[lines.len() - 1]), ("first", &*format!("a{line}"), "last"));
    assert!(lines.len() == 4 && lines[2].bytes().skip(1).all(|byte| byte == b'x') && lines[2].len() < 3000);
    drop(echo);
    supervise.signal(Signal::TERM);
    assert_eq!(supervise.end().0, 0);
}

/// As a full disk: an error, and not the end of `supervise`.
#[test]
fn a_limit_of_file_sizes_stops_nothing() {
    let (directory, path) = file(&job("'DIR/log'", "seq 20000; echo done >DIR/done"));
    let mut supervise = start(&["prlimit", "--fsize=8192"], &[], &path);
    supervise.until_said("job: what it writes is dropped: cannot write");
    let (code, _, stderr) = supervise.end();
    assert_eq!(code, 0, "{stderr}");
    assert!(directory.path().join("done").exists());
    assert_eq!(fs::metadata(directory.path().join("log")).unwrap().len(), 8192);
}
