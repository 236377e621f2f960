//! The program `parallel`: jobs on other hosts, by ssh and an sshd of our own on the loopback address.

mod common;

use std::fs;
use std::io::{BufReader, Read};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use rustix::process::Signal;

use common::*;

/// sshd, the way to it, and its files.
struct Sshd {
    child: Child,
    directory: Directory,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Sshd {
    /// `None` where there is none, which it says.
    fn start() -> Option<Sshd> {
        let path = ["/usr/sbin/sshd", "/usr/bin/sshd"].into_iter().find(|path| Path::new(path).exists());
        let Some(path) = path else {
            base::skipped("there is no sshd; Debian's package openssh-server has it");
            return None;
        };
        if !may_log_in() {
            base::skipped(
                "nobody can log in as this user here: it has no shell, or sshd may not set its groups",
            );
            return None;
        }
        let directory = Directory::new();
        for key in ["host", "user"] {
            let mut keygen = Command::new("ssh-keygen");
            keygen.args(["-q", "-t", "ed25519", "-N", "", "-f", &directory.path(key)]);
            assert!(keygen.status().unwrap().success());
        }
        if rustix::process::geteuid().is_root() {
            // Where sshd gives up its privileges.
            fs::create_dir_all("/run/sshd").unwrap();
        }
        // A number that is free, and two where nobody listens.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let key = directory.path("user");
        let server = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {key}.pub\nStrictModes no\n\
             UsePAM no\nPidFile none\nPasswordAuthentication no\nPermitRootLogin yes\n",
            directory.path("host")
        );
        let client = format!(
            "Host one two\nHostName 127.0.0.1\nPort {port}\nHost dead\nHostName 127.0.0.1\nPort 1\nHost *\n\
             IdentityFile {key}\nUserKnownHostsFile /dev/null\nStrictHostKeyChecking no\nLogLevel ERROR\n"
        );
        fs::write(directory.path("sshd_config"), server).unwrap();
        fs::write(directory.path("ssh_config"), client).unwrap();
        let mut sshd = Command::new(path);
        sshd.args(["-D", "-f", &directory.path("sshd_config"), "-E", &directory.path("log")]);
        let mut child = sshd.stdin(Stdio::null()).spawn().unwrap();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none(), "{}", fs::read_to_string(directory.path("log")).unwrap_or_default());
            std::thread::yield_now();
        }
        Some(Sshd { child, directory })
    }

    fn parallel(&self, arguments: &[&str]) -> Command {
        let ssh = format!("ssh -F {}", self.directory.path("ssh_config"));
        let mut command = parallel(arguments);
        command.env("PARALLEL_SSH", ssh).current_dir(self.directory.0.path());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.parallel(arguments).output().unwrap()
    }
}

fn may_log_in() -> bool {
    let user = rustix::process::geteuid().as_raw().to_string();
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let shell = users.lines().find_map(|line| {
        let fields: Vec<_> = line.split(':').collect();
        (fields[2] == user).then(|| fields[6].to_owned())
    });
    let is_shell = shell.is_some_and(|shell| !shell.ends_with("nologin") && !shell.ends_with("false"));
    is_shell && fs::read_to_string("/proc/self/setgroups").is_ok_and(|allowed| allowed.trim() == "allow")
}

/// What `parallel` itself says: the shell over there may have something to say, too.
fn own_words(output: &Output) -> Vec<&str> {
    stderr(output).lines().filter(|line| line.starts_with("parallel: ")).collect()
}

#[test]
fn jobs_run_there_and_here() {
    let Some(sshd) = Sshd::start() else { return };
    let log = sshd.directory.path("joblog");
    let script = "echo $PARALLEL_SEQ {} ${SSH_CONNECTION:+there}";
    let output = sshd.run(&["-k", "-S", "1/one,1/:", "--joblog", &log, script, ":::", "a  b", "\"c'"]);
    assert_eq!((own_words(&output), code(&output)), (vec![], 0));
    let log = read_log(&log);
    let hosts: Vec<_> = log.iter().map(|fields| fields[1].as_str()).collect();
    assert_eq!(hosts, ["one", ":"]);
    assert_eq!(stdout(&output), "1 a  b there\n2 \"c'\n");
}

#[test]
fn exit_codes_are_those_of_the_jobs() {
    let Some(sshd) = Sshd::start() else { return };
    let log = sshd.directory.path("joblog");
    let output = sshd.run(&["-S", "2/one", "--joblog", &log, "exit {}", ":::", "0", "7", "255"]);
    // 255 is how ssh says that it failed itself.
    assert_eq!((own_words(&output), code(&output)), (vec![], 2));
    let log = read_log(&log);
    assert_eq!(ends(&log), [("0", "0"), ("7", "0"), ("254", "0")]);
    assert!(log.iter().all(|fields| fields[1] == "one"), "{log:?}");
}

#[test]
fn the_jobs_of_a_host_that_does_not_answer_are_done_elsewhere() {
    let Some(sshd) = Sshd::start() else { return };
    let numbers: Vec<_> = (0..8).map(|number| number.to_string()).collect();
    let numbers: Vec<_> = numbers.iter().map(String::as_str).collect();
    // Both ways to learn it: by a job, and by asking for the number of processors.
    for (hosts, said) in [
        ("2/dead,2/one", "parallel: dead does not answer: its jobs are done elsewhere"),
        ("dead,one", "parallel: dead does not answer"),
    ] {
        let output = sshd.run(&[&["-k", "-S", hosts, "echo", ":::"], &numbers[..]].concat());
        assert_eq!((stdout(&output), code(&output)), ("0\n1\n2\n3\n4\n5\n6\n7\n", 0));
        assert_eq!(own_words(&output), [said]);
    }
    let output = sshd.run(&["-S", "2/dead", "echo", ":::", "1", "2"]);
    assert_eq!((stdout(&output), code(&output)), ("", 255));
    assert!(
        stderr(&output).contains("dead does not answer, and there is no other host"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn files_go_there_and_come_back() {
    let Some(sshd) = Sshd::start() else { return };
    let directory = sshd.directory.0.path();
    let there = sshd.directory.path("there");
    fs::create_dir(directory.join("sub dir")).unwrap();
    for name in ["a", "sub dir/b c"] {
        fs::write(directory.join(name), name).unwrap();
    }
    let command = "tr a-z A-Z <{} >{}.out; ls >&2";
    let common = ["-S", "1/one", "--workdir", &there];
    let files = [":::", "a", "sub dir/b c"];
    let kept = ["--transferfile", "{}", "--return", "{}.out", command];
    let output = sshd.run(&[&common[..], &kept, &files].concat());
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert_eq!(fs::read_to_string(directory.join("sub dir/b c.out")).unwrap(), "SUB DIR/B C");
    for name in ["a", "a.out", "sub dir/b c", "sub dir/b c.out"] {
        assert!(Path::new(&there).join(name).exists(), "{name}");
    }
    fs::remove_dir_all(&there).unwrap();
    fs::remove_file(directory.join("a.out")).unwrap();
    let output = sshd.run(&[&common[..], &["--trc", "{}.out", command], &files].concat());
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert_eq!(fs::read_to_string(directory.join("a.out")).unwrap(), "A");
    for name in ["a", "a.out", "sub dir/b c", "sub dir/b c.out"] {
        assert!(!Path::new(&there).join(name).exists(), "{name}");
    }
    // What is not there cannot be sent, and what was not made cannot come back.
    for option in ["--transferfile", "--return"] {
        let output = sshd.run(&[&common[..], &[option, "{}.none", "true", ":::", "a"]].concat());
        assert_eq!(code(&output), 1, "{}", stderr(&output));
    }
}

#[test]
fn what_is_piped_gets_there() {
    let Some(sshd) = Sshd::start() else { return };
    let mut command = sshd.parallel(&["-k", "-S", "2/one", "--pipe", "-N2", "cat; echo ."]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"1\n2\n3\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((stdout(&output), own_words(&output)), ("1\n2\n.\n3\n.\n", vec![]));
}

/// sshd leaves it running when its client is gone.
#[test]
fn a_job_that_is_ended_ends_there() {
    let Some(sshd) = Sshd::start() else { return };
    let fifo = sshd.directory.fifo("fifo");
    // It holds the pipe open as long as it runs.
    let script = format!("exec 3>{fifo}; sleep 1000 & echo up >&3; : {{}}; wait");
    let child = sshd.parallel(&["-S", "1/one", &script, ":::", "x"]).spawn().unwrap();
    let mut said = BufReader::new(fs::File::open(&fifo).unwrap());
    read_until(&mut said, "up");
    signal(&child, Signal::TERM);
    assert_eq!(said.read_to_end(&mut Vec::new()).unwrap(), 0);
    assert_eq!(code(&child.wait_with_output().unwrap()), 1);
}
