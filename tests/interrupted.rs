//! A signal whose handler does not restart system calls (no `SA_RESTART`) interrupts each call that blocks, again and
//! again: it goes on, and its time-out is not begun anew.

#![allow(unsafe_code)]

mod common;

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::process::Command as StdCommand;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use childset::unix::CommandExt;
use childset::{Child, ChildSet, ChildStdin, ChildStdout, Command, Pidfd, Signal, State, StateChange, Stdio};
use common::{check_leaks, errno, held_with, kernel};

const TESTS: &[(&str, fn())] = &[
    ("waits", waits),
    ("waits_while_the_reactor_runs", waits_while_the_reactor_runs),
    ("time_outs", time_outs),
    ("stops", stops),
    ("strangers", strangers),
    ("output", output),
    ("failed_spawns", failed_spawns),
    ("messages", messages),
    ("both_sides_of_a_fork", both_sides_of_a_fork),
    ("looks", || inject("looks", &["poll,ppoll,ppoll_time64:error=EINTR:when=3"], &[])),
    ("reads", || pipes("reads", "read")),
    ("writes", || pipes("writes", "write")),
    #[cfg(feature = "async-io")]
    ("awaited_reads", || pipes("awaited_reads", "read")),
    #[cfg(feature = "async-io")]
    ("awaited_writes", || pipes("awaited_writes", "write")),
];

/// Each runs under strace.
const ROLES: &[(&str, fn())] = &[
    ("looks", looks),
    ("reads", reads),
    ("writes", writes),
    #[cfg(feature = "async-io")]
    ("awaited_reads", awaited_reads),
    #[cfg(feature = "async-io")]
    ("awaited_writes", awaited_writes),
];

fn main() {
    match common::role() {
        Some(role) => common::play(&role, ROLES, 60).expect("a role"),
        None => common::main_warm(TESTS),
    }
}

static RUNS: AtomicUsize = AtomicUsize::new(0);

extern "C" fn handler(_: i32) {
    RUNS.fetch_add(1, Ordering::Relaxed);
}

/// A timer of the kernel's, which ends when it is dropped.
struct Storm(libc::timer_t);

impl Storm {
    /// A signal for this thread each millisecond, also where other threads are not let run.
    fn start() -> Storm {
        let mut timer = std::ptr::null_mut();
        let millisecond = libc::timespec { tv_sec: 0, tv_nsec: 1_000_000 };
        let times = libc::itimerspec { it_interval: millisecond, it_value: millisecond };
        // SAFETY: the handler writes to an atomic alone. All-zero bytes are a valid action, without `SA_RESTART`, and a
        // valid event. What is passed lives as long as the calls.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = handler as extern "C" fn(i32) as libc::sighandler_t;
            assert_eq!(libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut()), 0);
            let mut event: libc::sigevent = std::mem::zeroed();
            event.sigev_notify = libc::SIGEV_THREAD_ID;
            event.sigev_signo = libc::SIGUSR1;
            event.sigev_notify_thread_id = libc::syscall(libc::SYS_gettid) as i32;
            assert_eq!(libc::timer_create(libc::CLOCK_MONOTONIC, &mut event, &mut timer), 0);
            assert_eq!(libc::timer_settime(timer, 0, &times, std::ptr::null_mut()), 0);
        }
        Storm(timer)
    }
}

impl Drop for Storm {
    fn drop(&mut self) {
        // SAFETY: `start` has made it.
        unsafe { libc::timer_delete(self.0) };
    }
}

/// Does it in the storm. At least one signal has come when it is done.
fn storm<R>(act: impl FnOnce() -> R) -> R {
    let before = RUNS.load(Ordering::Relaxed);
    let storm = Storm::start();
    let result = act();
    while RUNS.load(Ordering::Relaxed) == before {
        thread::yield_now();
    }
    drop(storm);
    result
}

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

fn messages() {
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

fn waits() {
    each_wait(false);
    each_wait(true);
}

/// Then nobody who blocks looks after dropped children, and other calls are made.
fn waits_while_the_reactor_runs() {
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
fn time_outs() {
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
            let leader = scope.spawn(|| set.wait(Some(10 * TIME)).unwrap().is_none());
            thread::sleep(TIME / 4);
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

fn pipe() -> (File, File) {
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    (reader.into(), writer.into())
}

fn stops() {
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
fn strangers() {
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
fn output() {
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
fn failed_spawns() {
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

// --- What no signal can be timed for.

/// Before its closure runs, the child reads from the parent, and the parent from the child.
fn both_sides_of_a_fork() {
    thread::scope(|scope| {
        let (sender, receiver) = std::sync::mpsc::channel();
        let spawner = scope.spawn(move || {
            let held = common::seccomp::hold(libc::SYS_read);
            let works = held.is_ok();
            sender.send(held).unwrap();
            works.then(|| common::by_std("true").spawn())
        });
        let held = match receiver.recv().unwrap() {
            Ok(held) => held,
            Err(error) => return common::skipped(format_args!("system calls cannot be held: {error}")),
        };
        // The first one of each process.
        let mut interrupted = Vec::new();
        while !spawner.is_finished() {
            match held.next(1) {
                Some(call) if !interrupted.contains(&call.pid) => {
                    interrupted.push(call.pid);
                    held.refuse(call, libc::EINTR);
                }
                Some(call) => held.go_on(call),
                None => {}
            }
        }
        let child = spawner.join().unwrap().expect("calls are held").unwrap();
        assert!(interrupted.contains(&(child.id() as i32)) && interrupted.len() == 2, "{interrupted:?}");
        while child.try_wait().unwrap().is_none() {
            held.next(1).into_iter().for_each(|call| held.go_on(call));
        }
        assert!(child.wait().unwrap().success());
    });
}

fn inject(role: &str, injected: &[&str], more: &[&str]) {
    if common::strace::works() {
        common::strace::strace(injected, more, common::reexec(role)).unwrap();
    }
}

/// A look that does not block is interrupted, too, where a signal is there.
fn looks() {
    let (child, stdin) = held_with(7);
    let pidfd = Pidfd::from_child(&child).unwrap();
    for _ in 0..10 {
        assert_eq!(pidfd.state().unwrap(), State::Running);
    }
    drop(stdin);
    assert_eq!(pidfd.wait().unwrap().code(), Some(7));
}

const PATH: &str = "CHILDSET_TEST_FIFO";

/// Each call for this fifo fails at first: strace knows it by its path.
fn pipes(role: &str, call: &str) {
    if !common::strace::works() {
        return;
    }
    let place = common::Dir::new();
    let path = place.path().join("fifo");
    assert!(StdCommand::new("mkfifo").arg(&path).status().unwrap().success());
    for number in 1..=3 {
        let mut command = common::reexec(role);
        command.env(PATH, &path);
        let injected = format!("{call}:error=EINTR:when={number}");
        let result = common::strace::strace(&[&injected], &["-P", path.to_str().unwrap()], command);
        result.unwrap_or_else(|why| panic!("{injected}: {why}"));
    }
}

/// Its two ends.
fn fifo() -> (OwnedFd, OwnedFd) {
    let path = std::env::var_os(PATH).unwrap();
    // So that nobody waits for the other end.
    let both = File::options().read(true).write(true).open(&path).unwrap();
    let reader = File::open(&path).unwrap();
    let writer = File::options().write(true).open(&path).unwrap();
    drop(both);
    (reader.into(), writer.into())
}

/// Ends when its input does.
fn held() -> (Child, Option<ChildStdin>) {
    let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    let stdin = child.stdin.take();
    (child, stdin)
}

fn reads() {
    let (reader, writer) = fifo();
    let (mut child, stdin) = held();
    child.stdout = Some(ChildStdout::from(reader));
    File::from(writer).write_all(&[b'x'; 3000]).unwrap();
    drop(stdin);
    assert_eq!(child.wait_with_output().unwrap().stdout, [b'x'; 3000]);
}

fn writes() {
    let (reader, writer) = fifo();
    let (mut child, stdin) = held();
    child.stdin = Some(ChildStdin::from(writer));
    drop(stdin);
    assert!(child.wait_with_input([b'x'; 3000]).unwrap().status.success());
    let mut told = Vec::new();
    File::from(reader).read_to_end(&mut told).unwrap();
    assert_eq!(told, [b'x'; 3000]);
}

#[cfg(feature = "async-io")]
fn awaited_reads() {
    use futures_lite::AsyncReadExt;
    let (reader, writer) = fifo();
    File::from(writer).write_all(b"hello").unwrap();
    let mut told = String::new();
    let mut reader = ChildStdout::from(reader);
    let read = futures_lite::future::block_on(AsyncReadExt::read_to_string(&mut reader, &mut told));
    assert_eq!((read.unwrap(), told.as_str()), (5, "hello"));
}

#[cfg(feature = "async-io")]
fn awaited_writes() {
    use futures_lite::AsyncWriteExt;
    let (reader, writer) = fifo();
    let mut writer = ChildStdin::from(writer);
    for _ in 0..3 {
        // `write_all` would try again by itself.
        let written = futures_lite::future::block_on(AsyncWriteExt::write(&mut writer, b"abc"));
        assert_eq!(written.unwrap(), 3);
    }
    drop(writer);
    let mut told = Vec::new();
    File::from(reader).read_to_end(&mut told).unwrap();
    assert_eq!(told, b"abcabcabc");
}
