//! Children that a tracer (strace, gdb, a security agent) holds back as zombies: readable, but not to be had.

#![allow(unsafe_code)]

mod common;

use std::io::{self, BufRead, BufReader, Read};
use std::os::fd::AsFd;
use std::process::{exit, ChildStdin, Command, Stdio};
use std::sync::mpsc::{channel, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use childset::{Child, ChildSet, Exit, Pidfd, Signal, State};
use common::{check_leaks, kernel, readable, reexec, role, skipped, until_ended, warm_up};

/// How long a zombie is waited for in vain, and the processor time which that may cost.
const VAIN: Duration = Duration::from_secs(1);
const BUDGET: Duration = Duration::from_millis(20);

const CODE: u8 = 7;

const TESTS: &[(&str, fn())] = &[
    ("set_wait", set_wait),
    ("set_in_an_outer_loop", set_in_an_outer_loop),
    ("set_of_many", set_of_many),
    ("set_is_level_triggered_again", set_is_level_triggered_again),
    ("pidfd_wait", pidfd_wait),
    ("pidfd_try_wait", pidfd_try_wait),
    ("child_wait", child_wait),
    ("child_wait_nonblocking", child_wait_nonblocking),
    ("child_wait_timeout", child_wait_timeout),
    ("child_output", child_output),
    ("zombie_of_another", zombie_of_another),
    ("set_with_a_stolen_one", set_with_a_stolen_one),
    ("stolen_when_the_tracer_lets_go", stolen_when_the_tracer_lets_go),
    ("dropped", dropped),
    #[cfg(feature = "async-io")]
    ("set_next", asynchronous::set_next),
    #[cfg(feature = "async-io")]
    ("pidfd_wait_async", asynchronous::pidfd_wait_async),
    #[cfg(feature = "async-io")]
    ("exited_async", asynchronous::exited_async),
];

fn main() {
    match role() {
        Some(role) if role == "tracee" => return tracee(),
        Some(pid) => return common::tracer(pid.parse().unwrap()),
        None => {}
    }
    common::main_with(TESTS, |_, test| {
        if let Some(errno) = refusal() {
            return skipped(format_args!("PTRACE_SEIZE is refused: {errno}"));
        }
        warm_up();
        test();
    });
}

/// Lets anybody trace it, says so, and lives until its standard input is closed. A signal would stop it, which its
/// tracer does not mend.
fn tracee() {
    common::block_signals();
    // SAFETY: no memory is touched. Without Yama it fails, and is not needed.
    unsafe { libc::prctl(libc::PR_SET_PTRACER, libc::PR_SET_PTRACER_ANY) };
    println!("traceable");
    io::stdin().read_to_end(&mut Vec::new()).unwrap();
    exit(CODE.into());
}

/// A process on its standard input, and the first line that it wrote.
fn start(mut command: Command) -> (std::process::Child, String) {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (child, line.trim().to_owned())
}

/// Ends when it is dropped, and lets go of the tracee.
struct Tracer(std::process::Child);

impl Drop for Tracer {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

struct Traced {
    child: std::process::Child,
    stdin: ChildStdin,
    tracer: Tracer,
}

/// A child that is traced by another one, and still runs.
fn traced() -> Result<Traced, String> {
    let (mut child, line) = start(reexec("tracee"));
    assert_eq!(line, "traceable");
    let stdin = child.stdin.take().unwrap();
    let (tracer, line) = start(reexec(&child.id().to_string()));
    let tracer = Tracer(tracer);
    if line != "started" {
        drop(stdin);
        child.wait().unwrap();
        return Err(line);
    }
    Ok(Traced { child, stdin, tracer })
}

fn refusal() -> Option<String> {
    let Traced { mut child, stdin, tracer } = match traced() {
        Ok(traced) => traced,
        Err(errno) => return Some(errno),
    };
    drop((stdin, tracer));
    child.wait().unwrap();
    None
}

/// A zombie that is held back: how the crate sees it, and the two that make it go on.
fn zombie<C>(adopt: impl FnOnce(std::process::Child) -> C) -> (C, Tracer) {
    let Traced { child, stdin, tracer } = traced().unwrap();
    let probe = Pidfd::from_child(&child).unwrap();
    let child = adopt(child);
    drop(stdin);
    until_ended(&probe);
    assert_eq!(probe.state().unwrap(), State::Zombie);
    assert_eq!(probe.try_wait().unwrap(), None);
    (child, tracer)
}

fn cpu_time() -> Duration {
    // SAFETY: all-zero bytes are a valid `rusage`, and the call writes no more than that.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        assert_eq!(libc::getrusage(libc::RUSAGE_SELF, &mut usage), 0);
        usage
    };
    let time = |t: libc::timeval| Duration::new(t.tv_sec as u64, t.tv_usec as u32 * 1000);
    time(usage.ru_utime) + time(usage.ru_stime)
}

/// Runs what waits for `VAIN`, and checks that it slept.
fn idle<R>(wait: impl FnOnce() -> R) -> R {
    let (start, before) = (Instant::now(), cpu_time());
    let result = wait();
    let used = cpu_time() - before;
    assert!(start.elapsed() >= VAIN, "waited for {:?} only", start.elapsed());
    // An emulated processor takes many times as long for the little that there is to do, and signals that come all
    // the time have all look up.
    let is_slow = common::times(100) < 100 || common::under_signals();
    let budget = if is_slow { VAIN / 2 } else { BUDGET };
    assert!(used < budget, "{used:?} of processor time");
    result
}

fn assert_quiet<T>(set: &ChildSet<T>) {
    assert!(set.try_wait().unwrap().is_none());
    assert!(!readable(set, Duration::ZERO), "readable, but there is nothing to reap");
}

fn assert_exit(exit: io::Result<Exit>) {
    assert_eq!(exit.unwrap().code(), Some(CODE.into()));
}

fn set_wait() {
    check_leaks(|| {
        let set = ChildSet::new().unwrap();
        let (_, tracer) = zombie(|child| set.insert(child, "tag").unwrap());
        assert!(idle(|| set.wait(Some(VAIN))).unwrap().is_none());
        assert_quiet(&set);
        assert_eq!(set.len(), 1);
        drop(tracer);
        let exited = set.wait(None).unwrap().unwrap();
        assert_eq!(exited.tag, "tag");
        assert_exit(exited.exit);
    });
}

/// Polls the one descriptor for `VAIN`, as any event loop does; returns how often it was readable.
fn outer_loop<T>(set: &ChildSet<T>) -> u32 {
    let deadline = Instant::now() + VAIN;
    let mut wakes = 0;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if readable(set.as_fd(), left) {
            wakes += 1;
            assert!(set.try_wait().unwrap().is_none());
        }
        if left.is_zero() {
            return wakes;
        }
    }
}

fn set_in_an_outer_loop() {
    check_leaks(|| {
        let set = ChildSet::new().unwrap();
        let (_, tracer) = zombie(|child| set.insert(child, ()).unwrap());
        // The zombie was readable once.
        assert!(idle(|| outer_loop(&set)) <= 2);
        assert_quiet(&set);
        drop(tracer);
        assert!(readable(set.as_fd(), Duration::from_secs(60)), "no edge when the tracer let go");
        assert_exit(set.try_wait().unwrap().unwrap().exit);
    });
}

fn set_of_many() {
    check_leaks(|| {
        let set = ChildSet::new().unwrap();
        let mut tracers: Vec<_> =
            (0..3).map(|tag| (tag, zombie(|child| set.insert(child, tag).unwrap()).1)).collect();
        set.insert(common::held(), 3).unwrap();
        let (normal, stdin) = common::held_with(1);
        set.insert(normal, 4).unwrap();
        drop(stdin);
        // One that has ended comes out past those that are held back.
        let exited = set.wait(None).unwrap().unwrap();
        assert_eq!((exited.tag, exited.exit.unwrap().code()), (4, Some(1)));
        assert!(idle(|| set.wait(Some(VAIN))).unwrap().is_none());
        assert!(idle(|| outer_loop(&set)) <= 2);
        assert_quiet(&set);
        while let Some((tag, tracer)) = tracers.pop() {
            drop(tracer);
            let exited = set.wait(None).unwrap().unwrap();
            assert_eq!(exited.tag, tag);
            assert_exit(exited.exit);
            assert_quiet(&set);
        }
        set.send_signal_to_all(Signal::KILL).unwrap();
        assert_eq!(set.wait(None).unwrap().unwrap().tag, 3);
    });
}

/// An exit that was seen and not taken keeps the set readable, also where a tracer had held it back.
fn set_is_level_triggered_again() {
    check_leaks(|| {
        let set = ChildSet::new().unwrap();
        let (_, tracer) = zombie(|child| set.insert(child, "traced").unwrap());
        assert_quiet(&set);
        let (normal, stdin) = common::held_with(1);
        let normal_ends = Pidfd::from_child(&normal).unwrap();
        set.insert(normal, "normal").unwrap();
        // It is ready before the traced one, which is seen with it and left there.
        drop(stdin);
        until_ended(&normal_ends);
        drop(tracer);
        let first = set.try_wait().unwrap().unwrap().tag;
        for _ in 0..3 {
            assert!(readable(&set, Duration::ZERO), "one is left");
        }
        let second = set.try_wait().unwrap().unwrap();
        assert_eq!((first, second.tag), ("normal", "traced"));
        assert_exit(second.exit);
        assert_quiet(&set);
    });
}

/// How many epoll instances a child of std's has from us.
fn seen_by_children() -> usize {
    let output = Command::new("ls").args(["-l", "/proc/self/fd"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().matches("eventpoll").count()
}

/// Waits in a thread: in vain as long as the tracer is there.
fn in_a_thread(tracer: Tracer, wait: impl FnOnce() -> io::Result<Exit> + Send) {
    let before = seen_by_children();
    thread::scope(|scope| {
        let (sender, receiver) = channel();
        scope.spawn(move || sender.send(wait()).unwrap());
        match idle(|| receiver.recv_timeout(VAIN)) {
            Err(RecvTimeoutError::Timeout) => {}
            early => panic!("{early:?}"),
        }
        assert_eq!(seen_by_children(), before, "epoll instances in a child of std's");
        drop(tracer);
        assert_exit(receiver.recv().unwrap());
    });
}

fn pidfd_wait() {
    check_leaks(|| {
        let (pidfd, tracer) = zombie(|child| Pidfd::from_child(&child).unwrap());
        in_a_thread(tracer, || pidfd.wait());
    });
}

fn pidfd_try_wait() {
    check_leaks(|| {
        let (pidfd, tracer) = zombie(|child| Pidfd::from_child(&child).unwrap());
        pidfd.set_nonblocking(true).unwrap();
        assert_eq!(pidfd.wait().unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert_eq!(pidfd.try_wait().unwrap(), None);
        drop(tracer);
        assert_exit(pidfd.try_wait().map(Option::unwrap));
    });
}

fn child_wait() {
    check_leaks(|| {
        let (child, tracer) = zombie(|child| Child::try_from(child).unwrap());
        in_a_thread(tracer, || child.wait());
    });
}

fn child_wait_nonblocking() {
    check_leaks(|| {
        let (child, tracer) = zombie(|child| Child::try_from(child).unwrap());
        child.pidfd().set_nonblocking(true).unwrap();
        in_a_thread(tracer, || child.wait());
    });
}

fn child_wait_timeout() {
    check_leaks(|| {
        let (child, tracer) = zombie(|child| Child::try_from(child).unwrap());
        assert_eq!(idle(|| child.wait_timeout(VAIN)).unwrap(), None);
        in_a_thread(tracer, || child.wait_timeout(Duration::MAX).map(Option::unwrap));
    });
}

fn child_output() {
    check_leaks(|| {
        let (child, tracer) = zombie(|child| Child::try_from(child).unwrap());
        in_a_thread(tracer, || child.capture().wait().map(|captured| captured.exit));
    });
}

/// A zombie that only its own parent can reap is waited for asleep.
fn zombie_of_another() {
    if kernel() < (6, 15) {
        // What nobody will be told is not waited for.
        return;
    }
    // It comes to us when its parent is gone.
    // SAFETY: a number.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) }, 0);
    let mut command = Command::new("sh");
    command.args(["-c", "sleep 60 & echo $!; exec cat >/dev/null"]);
    let (parent, line) = start(command);
    let (pid, name) = (line.parse().unwrap(), format!("/proc/{}/comm", parent.id()));
    // A shell would reap it.
    while std::fs::read_to_string(&name).unwrap() != "cat\n" {
        thread::yield_now();
    }
    let zombie = Pidfd::open(pid).unwrap();
    zombie.kill().unwrap();
    until_ended(&zombie);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| zombie.wait());
        idle(|| thread::sleep(VAIN));
        if waiting.is_finished() {
            panic!("it was told {:?}", waiting.join().unwrap());
        }
        drop(Tracer(parent));
        common::reap_by_pid(pid);
        assert_eq!(waiting.join().unwrap().unwrap().signal(), Some(Signal::KILL));
    });
}

/// One whose status somebody else took comes out past one that is held back, and leaves it to sleep.
fn set_with_a_stolen_one() {
    check_leaks(|| {
        let set = ChildSet::new().unwrap();
        let (_, tracer) = zombie(|child| set.insert(child, "traced").unwrap());
        assert_quiet(&set);
        let (stolen, stdin) = common::held_with(1);
        let pid = stolen.id();
        set.insert(stolen, "stolen").unwrap();
        drop(stdin);
        common::reap_by_pid(pid);
        let exited = set.wait(None).unwrap().unwrap();
        assert_eq!(exited.tag, "stolen");
        common::assert_code(&exited.exit, 1);
        assert!(idle(|| set.wait(Some(VAIN))).unwrap().is_none());
        assert!(idle(|| outer_loop(&set)) <= 2);
        drop(tracer);
        assert_exit(set.wait(None).unwrap().unwrap().exit);
    });
}

/// Whoever waits for it in all three ways is woken, and nobody waits in vain.
fn stolen_when_the_tracer_lets_go() {
    let steal = |pid: u32, tracer: Tracer| {
        thread::sleep(Duration::from_millis(50));
        drop(tracer);
        // Who waits may be faster.
        // SAFETY: no status is written.
        unsafe { libc::waitpid(pid as i32, std::ptr::null_mut(), 0) };
    };
    check_leaks(|| {
        let set = ChildSet::new().unwrap();
        let (pid, tracer) = zombie(|child| {
            let pid = child.id();
            set.insert(child, ()).unwrap();
            pid
        });
        assert_quiet(&set);
        steal(pid, tracer);
        assert!(readable(&set, Duration::from_secs(60)));
        common::assert_code(&set.try_wait().unwrap().unwrap().exit, CODE);

        type Wait = fn(&Child) -> io::Result<Exit>;
        let waits: [Wait; 2] =
            [|child| child.wait(), |child| Ok(child.wait_timeout(Duration::MAX)?.unwrap())];
        for wait in waits {
            let (child, tracer) = zombie(|child| Child::try_from(child).unwrap());
            thread::scope(|scope| {
                let waiting = scope.spawn(|| wait(&child));
                steal(child.id(), tracer);
                common::assert_code(&waiting.join().unwrap(), CODE);
            });
        }
        let (child, tracer) = zombie(|child| Child::try_from(child).unwrap());
        let pid = child.id();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| child.capture().wait().map(|captured| captured.exit));
            steal(pid, tracer);
            common::assert_code(&waiting.join().unwrap(), CODE);
        });
    });
}

fn dropped() {
    check_leaks(|| {
        let (probe, tracer) = zombie(|child| {
            let probe = Pidfd::from_child(&child).unwrap();
            drop(Child::try_from(child).unwrap());
            probe
        });
        idle(|| thread::sleep(VAIN));
        assert_eq!(childset::reap_dropped(), 1);
        drop(tracer);
        common::reap_all_dropped();
        assert_eq!(probe.state().unwrap(), State::Reaped);
    });
}

#[cfg(feature = "async-io")]
mod asynchronous {
    use super::*;

    use std::future::Future;
    use std::pin::pin;

    use async_io::{Async, Timer};
    use childset::AsyncPidfdExt;
    use futures_lite::future::{block_on, or};

    /// `None` if the time is over first.
    async fn in_vain<R>(future: impl Future<Output = R>) -> Option<R> {
        or(async { Some(future.await) }, async {
            Timer::after(VAIN).await;
            None
        })
        .await
    }

    pub(super) fn set_next() {
        check_leaks(|| {
            let set = ChildSet::new().unwrap();
            let (_, tracer) = zombie(|child| set.insert(child, "tag").unwrap());
            assert!(idle(|| block_on(in_vain(set.next()))).is_none());
            assert_quiet(&set);
            // Also when one waits already as the tracer lets go.
            let exited = thread::scope(|scope| {
                let waiter = scope.spawn(|| block_on(set.next()));
                drop(tracer);
                waiter.join().unwrap().unwrap().unwrap()
            });
            assert_eq!(exited.tag, "tag");
            assert_exit(exited.exit);
        });
    }

    pub(super) fn pidfd_wait_async() {
        check_leaks(|| {
            let (pidfd, tracer) = zombie(|child| Async::new(Pidfd::from_child(&child).unwrap()).unwrap());
            // The future is kept while the tracer lets go, since it holds what it waits on.
            let mut wait = pin!(pidfd.exit());
            assert!(idle(|| block_on(in_vain(&mut wait))).is_none());
            drop(tracer);
            assert_exit(block_on(wait));
        });
    }

    pub(super) fn exited_async() {
        check_leaks(|| {
            let (pidfd, tracer) = zombie(|child| Async::new(Pidfd::from_child(&child).unwrap()).unwrap());
            assert!(block_on(in_vain(pidfd.exited())).expect("it has ended").is_ok());
            assert!(idle(|| block_on(in_vain(pidfd.reaped()))).is_none());
            drop(tracer);
            assert_exit(block_on(pidfd.exit()));
            block_on(pidfd.reaped()).unwrap();
        });
    }
}
