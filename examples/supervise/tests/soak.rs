//! `supervise` as pid 1 with twenty services that crash, hang, fork and do not listen, for as long as one wants.
//!
//! ```sh
//! SUPERVISE_SOAK=600 SUPERVISE_SEED=1 cargo test --release --test soak -- --ignored --nocapture
//! ```

mod common;

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::geteuid;

use common::{children, kernel, skip};

const SERVICES: usize = 20;
/// Until SIGKILL, and what a busy machine may add.
const GRACE: Duration = Duration::from_millis(500);
const SLACK: Duration = Duration::from_secs(2);

/// Says how it is about to end, with its pid, and ends so.
const SERVICE: &str = r#"
[[service]]
name = 'NAME'
backoff = { first = '20ms', cap = '200ms' }
stop = { grace = '500ms' }
command = ['bash', '-c', '''
    RANDOM=$((SEED + $$))
    end() { echo "NAME $$ $1: $2" >>DIR/said; }
    while :; do
        case $((RANDOM % 12)) in
            0) code=$((RANDOM % 256)); end "exit status" $code; exit $code;;
            1) end signal "9 (SIGKILL)"; kill -9 $$;;
            2) end signal "11 (SIGSEGV)"; kill -11 $$;;
            3) trap "" TERM;;
            4) end hangs x; trap "" TERM; while :; do sleep 1000; done;;
            5) for i in 1 2 3 4 5; do sleep 0.5 & done;;
            6) (setsid sh -c "sleep 0.2; exit 5" &);;
            7) (sh -c "kill -35 \$\$" &);;
            *) sleep 0.$((RANDOM % 3 + 1));;
        esac
    done''']
"#;

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|number| number.parse().ok()).unwrap_or(default)
}

fn ctl(directory: &Path, words: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_supervise"))
        .arg("ctl")
        .arg(directory.join("socket"))
        .args(words)
        .output()
        .unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

/// In KiB, what is resident of the memory that no file backs.
fn memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Zombies that are so for longer than it takes to reap them.
fn old_zombies(pid: u32) -> usize {
    let zombies = || children(pid).into_iter().filter(|(_, state)| *state == 'Z').map(|(pid, _)| pid);
    let mut left: Vec<_> = zombies().collect();
    for _ in 0..20 {
        if left.is_empty() {
            break;
        }
        sleep(Duration::from_millis(50));
        let now: Vec<_> = zombies().collect();
        left.retain(|pid| now.contains(pid));
    }
    left.len()
}

#[test]
#[ignore = "takes as long as it is told to, ten seconds at least"]
fn twenty_services_at_their_worst() {
    if !geteuid().is_root() {
        return skip("only root may make a pid namespace and mount /proc");
    }
    let (seconds, seed) = (number("SUPERVISE_SOAK", 10), number("SUPERVISE_SEED", 1));
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let text = SERVICE.replace("DIR", directory.to_str().unwrap());
    let services: String = (0..SERVICES)
        .map(|index| {
            text.replace("NAME", &format!("s{index:02}"))
                .replace("SEED", &(seed * 1000 + index as u64).to_string())
        })
        .collect();
    fs::write(directory.join("services.toml"), services).unwrap();
    let log = fs::File::create(directory.join("log")).unwrap();
    let mut unshare = Command::new("unshare");
    // So many that none comes again, or what was said could not be told apart (Linux 6.14; or it stays that of the machine).
    let script = "echo 4194304 >/proc/sys/kernel/pid_max; exec \"$@\"";
    unshare.args(["--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c", script, "sh"]);
    unshare.arg(env!("CARGO_BIN_EXE_supervise")).arg("--control");
    unshare.arg(directory.join("socket")).arg(directory.join("services.toml"));
    let mut child = unshare.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
    while !ctl(directory, &["status"]).0 {
        sleep(Duration::from_millis(20));
    }
    let pid = children(child.id())[0].0;

    let mut random = fastrand::Rng::with_seed(seed);
    let (begin, mut stops, mut longest) = (Instant::now(), 0, Duration::ZERO);
    let (mut early, mut late) = (None, 0);
    while begin.elapsed() < Duration::from_secs(seconds) {
        let name = format!("s{:02}", random.usize(0..SERVICES));
        let asked = Instant::now();
        let verb = if random.bool() { "stop" } else { "restart" };
        assert!(ctl(directory, &[verb, &name]).0, "{verb} {name}");
        longest = longest.max(asked.elapsed());
        stops += 1;
        assert!(asked.elapsed() < GRACE + SLACK, "{verb} {name}: {:?}", asked.elapsed());
        if verb == "stop" {
            assert!(ctl(directory, &["start", &name]).0);
        }
        assert_eq!(old_zombies(pid), 0);
        late = memory(pid);
        if early.is_none() && begin.elapsed() > Duration::from_secs(seconds / 10) {
            early = Some(late);
        }
        sleep(Duration::from_millis(random.u64(0..200)));
    }
    let (_, table) = ctl(directory, &["status"]);
    let asked = Instant::now();
    assert!(Command::new("kill").arg(pid.to_string()).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let last = asked.elapsed();
    // As pid 1, it waits for what was left to it, too, which may take its own grace.
    assert!(last < Duration::from_secs(10) + SLACK, "{last:?}");

    // Each one that has said how it would end, ended so, or was killed before it could.
    let said = fs::read_to_string(directory.join("said")).unwrap();
    let mut said: HashMap<_, _> = said
        .lines()
        .map(|line| {
            let mut words = line.splitn(3, ' ');
            (
                (words.next().unwrap().to_owned(), words.next().unwrap().to_owned()),
                words.next().unwrap().to_owned(),
            )
        })
        .collect();
    let log = fs::read_to_string(directory.join("log")).unwrap();
    let (mut right, mut killed, mut wrong) = (0, 0, Vec::new());
    for line in log.lines().filter(|line| line.contains(" ended after ")) {
        let (start, status) = line.split_once(" s: ").unwrap();
        let mut words = start.split([' ', ':']).filter(|word| !word.is_empty()).skip(1);
        let (name, pid) = (words.next().unwrap(), words.nth(1).unwrap());
        let status = status.split(" (core dumped)").next().unwrap();
        match said.remove(&(name.to_owned(), pid.to_owned())) {
            Some(word) if word == status => right += 1,
            // By our request, or at the end.
            _ if status == "signal: 15 (SIGTERM)" || status == "signal: 9 (SIGKILL)" => killed += 1,
            word => wrong.push(format!("{line}: {word:?}")),
        }
    }
    let early = early.unwrap_or(late);
    println!(
        "{seconds} s, seed {seed}: {right} ended as they had said, {killed} were ended by us, {} wrong; \
         {stops} stops, the longest {longest:?}, that of all {last:?}; memory {early} KiB, then {late} KiB; {}",
        wrong.len(),
        table.lines().last().unwrap(),
    );
    assert_eq!((wrong, said), (Vec::new(), HashMap::new()));
    if kernel() < (7, 1) {
        assert!(!log.contains("unknown"));
    }
    assert!(late <= early + 128, "{early} KiB, then {late} KiB");
}
