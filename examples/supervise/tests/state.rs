//! `--state`: services outlive `supervise`, and are found again.

mod common;

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Command;

use rustix::process::{geteuid, kill_process, Pid, Signal};

use common::{children, file, run_with, skip, start, Supervise};

/// Says `up`, and writes its pid.
const STAYS: &str =
    "[[service]]\nname = 'stays'\ncommand = ['sh', '-c', 'echo $$ >>DIR/pids; echo up; exec sleep 1000']\n";

struct Fixture {
    directory: tempfile::TempDir,
    file: std::path::PathBuf,
}

impl Fixture {
    fn new(text: &str) -> Fixture {
        let (directory, file) = file(text);
        Fixture { directory, file }
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).to_str().unwrap().into()
    }

    fn start(&self) -> Supervise {
        start(&[], &["--state", &self.path("state")], &self.file)
    }

    fn lines(&self, name: &str) -> Vec<String> {
        fs::read_to_string(self.path(name)).unwrap_or_default().lines().map(String::from).collect()
    }
}

fn kill(supervise: &mut Supervise) {
    supervise.signal(Signal::KILL);
    supervise.wait();
}

/// Not by ourselves: a child that another test makes meanwhile would have it open for writing, and it could not be run.
fn copy(from: &str, to: &str) {
    assert!(Command::new("cp").args([from, to]).status().unwrap().success());
}

fn signal(pid: &str, signal: Signal) {
    kill_process(Pid::from_raw(pid.parse().unwrap()).unwrap(), signal).unwrap();
}

/// Neither there nor a zombie that waits to be reaped by whoever reaps orphans here.
fn is_gone(pid: &str) -> bool {
    match fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => stat.rsplit(')').next().unwrap().trim_start().starts_with(['Z', 'X']),
        Err(_) => true,
    }
}

#[test]
fn services_are_found_again_after_a_kill() {
    let fixture = Fixture::new(STAYS);
    let mut first = fixture.start();
    first.until("up");
    kill(&mut first);
    let pids = fixture.lines("pids");
    assert!(!is_gone(&pids[0]));
    let mut second = fixture.start();
    second.until_said(&format!("stays: found again, pid {}", pids[0]));
    assert_eq!([second.column(0, 1), second.column(0, 2)], ["running", &pids[0]]);
    // It is watched.
    signal(&pids[0], Signal::KILL);
    second.until_said("stays: pid");
    second.until("up");
    let pids = fixture.lines("pids");
    assert_eq!((pids.len(), second.column(0, 3)), (2, "1".into()));
    kill(&mut second);
    let mut third = fixture.start();
    third.until_said("found again");
    assert_eq!(third.column(0, 3), "1");
    third.signal(Signal::TERM);
    assert_eq!(third.end().0, 0);
    assert!(is_gone(&pids[1]));
    // All were stopped: what comes next begins anew.
    let mut fourth = fixture.start();
    fourth.until("up");
    assert_eq!(fourth.column(0, 3), "0");
    fourth.signal(Signal::TERM);
    assert_eq!(fourth.end().0, 0);
    assert_eq!(fixture.lines("pids").len(), 3);
}

#[test]
fn one_that_ended_meanwhile_is_known_to_have_ended() {
    let job = "[[service]]\nname = 'job'\nrestart = 'never'\ncommand = ['sh', '-c', 'echo x >>DIR/jobs']\n";
    let fixture = Fixture::new(&[job, STAYS].concat());
    let mut first = fixture.start();
    first.until_said("job: pid");
    first.until("up");
    // It is said before it is in the file, and that before the table.
    assert_eq!(first.column(0, 1), "done");
    kill(&mut first);
    let pid = fixture.lines("pids").remove(0);
    signal(&pid, Signal::KILL);
    while fs::exists(format!("/proc/{pid}")).unwrap() {}
    let mut second = fixture.start();
    second.until_said("stays: exit status unknown");
    second.until("up");
    // A job that was done before is not done again.
    assert_eq!(second.column(0, 1), "done");
    second.signal(Signal::TERM);
    assert_eq!(second.end().0, 0);
    assert_eq!((fixture.lines("pids").len(), fixture.lines("jobs").len()), (2, 1));
}

/// The process is the same, and what was its child is so still: the kernel gives the status to nobody else.
#[test]
fn an_upgrade_keeps_the_children() {
    let ends = "[[service]]\nname = 'ends'\nrestart = 'never'
command = ['sh', '-c', \"trap 'exit 7' USR1; echo $$ >DIR/ends; echo up; while :; do sleep 0.01; done\"]\n";
    let fixture = Fixture::new(&[STAYS, ends].concat());
    let mut supervise = fixture.start();
    (0..2).for_each(|_| supervise.until("up"));
    let before = children(supervise.pid).len();
    for _ in 0..3 {
        supervise.signal(Signal::USR2);
        supervise.until_said("becoming");
        // What comes while nobody is prepared for it waits.
        supervise.signal(Signal::USR1);
        supervise.until_said("ends: found again");
        supervise.until_said("strangers reaped: 0");
    }
    assert_eq!(children(supervise.pid).len(), before);
    signal(&fixture.lines("ends")[0], Signal::USR1);
    supervise.until_said("ends: pid");
    assert_eq!([supervise.column(1, 1), supervise.column(1, 4)], ["failed", "exit status: 7"]);
    assert_eq!(fixture.lines("pids").len(), 1);
    supervise.signal(Signal::TERM);
    assert_eq!(supervise.end().0, 1);
}

/// Ended before the new program looked: it is a zombie of ours.
#[test]
fn the_status_of_a_child_that_ends_during_an_upgrade_is_known() {
    let ends = "[[service]]\nname = 'ends'\nrestart = 'never'\ncommand = ['sh', '-c', 'read line <DIR/go; exit 9']\n";
    let fixture = Fixture::new(ends);
    assert!(Command::new("mkfifo").arg(fixture.path("go")).status().unwrap().success());
    // The new program, which has the service end before it is itself.
    let real = env!("CARGO_BIN_EXE_supervise");
    let program = fixture.path("supervise");
    copy(real, &program);
    let mut supervise = common::start_program(&program, &["--state", &fixture.path("state")], &fixture.file);
    supervise.until_said("started");
    // It makes no child of its own, since the shell would reap any with it.
    let script = format!(
        "#!/bin/sh
case \"$*\" in *--check*) exit 0;; esac
echo >{}
while :; do
    while read -r key value; do case $key$value in State:Z*) break 2;; esac; done </proc/{}/status
done
exec {real} \"$@\"\n",
        fixture.path("go"),
        children(supervise.pid)[0].0,
    );
    fs::remove_file(&program).unwrap();
    fs::write(&program, script).unwrap();
    assert!(Command::new("chmod").args(["+x", &program]).status().unwrap().success());
    supervise.signal(Signal::USR2);
    supervise.until_said("exit status: 9");
    assert_eq!(supervise.end().0, 1);
}

#[test]
fn a_program_that_does_not_work_is_no_upgrade() {
    let fixture = Fixture::new(STAYS);
    let program = fixture.path("supervise");
    copy(env!("CARGO_BIN_EXE_supervise"), &program);
    let mut supervise = common::start_program(&program, &["--state", &fixture.path("state")], &fixture.file);
    supervise.until("up");
    fs::remove_file(&program).unwrap();
    supervise.signal(Signal::USR2);
    supervise.until_said("no upgrade: ");
    copy("/bin/false", &program);
    supervise.signal(Signal::USR2);
    supervise.until_said("no upgrade: ");
    assert_eq!(supervise.column(0, 1), "running");
    supervise.signal(Signal::TERM);
    assert_eq!(supervise.end().0, 0);
    let (_directory, path) = file(STAYS);
    let mut without = start(&[], &[], &path);
    without.until("up");
    without.signal(Signal::USR2);
    without.until_said("no upgrade: without --state");
    without.signal(Signal::TERM);
    assert_eq!(without.end().0, 0);
}

#[test]
fn one_that_is_in_the_file_no_more_is_stopped() {
    let fixture = Fixture::new(&[STAYS, &STAYS.replace("stays", "leaves")].concat());
    let mut first = fixture.start();
    (0..2).for_each(|_| first.until("up"));
    kill(&mut first);
    let text = fs::read_to_string(&fixture.file).unwrap();
    fs::write(&fixture.file, text.rsplit_once("[[service]]").unwrap().0).unwrap();
    let mut second = fixture.start();
    second.until_said("leaves: it is in the file no more");
    second.until_said("leaves: pid");
    assert_eq!((second.table().len(), fixture.lines("pids").len()), (2, 2));
    second.signal(Signal::TERM);
    assert_eq!(second.end().0, 0);
    assert!(fixture.lines("pids").iter().all(|pid| is_gone(pid)));
}

/// By way of our own program, a service is what it is without.
#[test]
fn what_a_service_is_given_is_the_same() {
    let text = "[[service]]\nname = 'a'\nrestart = 'never'\ndirectory = '/'\nenvironment = { X = 'y z' }
limits = { nofile = 20, core = 0 }
command = ['sh', '-c', '''
    pwd; echo \"$X\"; ulimit -n; ulimit -c; readlink /proc/self/fd/0; echo \"$0\"
    set -- /proc/self/fd/*; echo $#; grep -E \"^(Sig(Blk|Ign)|Uid|Gid|Groups)\" /proc/self/status; env | sort
    read -r pid name state parent group rest </proc/self/stat; test $pid = $group && echo leader''', 'zero']\n";
    let user = if geteuid().is_root() { "user = 'nobody'\n" } else { "" };
    let text = text.replace("directory", &format!("{user}directory"));
    let with = Fixture::new(&text);
    let (code, stdout, stderr) = with.start().end();
    let (_, wanted, _) = run_with(&[], &text);
    assert!(stdout.contains("/dev/null\nzero\n4\n") && stdout.ends_with("leader\n"), "{stdout}{stderr}");
    assert_eq!((code, stdout), (0, wanted));
}

#[test]
fn a_program_that_cannot_be_run_is_said() {
    for (program, code) in [("/no/such/program", 127), ("/etc/passwd", 126)] {
        let fixture =
            Fixture::new(&format!("[[service]]\nname = 'a'\nessential = true\ncommand = ['{program}']\n"));
        let (ended, _, stderr) = fixture.start().end();
        assert_eq!(ended, code, "{stderr}");
        assert!(stderr.contains(&format!("a: cannot run \"{program}\": ")), "{stderr}");
    }
}

#[test]
fn one_file_has_one_supervise() {
    let fixture = Fixture::new(STAYS);
    let mut first = fixture.start();
    first.until("up");
    let (code, _, stderr) = fixture.start().end();
    assert!(code == 2 && stderr.contains("another supervise has it"), "{stderr}");
    first.signal(Signal::TERM);
    assert_eq!(first.end().0, 0);
    assert_eq!(fixture.lines("pids").len(), 1);
}

#[test]
fn a_full_disk_is_said_before_anything_is_started() {
    if !geteuid().is_root() {
        return skip("only root may mount a file system");
    }
    let fixture = Fixture::new(&[STAYS, &STAYS.replace("stays", "other")].concat());
    let disk = fixture.path("disk");
    fs::create_dir(&disk).unwrap();
    // Two pages, and three are needed.
    let script = "mount -t tmpfs -o size=8k none \"$0\" || exit 77; exec \"$@\"";
    let before = ["unshare", "--mount", "sh", "-c", script, &disk];
    let mut supervise = start(&before, &["--state", &format!("{disk}/state")], &fixture.file);
    let mut stderr = String::new();
    supervise.stderr.read_to_string(&mut stderr).unwrap();
    match supervise.wait().code() {
        Some(77) => skip("no mount namespace"),
        code => assert!(code == Some(2) && stderr.contains("No space left on device"), "{stderr}"),
    }
    assert!(!Path::new(&fixture.path("pids")).exists());
}
