//! Calls that block, in the storm.

use std::io;
use std::os::fd::OwnedFd;
use std::process::Command as StdCommand;
use std::thread;
use std::time::{Duration, Instant};

use childset::unix::CommandExt;
use childset::{Child, ChildSet, Command, Pidfd, Signal, StateChange, Stdio};

use crate::common::{self, check_leaks, errno, kernel, pipe};
use crate::storm::storm;

/// Lives for a while, in which it is waited for, and ends with 7.
fn living() -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "sleep 0.1; exit 7"]);
    command
}

type Wait = fn(Child) -> io::Result<Option<i32>>;

const WAITS: [(&str, Wait); 5] = [
    ("Pidfd::wait", |child| Ok(child.pidfd().wait()?.code())),
    ("Child::wait", |child| Ok(child.wait()?.code())),
    ("Child::wait_timeout", |child| Ok(child.wait_timeout(Duration::MAX)?.unwrap().code())),
    ("Child::wait_with_output", |child| Ok(child.wait_with_output()?.status.code())),
    ("ChildSet::wait", |child| {
        let set = ChildSet::new()?;
        set.insert(child, ())?;
        set.wait(None)?.unwrap().exit.map(|exit| exit.code())
    }),
];

fn each_wait(nonblocking: bool) {
    for (name, wait) in WAITS {
        check_leaks(|| {
            let child = living().spawn().unwrap();
            child.pidfd().set_nonblocking(nonblocking && name != "Pidfd::wait").unwrap();
            let code = storm(|| wait(child)).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(code, Some(7), "{name}");
        });
    }
}

pub(crate) fn messages() {
    use std::os::unix::net::UnixStream;
    let (socket, other) = UnixStream::pair().unwrap();
    let mut command = StdCommand::new("sh");
    command.args(["-c", "sleep 0.1; echo hello"]).stdout(OwnedFd::from(other));
    let mut child = command.spawn().unwrap();
    let mut buffer = [0; 16];
    let (length, sender) = storm(|| Pidfd::recv(&socket, &mut buffer)).unwrap();
    assert_eq!((&buffer[..length], sender.unwrap().is_none()), (&b"hello\n"[..], true));
    assert!(child.wait().unwrap().success());
}

pub(crate) fn waits() {
    each_wait(false);
    each_wait(true);
}

/// Then nobody who blocks looks after dropped children, and other calls are made.
pub(crate) fn waits_while_the_reactor_runs() {
    #[cfg(feature = "async-io")]
    {
        // Without standard output it would end at once.
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let mut exit = Box::pin(child.exit());
        assert!(futures_lite::future::block_on(futures_lite::future::poll_once(&mut exit)).is_none());
        drop(child.stdin.take());
        assert!(futures_lite::future::block_on(exit).unwrap().success());
    }
    waits();
}

/// The signals come faster than the time runs out, and until it has.
pub(crate) fn time_outs() {
    /// So long that nothing keeps the signals away meanwhile.
    const TIME: Duration = Duration::from_millis(300);
    let held = || Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    check_leaks(|| {
        let timed = |name: &str, act: &mut dyn FnMut() -> bool| {
            let start = Instant::now();
            assert!(storm(act), "{name}");
            assert!(start.elapsed() >= TIME, "{name}: {:?}", start.elapsed());
        };
        let child = held();
        timed("Child::wait_timeout", &mut || child.wait_timeout(TIME).unwrap().is_none());
        child.pidfd().set_nonblocking(true).unwrap();
        timed("Child::wait_timeout, nonblocking", &mut || child.wait_timeout(TIME).unwrap().is_none());
        let set = ChildSet::new().unwrap();
        set.insert(child, ()).unwrap();
        timed("ChildSet::wait", &mut || set.wait(Some(TIME)).unwrap().is_none());
        // Another thread leads, which gets no signals.
        thread::scope(|scope| {
            let leader = common::spawn_asleep(scope, || set.wait(Some(10 * TIME)).unwrap().is_none());
            timed("ChildSet::wait, not leading", &mut || set.wait(Some(TIME)).unwrap().is_none());
            assert!(leader.join().unwrap());
        });
        set.send_signal_to_all(Signal::KILL).unwrap();
        assert!(set.wait(None).unwrap().is_some());

        let stubborn = Child::try_from(common::stubborn()).unwrap();
        timed("Child::wait_terminated", &mut || {
            stubborn.wait_terminated(TIME).unwrap().signal() == Some(Signal::KILL)
        });
        let set = ChildSet::new().unwrap();
        set.insert(common::stubborn(), ()).unwrap();
        timed("Shutdown::wait", &mut || {
            let exit = set.shutdown(TIME).wait().unwrap().unwrap().exit.unwrap();
            exit.signal() == Some(Signal::KILL)
        });
        // A process that holds the pipe outlives the grace.
        let mut command = Command::new("sh");
        command.args(["-c", "cat <&3 3<&- & exit 0"]).stdout(Stdio::piped());
        let (reader, writer) = pipe();
        command.fd(3, reader);
        let mut child = command.spawn().unwrap();
        drop(command);
        child.set_drain_grace(TIME);
        let mut child = Some(child);
        timed("Capture::wait", &mut || child.take().unwrap().capture().wait().unwrap().pipe_open);
        drop(writer);
    });
}

pub(crate) fn stops() {
    check_leaks(|| {
        let child = Command::new("sh").args(["-c", "sleep 0.1; kill -STOP $$; sleep 0.1"]).spawn().unwrap();
        let pidfd = child.pidfd();
        assert_eq!(storm(|| pidfd.wait_state()).unwrap(), StateChange::Stopped(Signal::STOP));
        pidfd.send_signal(Signal::CONT).unwrap();
        assert_eq!(storm(|| pidfd.wait_state()).unwrap(), StateChange::Continued);
        assert_eq!(storm(|| pidfd.wait_state()).unwrap(), StateChange::Ended);
        assert!(child.wait().unwrap().success());
    });
}

/// A process that is not our child.
pub(crate) fn strangers() {
    check_leaks(|| {
        let mut command = StdCommand::new("sh");
        command.args(["-c", "(sleep 0.2; exit 7) & echo $!; wait $!"]).stdout(std::process::Stdio::piped());
        let mut parent = command.spawn().unwrap();
        let mut line = String::new();
        io::BufRead::read_line(&mut io::BufReader::new(parent.stdout.as_mut().unwrap()), &mut line).unwrap();
        let stranger = Pidfd::open(line.trim().parse().unwrap()).unwrap();
        match storm(|| stranger.wait()) {
            Ok(exit) => assert_eq!(exit.code(), Some(7)),
            Err(error) => assert!(kernel() < (6, 15), "{error}"),
        }
        parent.wait().unwrap();
    });
}

/// More than a pipe holds, in both directions.
pub(crate) fn output() {
    check_leaks(|| {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 0.1; cat; sleep 0.1; exit 7"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let input: Vec<u8> = (0..1 << 20).map(|number| (number % 251) as u8).collect();
        let child = command.spawn().unwrap();
        let output = storm(|| child.wait_with_input(input.as_slice())).unwrap();
        assert!(output.status.code() == Some(7) && output.stdout == input);
    });
}

/// Nothing is left of a process that failed, and what failed is said.
pub(crate) fn failed_spawns() {
    let slow_failure = || -> io::Result<()> {
        let time = libc::timespec { tv_sec: 0, tv_nsec: 50_000_000 };
        // SAFETY: the time is read alone.
        unsafe { libc::nanosleep(&time, std::ptr::null_mut()) };
        Err(io::Error::from_raw_os_error(libc::EXDEV))
    };
    check_leaks(|| {
        for by_std in [false, true] {
            let mut command = Command::new("true");
            // SAFETY: the closure makes one system call.
            unsafe { command.pre_exec(slow_failure) };
            if by_std {
                command.stdin(std::process::Stdio::null());
            }
            let error = storm(|| command.spawn()).unwrap_err();
            assert_eq!(errno(&error), libc::EXDEV, "{error}");
        }
        storm(|| {
            for _ in 0..common::times(100) {
                assert_eq!(errno(&Command::new("/no/such/program").spawn().unwrap_err()), libc::ENOENT);
            }
        });
        common::no_child_is_left();
    });
}
