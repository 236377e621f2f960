//! Services: started, restarted, stopped, and what they are given.

mod common;

use std::fs;
use std::io::Read;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{geteuid, Signal};

use common::{children, file, is_flat, kernel, run, skip, start};

/// A service that says `up`, and when its signal comes its name.
fn polite(name: &str) -> String {
    format!(
        "[[service]]\nname = '{name}'\nstop = {{ signal = 'USR1' }}\ncommand = ['sh', '-c', \"\"\"
        sleep 1000 & trap 'kill $!; echo {name}; exit 0' USR1; echo up; while :; do wait; done\"\"\"]\n"
    )
}

const STUBBORN: &str = "[[service]]\nname = 'stubborn'\nstop = { grace = '50ms' }
command = ['sh', '-c', \"trap '' TERM; echo up; while :; do sleep 1000; done\"]\n";

#[test]
fn a_bad_file_starts_nothing() {
    let (directory, file) = file(
        "[[service]]\nname = 'a'\ncommand = ['touch', 'DIR/started']\n[[service]]\nname = 'b'\ncomand = ['true']\n",
    );
    let (code, stdout, stderr) = start(&[], &[], &file).end();
    assert_eq!((code, stdout.as_str()), (2, ""));
    assert!(stderr.contains("services.toml: line 6: ") && stderr.contains("comand"), "{stderr}");
    assert!(!directory.path().join("started").exists());
    let (code, _, stderr) = start(&[], &[], &"/no/such/file".into()).end();
    assert!(code == 2 && stderr.contains("/no/such/file: No such file"), "{stderr}");
}

#[test]
fn check_starts_nothing() {
    let (directory, file) = file("[[service]]\nname = 'a'\ncommand = ['touch', 'DIR/started']\n");
    assert_eq!(start(&[], &["--check"], &file).end(), (0, String::new(), String::new()));
    assert!(!directory.path().join("started").exists());
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/services.toml").into();
    assert_eq!(start(&[], &["--check"], &example).end(), (0, String::new(), String::new()));
}

#[test]
fn restart_policies() {
    // Each run prints a letter.
    let service = |policy: &str, code: u8| {
        run(&format!(
            "[[service]]\nname = 'a'\nrestart = '{policy}'\nmax_restarts = 3\nbackoff = {{ first = '1ms' }}
            command = ['sh', '-c', 'printf x; exit {code}']\n"
        ))
    };
    for (policy, code, runs, wanted) in [
        ("never", 0, 1, 0),
        ("never", 3, 1, 1),
        ("on-failure", 0, 1, 0),
        ("on-failure", 3, 4, 1),
        ("always", 0, 4, 1),
        ("always", 3, 4, 1),
    ] {
        let (ended, stdout, stderr) = service(policy, code);
        assert_eq!((ended, stdout), (wanted, "x".repeat(runs)), "{policy} {code}: {stderr}");
        assert_eq!(stderr.contains("given up after 3 restarts"), runs == 4, "{stderr}");
    }
}

#[test]
fn what_cannot_be_started_is_tried_again() {
    let text = "[[service]]\nname = 'a'\ncommand = ['/no/such/program']\nmax_restarts = 2\nbackoff = { first = '1ms' }";
    let (code, _, stderr) = run(text);
    assert_eq!((code, stderr.matches("/no/such/program").count()), (1, 3), "{stderr}");
}

/// Those first that are after others; and side by side.
#[test]
fn services_are_stopped_in_order() {
    let after = |text: String, name: &str| text.replace("stop =", &format!("after = ['{name}']\nstop ="));
    let text = [
        polite("a"),
        after(STUBBORN.into(), "a"),
        after(polite("b"), "stubborn"),
        after(polite("c"), "b"),
        polite("d").replace("trap 'kill $!;", "trap 'kill $!; sleep 0.2;"),
    ];
    let (_directory, file) = file(&text.concat().replace("[[service]]", "\n[[service]]").replacen(
        "\n",
        "stop_within = '1h'\n",
        1,
    ));
    let mut supervise = start(&[], &[], &file);
    (0..5).for_each(|_| supervise.until("up"));
    supervise.signal(Signal::TERM);
    let (code, stdout, stderr) = supervise.end();
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.contains("stubborn: killed") && stderr.contains("SIGKILL"), "{stderr}");
    let order = ["c: pid", "b: pid", "stubborn: killed", "stubborn: pid", "a: pid"];
    let ended = stderr.rsplit("stopping").next().unwrap();
    let places: Vec<_> = order.iter().map(|what| ended.find(what).unwrap()).collect();
    assert!(places.is_sorted(), "{stderr}");
    let mut names: Vec<_> = stdout.lines().collect();
    // Nobody is after this one, which takes longer than those do that were asked with it.
    let c = names.iter().position(|name| *name == "c");
    assert!(c < names.iter().position(|name| *name == "d"), "{stdout}");
    names.retain(|name| *name != "d");
    assert_eq!(names, ["c", "b", "a"]);
}

/// Of all together: those that were not asked yet have no time left.
#[test]
fn one_deadline_for_all() {
    let stubborn = |name: &str, after: &str| {
        STUBBORN.replace("'stubborn'", &format!("'{name}'\nafter = [{after}]")).replace("50ms", "1h")
    };
    let text = ["stop_within = '300ms'\n".into(), stubborn("a", ""), stubborn("b", "'a'"), stubborn("c", "")];
    let (_directory, file) = file(&text.concat());
    let mut supervise = start(&[], &[], &file);
    (0..3).for_each(|_| supervise.until("up"));
    let asked = Instant::now();
    supervise.signal(Signal::TERM);
    let (code, _, stderr) = supervise.end();
    assert_eq!((code, stderr.matches(": killed").count()), (0, 3), "{stderr}");
    assert!(asked.elapsed() >= Duration::from_millis(300));
}

#[test]
fn a_second_signal_kills() {
    // It is asked after the other one has ended.
    let text = STUBBORN.replace("stop =", "after = ['a']\nstop =").replace("50ms", "1h");
    let (_directory, file) = file(&[polite("a"), text].concat());
    let mut supervise = start(&[], &[], &file);
    (0..2).for_each(|_| supervise.until("up"));
    supervise.signal(Signal::INT);
    supervise.until_said("stopping");
    supervise.signal(Signal::TERM);
    let (code, stdout, stderr) = supervise.end();
    assert_eq!((code, stdout.as_str()), (0, ""), "{stderr}");
    assert_eq!(stderr.matches(": killed").count(), 2, "{stderr}");
}

/// A service that waits for its restart is not started any more.
#[test]
fn stopping_ends_the_wait_for_a_restart() {
    let (_directory, file) =
        file("[[service]]\nname = 'a'\ncommand = ['false']\nbackoff = { first = '1h', cap = '1h' }\n");
    let mut supervise = start(&[], &[], &file);
    supervise.until_said("exit status: 1");
    assert_eq!(supervise.column(0, 1), "waiting");
    supervise.signal(Signal::TERM);
    assert_eq!(supervise.end().0, 0);
}

#[test]
fn the_table_tells_of_each_service() {
    let text = "[[service]]\nname = 'busy'\nrestart = 'never'
command = ['sh', '-c', 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; head -c 40M /dev/zero | tail -c 40M >/dev/null; kill -9 $$']\n";
    let (_directory, file) = file(&[text.into(), polite("idle")].concat());
    let mut supervise = start(&[], &[], &file);
    supervise.until("up");
    supervise.until_said("SIGKILL");
    let idle = children(supervise.pid);
    let [(pid, _)] = idle[..] else { panic!("{idle:?}") };
    let table = supervise.table();
    let cells = |line: &str| -> Vec<String> {
        line.split("  ").map(|cell| cell.trim().to_owned()).filter(|cell| !cell.is_empty()).collect()
    };
    let (busy, idle) = (cells(&table[0]), cells(&table[1]));
    assert_eq!(busy[..5], ["busy", "failed", "-", "0", "signal: 9 (SIGKILL)"]);
    // From 7.1 on, the kernel itself reaps what it is to kill with us, and keeps no account of it.
    let used = |cells: &[String]| {
        let number = |cell: &str, unit| cell.strip_suffix(unit).and_then(|number| number.parse::<f64>().ok());
        (number(&cells[5], " s"), number(&cells[6], " MiB"))
    };
    match used(&busy) {
        (Some(cpu), Some(max_rss)) => assert!(cpu > 0.0 && max_rss >= 40.0, "{table:?}"),
        other => assert!(other == (Some(0.0), None) && kernel() >= (7, 1), "{table:?}"),
    }
    assert!(used(&idle).1 > Some(0.0), "{table:?}");
    assert_eq!(idle[..5], ["idle", "running", &pid.to_string(), "0", "-"]);
    supervise.signal(Signal::TERM);
    assert_eq!(supervise.end().0, 1);
}

#[test]
fn what_a_service_is_given() {
    let (code, stdout, stderr) =
        run("[[service]]\nname = 'a'\nrestart = 'never'\ndirectory = '/'\nenvironment = { X = 'y z' }
limits = { nofile = 20, core = 0 }
command = ['sh', '-c', '''
    pwd; echo \"$X\"; ulimit -n; ulimit -c; readlink /proc/self/fd/0; test -t 0 || echo no terminal
    set -- /proc/self/fd/*; echo $#
    read -r pid name state parent group rest </proc/self/stat; test $pid = $group && echo leader''']\n");
    // Of descriptors, the shell has 0, 1 and 2, and one for what it lists.
    let wanted = "/\ny z\n20\n0\n/dev/null\nno terminal\n4\nleader\n";
    assert_eq!((code, stdout.as_str()), (0, wanted), "{stderr}");
}

#[test]
fn a_service_has_its_user() {
    if !geteuid().is_root() {
        return skip("only root may change the user");
    }
    let (code, stdout, stderr) = run(
        "[[service]]\nname = 'a'\nrestart = 'never'\nuser = 'nobody'\ndirectory = '/'\nenvironment = { HOME = '/tmp' }
command = ['sh', '-c', 'id -un; id -ru; id -G; echo $USER $HOME']\n",
    );
    let id = Command::new("sh").args(["-c", "id -ru nobody; id -G nobody"]).output().unwrap();
    let wanted = format!("nobody\n{}nobody /tmp\n", String::from_utf8(id.stdout).unwrap());
    assert_eq!((code, stdout), (0, wanted), "{stderr}");
    // Unknown ones, by number.
    let (code, stdout, stderr) = run("[[service]]\nname = 'b'\nrestart = 'never'\nuser = 4242\ngroup = 4343
command = ['sh', '-c', 'id -u; id -G']\n");
    assert_eq!((code, stdout.as_str()), (0, "4242\n4343\n"), "{stderr}");
    // A group alone.
    let (_, stdout, stderr) = run(
        "[[service]]\nname = 'c'\nrestart = 'never'\ngroup = 4343\ncommand = ['sh', '-c', 'id -u; id -g']\n",
    );
    assert_eq!(stdout, "0\n4343\n", "{stderr}");
}

#[test]
fn a_service_is_in_its_cgroup() {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let mount =
        mounts.lines().filter(|line| line.contains(" cgroup2 ")).find_map(|line| line.split(' ').nth(1));
    let Some(mount) = mount else {
        return skip("no cgroup v2 file system is mounted");
    };
    let path = format!("{mount}/supervise-test-{}", std::process::id());
    if let Err(error) = fs::create_dir(&path) {
        return skip(&format!("cannot make cgroups: {error}"));
    }
    fs::remove_dir(&path).unwrap();
    // What it leaves behind is in another session, and is killed with the cgroup (Linux 5.14).
    let (_directory, file) = file(&format!(
        "[[service]]\nname = 'a'\nrestart = 'never'\ncgroup = '{path}'
command = ['sh', '-c', 'grep ^0:: /proc/self/cgroup; setsid sleep 1000 & echo up']\n"
    ));
    let (code, stdout, stderr) = start(&[], &[], &file).end();
    assert_eq!(code, 0, "{stderr}");
    let name = path.rsplit('/').next().unwrap();
    assert!(stdout.lines().next().unwrap().ends_with(name), "{stdout}");
    // The sleeper was told to die; the cgroup may outlive us by that moment.
    while fs::read_to_string(format!("{path}/cgroup.procs")).is_ok_and(|procs| !procs.is_empty()) {
        std::thread::yield_now();
    }
    let _ = fs::remove_dir(&path);
}

/// Its group is killed when it ends, so that nothing holds our pipe.
#[test]
fn what_a_service_leaves_behind_is_killed() {
    if kernel() < (6, 9) {
        return skip("before Linux 6.9 a group cannot be signalled once its leader was reaped");
    }
    let text = "[[service]]\nname = 'a'\nrestart = 'never'\ncommand = ['sh', '-c', 'sleep 1000 & echo up']\n";
    let (code, stdout, _) = run(text);
    assert_eq!((code, stdout.as_str()), (0, "up\n"));
}

/// The kernel kills the services of a supervisor that was killed.
#[test]
fn services_do_not_outlive_a_killed_supervisor() {
    let text = "[[service]]\nname = 'NAME'\ncommand = ['sh', '-c', 'echo up; exec sleep 1000']\n";
    let (_directory, file) = file(&["a", "b", "c"].map(|name| text.replace("NAME", name)).concat());
    let mut supervise = start(&[], &[], &file);
    (0..3).for_each(|_| supervise.until("up"));
    supervise.signal(Signal::KILL);
    // At the end of the file, all are gone.
    let mut rest = String::new();
    supervise.stdout.read_to_string(&mut rest).unwrap();
    supervise.wait();
    assert_eq!(rest, "");
}

/// Ten thousand restarts of a service that exits at once: neither memory nor descriptors grow.
#[test]
fn ten_thousand_exits() {
    let (_directory, file) =
        file("[[service]]\nname = 'a'\ncommand = ['true']\nbackoff = { first = '0s' }\n");
    let mut supervise = start(&[], &[], &file);
    supervise.until_said("started");
    let mut until = |restarts: u64| {
        while restarts > supervise.column(0, 3).parse::<u64>().unwrap() {
            (0..100).for_each(|_| supervise.until_said("started"));
        }
        assert!(children(supervise.pid).len() <= 1);
        (supervise.memory(), supervise.fds())
    };
    let (before, after) = (until(1_000), until(10_000));
    supervise.signal(Signal::TERM);
    assert_eq!(supervise.end().0, 0);
    println!("memory in KiB, and descriptors, after 1,000 and 10,000 exits: {before:?}, {after:?}");
    is_flat(before, after);
}
