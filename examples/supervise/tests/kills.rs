//! `supervise --state` is killed at random moments, among few pids.

mod common;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::geteuid;

use common::skip;

/// Ends and forks at random. It has a lock while it runs, which its children do not inherit: no second one gets it.
const SERVICE: &str = r#"
[[service]]
name = 'NAME'
backoff = { first = '5ms', cap = '20ms' }
stop = { grace = '1s' }
command = ['bash', '-c', '''
    exec 9>>DIR/lock.NAME
    flock -n 9 || { echo "NAME runs twice" >>DIR/faults; exit 1; }
    echo "$$" >DIR/pid.NAME
    echo "NAME $$" >>DIR/starts
    RANDOM=$$
    while :; do
        case $((RANDOM % 6)) in
            0) exit $((RANDOM % 3));;
            1) kill -9 $$;;
            2) sleep 0.3 9>&- & ;;
            3) (setsid true &) 9>&-;;
            *) sleep 0.0$((RANDOM % 9 + 1)) 9>&-;;
        esac
    done''']
"#;

/// To be run once, whatever happens to `supervise`.
const JOB: &str = "
[[service]]
name = 'NAME'
restart = 'never'
command = ['sh', '-c', 'echo NAME $$ >>DIR/jobs']
";

struct Supervise {
    child: Child,
}

impl Supervise {
    fn start(directory: &Path, file: &str) -> Supervise {
        let mut command = Command::new(env!("CARGO_BIN_EXE_supervise"));
        let log = fs::File::options().create(true).append(true).open(directory.join("log")).unwrap();
        command.arg("--state").arg(directory.join("state")).arg(directory.join(file));
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        Supervise { child: command.spawn().unwrap() }
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn end(mut self) -> i32 {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").arg(pid).status().unwrap().success());
        self.child.wait().unwrap().code().unwrap()
    }
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(String::from).collect()
}

fn services(text: &str, directory: &Path, names: &[String]) -> String {
    let text = text.replace("DIR", directory.to_str().unwrap());
    names.iter().map(|name| text.replace("NAME", name)).collect()
}

/// The command line has the name of the service, whatever pid it has.
fn is_service(pid: &str, name: &str) -> bool {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).contains(&format!("lock.{name}\n"))
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < end, "not within half a minute: {what}");
        sleep(Duration::from_millis(5));
    }
}

/// All that run, by their command lines.
fn running(names: &[String]) -> Vec<(String, String)> {
    let pids =
        fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().into_string().ok());
    let pids: Vec<_> = pids.filter(|pid| pid.parse::<u32>().is_ok()).collect();
    let of = |pid: &String| {
        names.iter().find(|name| is_service(pid, name)).map(|name| (name.clone(), pid.clone()))
    };
    pids.iter().filter_map(of).collect()
}

fn kill_at_random_moments(rounds: usize) {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let names: Vec<_> = (0..10).map(|index| format!("s{index}")).collect();
    fs::write(directory.join("services.toml"), services(SERVICE, directory, &names)).unwrap();
    let mut moments = fastrand::Rng::with_seed(16);
    for _ in 0..rounds {
        let supervise = Supervise::start(directory, "services.toml");
        sleep(Duration::from_micros(moments.u64(0..150_000)));
        supervise.kill();
        assert_eq!(lines(&directory.join("faults")), [""; 0]);
    }
    let last = Supervise::start(directory, "services.toml");
    // None is forgotten: each is started again, as each has ended by now or will.
    let before = lines(&directory.join("starts")).len();
    until("all come again", || {
        let starts = lines(&directory.join("starts"));
        names.iter().all(|name| starts[before..].iter().any(|start| start.starts_with(&format!("{name} "))))
    });
    // None is taken for another: what a service is said to be is the one.
    let mut seen = 0;
    until("its pids are those of its services", || {
        for page in fs::read(directory.join("state")).unwrap().chunks(4096).skip(1) {
            let record = String::from_utf8_lossy(page);
            let field = |key: &str| {
                Some(record.split_once(&format!("\"{key}\":\""))?.1.split_once('"')?.0.to_owned())
            };
            let (Some(name), Some(identity)) = (field("name"), field("identity")) else { continue };
            let pid = identity.split('.').nth(1).unwrap().to_owned();
            // It may end, or be about to run its program, between the looks.
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line);
            if line.contains("lock.s") && !line.contains("--hold") {
                let still = fs::read_to_string(directory.join("state")).unwrap().contains(&identity);
                assert!(!still || line.contains(&format!("lock.{name}\n")), "{name} {pid}: {line}");
                seen += 1;
            }
        }
        seen >= 100
    });
    assert_eq!(last.end(), 0);
    assert_eq!((running(&names), lines(&directory.join("faults"))), (vec![], vec![]));
    let starts = lines(&directory.join("starts"));
    let mut pids: Vec<_> = starts.iter().filter_map(|start| start.split(' ').nth(1)).collect();
    pids.sort_unstable();
    pids.dedup();
    let log = lines(&directory.join("log"));
    let count = |what: &str| log.iter().filter(|line| line.contains(what)).count();
    println!(
        "{rounds} kills, {} starts with {} pids: found again {}, ended while nobody watched {}, unknown status {}",
        starts.len(),
        pids.len(),
        count("found again"),
        count("ended while nobody watched"),
        count("exit status unknown"),
    );
}

/// The moments of the start: a job is run once, never twice and never not at all.
fn kill_while_starting(rounds: usize) {
    let mut moments = fastrand::Rng::with_seed(17);
    let mut kills = 0;
    for _ in 0..rounds {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        let names: Vec<_> = (0..10).map(|index| format!("j{index}")).collect();
        fs::write(directory.join("jobs.toml"), services(JOB, directory, &names)).unwrap();
        // Longer each time, so that there is an end.
        for most in (15_000..).step_by(1_000) {
            let mut supervise = Supervise::start(directory, "jobs.toml");
            sleep(Duration::from_micros(moments.u64(0..most)));
            if let Some(status) = supervise.child.try_wait().unwrap() {
                // A job that ended while nobody watched has failed, as far as can be known.
                assert!(matches!(status.code(), Some(0 | 1)), "{status}");
                break;
            }
            supervise.kill();
            kills += 1;
            // After the end of all, those that come later begin anew.
            if fs::metadata(directory.join("state")).is_ok_and(|state| state.len() == 0)
                && lines(&directory.join("jobs")).len() == names.len()
            {
                break;
            }
        }
        let mut ran: Vec<_> = lines(&directory.join("jobs")).iter().map(|job| job[..2].to_owned()).collect();
        ran.sort_unstable();
        assert_eq!(ran, names, "{:?}", lines(&directory.join("log")));
    }
    println!("{rounds} times ten jobs, {kills} kills: each ran once");
}

/// How often by `SUPERVISE_KILLS`.
#[test]
fn none_is_started_twice_or_forgotten() {
    let rounds = std::env::var("SUPERVISE_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(10);
    if std::env::var_os("SUPERVISE_INSIDE").is_some() {
        kill_while_starting(rounds);
        return kill_at_random_moments(rounds);
    }
    if !geteuid().is_root() {
        return skip("only root may make a pid namespace and mount /proc");
    }
    // From Linux 6.14 on each pid namespace has its own pid_max: few pids, so that they are used again soon. The shell, as pid 1, reaps what is left to it.
    let script = "echo 400 2>/dev/null >/proc/sys/kernel/pid_max; \"$@\" & wait $!";
    let mut unshare = Command::new("unshare");
    unshare.args(["--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c", script, "sh"]);
    if common::kernel() < (6, 14) {
        // It would be that of the machine.
        unshare = Command::new("unshare");
        unshare.args([
            "--pid",
            "--fork",
            "--mount-proc",
            "--kill-child",
            "sh",
            "-c",
            "\"$@\" & wait $!",
            "sh",
        ]);
    }
    unshare.arg(std::env::current_exe().unwrap()).args([
        "--exact",
        "none_is_started_twice_or_forgotten",
        "--nocapture",
    ]);
    unshare.env("SUPERVISE_INSIDE", "1").env("SUPERVISE_KILLS", rounds.to_string());
    let mut child = unshare.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        println!("{}", line.unwrap());
    }
    assert!(child.wait().unwrap().success());
}
