//! Spawning with few descriptors left: it works or says `EMFILE`, and nothing is left of it.

#![allow(unsafe_code)]

mod common;

use std::fs::File;
use std::io;

use childset::{Child, ChildSet, Command, SpawnError, Stdio};
use common::{check_leaks, warm_up, Limit};

const TESTS: &[(&str, fn())] = &[
    ("no_pipes", no_pipes),
    ("three_pipes", three_pipes),
    ("null", null),
    ("with_descriptors", with_descriptors),
    ("at_the_limit", at_the_limit),
    ("out_of_the_way", out_of_the_way),
    ("by_std", by_std),
    ("failed_by_std", failed_by_std),
    ("into_a_set", into_a_set),
    #[cfg(feature = "async-io")]
    ("output", output),
];

fn main() {
    common::main_with(TESTS, |_, test| {
        warm();
        test();
    });
}

fn warm() {
    warm_up();
    assert!(Command::new("true").spawn().unwrap().wait().unwrap().success());
    #[cfg(feature = "async-io")]
    futures_lite::future::block_on(Command::new("true").output()).unwrap();
}

fn is_emfile(error: &io::Error) -> bool {
    let errno = SpawnError::raw_os_error(error);
    errno == Some(libc::EMFILE)
}

/// Spawns with each number of spare descriptors; from `enough` on, it must work.
fn each(enough: usize, mut command: Command, spawn: impl Fn(&mut Command) -> io::Result<Option<Child>>) {
    for spare in 0..=12 {
        check_leaks(|| {
            let limit = Limit::with_spare(spare);
            let spawned = spawn(&mut command);
            let child = match spawned {
                Ok(child) => child,
                Err(error) => {
                    drop(limit);
                    assert!(is_emfile(&error), "with {spare} to spare: {error:?}");
                    assert!(spare < enough, "with {spare} to spare: {error}");
                    common::no_child_is_left();
                    return;
                }
            };
            drop(limit);
            if let Some(mut child) = child {
                drop(child.stdin.take());
                let output = child.wait_with_output().unwrap();
                assert_eq!(output.status.code(), Some(3), "with {spare} to spare");
            }
        });
    }
    let output = spawn(&mut command).unwrap().map(|child| child.wait_with_output().unwrap());
    assert!(output.is_none_or(|output| output.status.code() == Some(3)));
}

fn talkative() -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "cat; echo out; echo err >&2; exit 3"]);
    command
}

fn piped() -> Command {
    let mut command = talkative();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn quiet() -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "exit 3"]);
    command
}

fn spawn(command: &mut Command) -> io::Result<Option<Child>> {
    command.spawn().map(Some)
}

fn no_pipes() {
    // The pidfd. And by the way: a prepared command needs no more.
    each(1, quiet(), spawn);
    each(1, quiet(), |command| command.prepare().unwrap().spawn().map(Some));
}

fn null() {
    let mut command = quiet();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // What the child opens is in its table, which has the same limit.
    each(2, command, spawn);
}

fn three_pipes() {
    each(8, piped(), spawn);
}

fn with_descriptors() {
    let mut command = Command::new("sh");
    command.args(["-c", "cat <&9 && cat <&5 && exit 3"]).stdout(Stdio::null());
    command.fd(9, File::open("/dev/null").unwrap()).fd(5, File::open("/dev/null").unwrap());
    // The lifted copies too, and the numbers themselves.
    each(12, command, spawn);
}

/// The last number that the limit allows can be had, the next one cannot.
fn at_the_limit() {
    let ours = Limit::with_spare(8);
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap() as i32;
    let ways: [fn(&mut Command); 3] = [
        |_| {},
        |command| {
            common::make_by_std(command);
        },
        |command| {
            command.stdin(std::process::Stdio::null());
        },
    ];
    for (by_std, way) in ways.iter().enumerate() {
        for number in [limit - 2, limit - 1, limit, limit + 1] {
            let mut command = Command::new("sh");
            command.args(["-c", "test -c /proc/self/fd/$0 && exit 3"]);
            command.arg(number.to_string()).fd(number, File::open("/dev/null").unwrap());
            way(&mut command);
            match command.spawn() {
                Ok(child) => {
                    assert_eq!(child.wait().unwrap().code(), Some(3), "{number}, {by_std}");
                    assert!(number < limit, "{number}, {by_std}");
                }
                Err(error) => {
                    assert!(is_emfile(&error), "{number}, {by_std}: {error:?}");
                    assert!(number >= limit, "{number}, {by_std}: {error}");
                }
            }
        }
    }
    drop(ours);
}

/// What no child needs goes where it costs children nothing: below 64 it stays, else to 1024, if the limit allows that.
fn out_of_the_way() {
    use std::os::fd::{AsFd, AsRawFd};
    let numbers = || {
        let child = piped().spawn().unwrap();
        let ours = [child.stdin.as_ref().unwrap().as_raw_fd(), child.stdout.as_ref().unwrap().as_raw_fd()];
        let numbers = [child.pidfd().as_fd().as_raw_fd(), ours[0], ours[1]];
        assert_eq!(child.wait_with_output().unwrap().status.code(), Some(3));
        numbers
    };
    assert!(numbers().iter().all(|&number| number < 64), "{:?}", numbers());
    let fillers: Vec<_> = (0..100).map(|_| File::open("/dev/null").unwrap()).collect();
    for (limit, expected) in [(2000, 1024..2000), (512, 64..512)] {
        use rustix::process::{getrlimit, setrlimit, Resource, Rlimit};
        let maximum = getrlimit(Resource::Nofile).maximum;
        if maximum.is_some_and(|maximum| maximum < limit) {
            common::skipped(format_args!("the limit of descriptors is {maximum:?}"));
            continue;
        }
        setrlimit(Resource::Nofile, Rlimit { current: Some(limit), maximum }).unwrap();
        assert!(numbers().iter().all(|number| expected.contains(number)), "{:?}", numbers());
    }
    drop(fillers);
}

fn by_std() {
    let mut command = piped();
    common::make_by_std(&mut command);
    each(10, command, spawn);
    let mut command = quiet();
    common::make_by_std(&mut command);
    each(4, command, spawn);
}

/// With a `Stdio` of std's, which needs some descriptors for itself: what fails leaves nothing.
fn failed_by_std() {
    let mut errors = std::collections::BTreeSet::new();
    for spare in 0..=8 {
        check_leaks(|| {
            let mut command = Command::new("/no/such/program");
            command.stdin(std::process::Stdio::inherit());
            let limit = Limit::with_spare(spare);
            let error = command.spawn().map(drop).unwrap_err();
            drop(limit);
            common::no_child_is_left();
            errors.insert(SpawnError::raw_os_error(&error));
        });
    }
    assert_eq!(errors.into_iter().collect::<Vec<_>>(), [Some(libc::ENOENT), Some(libc::EMFILE)]);
}

fn into_a_set() {
    for mut command in [quiet(), piped()] {
        for spare in 0..=12 {
            check_leaks(|| {
                let set = ChildSet::new().unwrap();
                let limit = Limit::with_spare(spare);
                let spawned = set.spawn(&mut command, "tag");
                drop(limit);
                match spawned {
                    Ok(key) => {
                        let (mut child, _) = set.remove(key).unwrap();
                        drop(child.stdin.take());
                        assert_eq!(child.wait_with_output().unwrap().status.code(), Some(3));
                    }
                    Err(error) => {
                        assert!(is_emfile(&error.error) && spare < 8, "{spare}: {error}");
                        assert!(error.tag == "tag" && error.child.is_none() && set.is_empty());
                    }
                }
            });
        }
    }
}

#[cfg(feature = "async-io")]
fn output() {
    each(8, talkative(), |command| {
        let output = futures_lite::future::block_on(command.output())?;
        assert_eq!((output.stdout, output.stderr), (b"out\n".to_vec(), b"err\n".to_vec()));
        assert_eq!(output.status.code(), Some(3));
        Ok(None)
    });
}
