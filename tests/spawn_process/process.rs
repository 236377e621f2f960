//! What of this process stays as it was, or reaches the child: dispositions, the dumpable mark, the table, memory.

use std::fs::{self, File};
use std::thread;

use childset::unix::CommandExt;
use childset::{Command, Prepared, Signal, Stdio};

use crate::common::{self, errno, handle};
use crate::{text, WAYS};

fn is_dumpable() -> bool {
    // SAFETY: asking for a number.
    unsafe { libc::prctl(libc::PR_GET_DUMPABLE) == 1 }
}

/// Children that change their user do it on our memory, many at once too.
pub(crate) fn stays_dumpable() {
    if !common::is_root() {
        return;
    }
    assert!(is_dumpable());
    let run = |command: &mut Command| {
        let child = command.uid(65534).gid(65534).spawn().map(|child| child.wait().unwrap().code());
        child.map_err(|error| errno(&error))
    };
    assert_eq!(run(&mut Command::new("true")), Ok(Some(0)));
    assert!(is_dumpable());
    assert_eq!(run(&mut Command::new("/no/such/program")), Err(libc::ENOENT));
    assert!(is_dumpable());
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..common::times(50) {
                    assert_eq!(run(&mut Command::new("true")), Ok(Some(0)));
                }
            });
        }
    });
    assert!(is_dumpable());
    // What was not so before does not become so.
    // SAFETY: setting a number.
    unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0) };
    assert_eq!(run(&mut Command::new("true")), Ok(Some(0)));
    assert!(!is_dumpable());
}

pub(crate) fn dispositions() {
    for signal in [libc::SIGHUP, libc::SIGTSTP, libc::SIGRTMIN()] {
        // SAFETY: ignoring, or a handler that does nothing.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
    handle(libc::SIGUSR1);
    let by_std = || {
        let mut command = Command::new("cat");
        common::make_by_std(&mut command);
        command
    };
    for new in [|| Command::new("cat"), by_std] {
        let set =
            |signals: &[Signal]| signals.iter().fold(0, |set, signal| set | 1u64 << (signal.as_raw() - 1));
        let ignored = |default: Option<&[Signal]>| {
            let mut command = new();
            command.arg("/proc/self/status");
            if let Some(default) = default {
                command.default_signals(default);
            }
            let status = text(&mut command);
            let bits = |name: &str| {
                let line = status.lines().find(|line| line.starts_with(name)).unwrap();
                u64::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap()
            };
            assert_eq!(bits("SigCgt"), 0);
            // Others may be ignored from the start.
            bits("SigIgn") & set(&[Signal::HUP, Signal::TSTP, Signal::PIPE, libc::SIGRTMIN().into()])
        };
        let (pipe, real) = (Signal::PIPE, Signal::from(libc::SIGRTMIN()));
        assert_eq!(ignored(None), set(&[Signal::HUP, Signal::TSTP, real]));
        assert_eq!(ignored(Some(&[])), set(&[Signal::HUP, Signal::TSTP, real, pipe]));
        assert_eq!(ignored(Some(&[Signal::HUP, real])), set(&[Signal::TSTP, pipe]));
        assert_eq!(ignored(Some(&[Signal::HUP, Signal::TSTP, real, pipe])), 0);
    }
    // Those that cannot be changed are at their defaults.
    let all: Vec<Signal> = (1..=64).map(Signal::from).collect();
    assert!(Command::new("true").default_signals(&all).spawn().unwrap().wait().unwrap().success());
    let error = Command::new("true").default_signals(&[65.into()]).spawn().unwrap_err();
    assert_eq!(errno(&error), libc::EINVAL);
    assert!(error.to_string().contains("sigaction"), "{error}");
}

/// Neither is a failure lost, nor a child that ends at once.
pub(crate) fn sigchld_ignored_in_each_way() {
    // SAFETY: ignoring a signal.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
    for way in WAYS {
        for _ in 0..common::times(50) {
            let mut command = Command::new("/no/such/program");
            way(&mut command);
            assert_eq!(errno(&command.spawn().unwrap_err()), libc::ENOENT);
            let mut command = Command::new("sh");
            way(command.args(["-c", "exit 3"]));
            common::assert_code(&command.spawn().unwrap().wait(), 3);
        }
    }
    common::no_child_is_left();
}

/// Neither the table nor its size matters to what the child gets.
pub(crate) fn many_descriptors() {
    use rustix::process::{getrlimit, setrlimit, Resource, Rlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    let count = maximum.unwrap_or(10_000).min(10_000) - 500;
    let fillers: Vec<_> = (0..count).map(|_| File::open("/dev/null").unwrap()).collect();
    let mut command = Command::new("ls");
    command.arg("/proc/self/fd").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let prepared: Prepared = command.prepare().unwrap();
    for _ in 0..20 {
        let output = prepared.spawn().unwrap().wait_with_output().unwrap();
        assert_eq!(output.stdout, b"0\n1\n2\n3\n");
    }
    let mut command = Command::new("sh");
    command.args(["-c", "cat; cat <&7"]).stdin(File::open("/proc/self/comm").unwrap());
    command.fd(7, File::open("/proc/self/comm").unwrap());
    let comm = fs::read_to_string("/proc/self/comm").unwrap();
    assert_eq!(text(&mut command), [comm.as_str(), comm.as_str()].concat());
    drop(fillers);
}

pub(crate) fn much_memory() {
    let mut memory = vec![0u8; 256 << 20];
    memory.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
    for _ in 0..common::times(100) {
        assert!(Command::new("true").spawn().unwrap().wait().unwrap().success());
    }
    assert!(memory.iter().step_by(4096).all(|&byte| byte == 1));
}

pub(crate) fn sigchld_ignored() {
    // SAFETY: ignoring a signal.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
    common::assert_code(&Command::new("sh").args(["-c", "exit 3"]).spawn().unwrap().wait(), 3);
    // A failure is told, though nobody can wait for its process.
    for _ in 0..common::times(100) {
        let error = Command::new("/no/such/program").spawn().unwrap_err();
        assert_eq!(errno(&error), libc::ENOENT);
    }
    // Children that ended already leave no trace: the last is gone when this process knows no child.
    common::no_child_is_coming();
    assert_eq!(common::zombies(), 0);
}
