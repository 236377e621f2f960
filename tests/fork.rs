//! A plain `fork()` of the program: the copy's objects of its parent's are inert, the parent notices nothing, and what the
//! copy makes anew works.

#![allow(unsafe_code)]

mod common;

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use childset::{
    reap_dropped, Child, ChildSet, ChildStdin, Command, Forked, Gone, Pidfd, Signal, State, Stdio,
};
use common::{check_leaks, reap_all_dropped, until_ended};

const TESTS: &[(&str, fn())] = &[
    ("calls_of_a_child", calls_of_a_child),
    ("calls_of_a_set", calls_of_a_set),
    ("dropped_child_lives_on", dropped_child_lives_on),
    ("dropped_set_lives_on", dropped_set_lives_on),
    ("dropped_children_before", dropped_children_before),
    ("what_is_new_works", what_is_new_works),
    ("zombies_of_a_copy", zombies_of_a_copy),
    ("copy_of_a_copy", copy_of_a_copy),
    ("threads_hold_locks", threads_hold_locks),
    ("raw_clone", raw_clone),
    ("without_the_page", without_the_page),
    ("prefork", prefork),
    #[cfg(feature = "async-io")]
    ("awaits_anew", asynchronous::awaits_anew),
    #[cfg(feature = "async-io")]
    ("inherited_reactor", asynchronous::inherited_reactor),
    #[cfg(feature = "async-io")]
    ("reactor_of_others", asynchronous::reactor_of_others),
    #[cfg(feature = "async-io")]
    ("futures_of_the_parent", asynchronous::futures_of_the_parent),
    #[cfg(feature = "async-io")]
    ("pipes_of_the_parent", asynchronous::pipes_of_the_parent),
];

fn main() {
    common::main_with(TESTS, |name, test| {
        if name == "without_the_page" {
            // Before the first use of the crate, which asks for it.
            refuse_the_page();
        }
        // It has the crate open the descriptor that it keeps, and awaits nothing.
        drop(held().0);
        reap_all_dropped();
        test();
    });
}

/// Runs `act` in a copy of this process, which ends with 0 if it does not panic.
fn in_copy(act: impl FnOnce()) {
    // SAFETY: glibc and musl let a copy allocate, and it runs what any program does.
    match unsafe { libc::fork() } {
        0 => be_the_copy(act),
        pid => ends_well(pid),
    }
}

fn be_the_copy(act: impl FnOnce()) -> ! {
    common::end_after(60);
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(act)).is_ok();
    // SAFETY: it ends this process.
    unsafe { libc::_exit(if done { 0 } else { 101 }) }
}

fn ends_well(pid: i32) {
    assert!(pid > 0, "{}", io::Error::last_os_error());
    assert_eq!(common::reap_by_pid(pid as u32), 0, "of the copy");
}

fn held() -> (Child, ChildStdin) {
    let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let stdin = child.stdin.take().unwrap();
    (child, stdin)
}

#[track_caller]
fn refused<R: std::fmt::Debug>(result: io::Result<R>) {
    let error = result.unwrap_err();
    assert_eq!(Forked::from_io_error(&error), Some(Forked::Object), "{error}");
    assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    assert!(error.to_string().contains("forked"), "{error}");
}

fn calls_of_a_child() {
    check_leaks(|| {
        let (mut child, stdin) = held();
        let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
        child.stdout = Some(reader.into());
        let (known, known_stdin) = held();
        drop(known_stdin);
        let exit = known.wait().unwrap();
        let pid = child.id();
        let mut child = Some(child);
        in_copy(|| {
            let child = child.take().unwrap();
            refused(child.wait());
            refused(child.wait_timeout(Duration::from_secs(60)));
            refused(child.try_wait());
            refused(child.try_status());
            refused(child.kill());
            refused(child.kill_tree());
            refused(child.send_signal(Signal::KILL));
            refused(child.send_signal_to_group(Signal::KILL));
            refused(child.wait_terminated(Duration::ZERO));
            let handle = child.handle();
            refused(handle.kill());
            refused(handle.send_signal(Signal::KILL));
            refused(handle.send_signal_to_group(Signal::KILL));
            assert_eq!((child.id(), handle.pid(), handle.known_exit()), (pid, Some(pid), None));
            assert!(format!("{child:?}").contains(&pid.to_string()));
            assert_eq!(known.handle().known_exit(), Some(exit));
            // A plain descriptor, of a process that is not this one's child.
            assert_eq!(child.pidfd().try_wait().unwrap(), None);
            let inserted = ChildSet::new().unwrap().insert(child, "tag");
            let error = inserted.map(drop).unwrap_err();
            refused::<()>(Err(error.error));
            assert_eq!((error.child.id(), error.tag), (pid, "tag"));
            refused(error.child.wait_with_output());
        });
        let child = child.unwrap();
        assert_eq!(child.try_wait().unwrap(), None);
        // Both have the same pipe, which blocks as before.
        let flags = rustix::fs::fcntl_getfl(child.stdout.as_ref().unwrap()).unwrap();
        assert!(!flags.contains(rustix::fs::OFlags::NONBLOCK));
        drop((stdin, writer));
        assert!(child.wait().unwrap().success());
        assert_eq!(known.wait().unwrap(), exit);
    });
}

fn calls_of_a_set() {
    check_leaks(|| {
        let set = ChildSet::new().unwrap();
        let (child, stdin) = held();
        let key = set.insert(child, "running").unwrap();
        let ended = set.spawn(Command::new("sh").args(["-c", "exit 3"]), "ended").unwrap();
        assert!(common::readable(&set, Duration::from_secs(60)));
        // What blocks on it makes its eventfd.
        assert_eq!(set.wait(Some(Duration::from_secs(60))).unwrap().unwrap().key, ended);
        assert!(set.wait(Some(Duration::from_millis(1))).unwrap().is_none());
        in_copy(|| {
            refused(set.try_wait());
            refused(set.wait(None));
            refused(set.wait_exits().next().unwrap());
            refused(set.send_signal(key, Signal::KILL));
            refused(set.send_signal_to_group(key, Signal::KILL));
            refused(set.send_signal_to_all(Signal::KILL));
            let mut shutdown = set.shutdown(Duration::ZERO);
            refused(shutdown.try_wait());
            refused(shutdown.wait());
            refused(set.insert(held().0, "tag").map_err(|error| error.error));
            // Nothing is started.
            let error = set.spawn(&mut Command::new("true"), "tag").unwrap_err();
            assert!(error.child.is_none() && error.tag == "tag");
            refused::<()>(Err(error.error));
            assert!(set.remove(key).is_none() && set.handle(key).is_none() && set.pid(key).is_none());
            assert!(!set.contains(key) && set.keys().is_empty() && set.is_empty());
            assert!(set.take_stdin(key).is_none());
            assert!(format!("{set:?}").contains("ChildSet"));
            set.close();
        });
        assert!(set.contains(key) && set.len() == 1);
        // It was not closed, and no wake-up is left for nobody.
        assert!(set.wait(Some(Duration::from_millis(1))).unwrap().is_none());
        set.spawn(&mut Command::new("true"), "new").unwrap();
        assert_eq!(set.wait(None).unwrap().unwrap().tag, "new");
        drop(stdin);
        assert!(set.wait(None).unwrap().unwrap().exit.unwrap().success());
    });
}

fn dropped_child_lives_on() {
    check_leaks(|| {
        let (mut child, _stdin) = held();
        child.set_kill_on_drop(true);
        let mut child = Some(child);
        let (other, other_stdin) = held();
        let handle = other.handle();
        let mut other = Some(other);
        in_copy(|| {
            let fds = common::fds();
            drop(child.take());
            // While a handle is left.
            drop(other.take());
            assert_eq!((reap_dropped(), common::fds()), (0, fds - 1));
        });
        let (child, other) = (child.unwrap(), other.unwrap());
        drop(other_stdin);
        assert!(other.wait().unwrap().success());
        assert!(handle.known_exit().is_some());
        assert_eq!(child.try_wait().unwrap(), None);
        assert_eq!(child.pidfd().state().unwrap(), State::Running);
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(Signal::KILL));
    });
}

fn dropped_set_lives_on() {
    check_leaks(|| {
        let mut set = Some(ChildSet::new().unwrap());
        let (mut child, stdin) = held();
        child.set_kill_on_drop(true);
        let (removed, removed_stdin) = held();
        let key = set.as_ref().unwrap().insert(child, "kept").unwrap();
        set.as_ref().unwrap().insert(removed, "other").unwrap();
        in_copy(|| {
            let set = set.take().unwrap();
            assert!(set.remove(key).is_none());
            drop(set);
        });
        let set = set.unwrap();
        drop(removed_stdin);
        assert_eq!(set.wait(None).unwrap().unwrap().tag, "other");
        drop(stdin);
        let exited = set.wait(None).unwrap().unwrap();
        assert_eq!((exited.tag, exited.exit.unwrap().code()), ("kept", Some(0)));
    });
}

/// The parent's dropped children stay the parent's.
fn dropped_children_before() {
    check_leaks(|| {
        let (first, first_stdin) = held();
        let (second, second_stdin) = held();
        let pidfds = [first.pidfd().try_clone().unwrap(), second.pidfd().try_clone().unwrap()];
        drop((first, second));
        let (mut child, stdin) = (Some(held()), None::<ChildStdin>);
        drop(first_stdin);
        until_ended(&pidfds[0]);
        in_copy(|| {
            assert_eq!(reap_dropped(), 0);
            drop(child.take());
            let (own, own_stdin) = held();
            drop(own);
            assert_eq!(reap_dropped(), 1);
            drop(own_stdin);
            reap_all_dropped();
        });
        assert_eq!(reap_dropped(), 1);
        assert_eq!(pidfds[0].state().unwrap(), State::Reaped);
        drop(second_stdin);
        until_ended(&pidfds[1]);
        assert_eq!(reap_dropped(), 0);
        drop((child, stdin));
        reap_all_dropped();
    });
}

fn works() {
    let set = ChildSet::new().unwrap();
    for code in [1, 2, 3] {
        set.spawn(Command::new("sh").args(["-c", &format!("exit {code}")]), code).unwrap();
    }
    while let Some(exited) = set.wait(None).unwrap() {
        assert_eq!(exited.exit.unwrap().code(), Some(exited.tag));
    }
    let mut echo = Command::new("echo");
    let output = echo.arg("hello").stdout(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
    assert_eq!(output.stdout, b"hello\n");
    let (child, _stdin) = held();
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(Signal::KILL));
    let error = child.kill().map(|()| child.send_signal(Signal::TERM).unwrap_err()).unwrap();
    assert_eq!(Gone::from_io_error(&error), Some(Gone::Reaped));
    let (mut dropped, _stdin) = held();
    dropped.set_kill_on_drop(true);
    drop(dropped);
    reap_all_dropped();
    assert_eq!(common::zombies(), 0);
}

fn what_is_new_works() {
    check_leaks(|| {
        let (child, stdin) = held();
        drop(held().0);
        in_copy(works);
        works();
        drop(stdin);
        assert!(child.wait().unwrap().success());
        reap_all_dropped();
    });
}

/// Children that a copy drops are reaped by it, also where async-io's reactor ran before.
fn zombies_of_a_copy() {
    #[cfg(feature = "async-io")]
    asynchronous::await_something();
    drop(held().0);
    in_copy(|| {
        let (child, stdin) = held();
        let pidfd = child.pidfd().try_clone().unwrap();
        drop(child);
        drop(stdin);
        until_ended(&pidfd);
        assert_eq!(pidfd.state().unwrap(), State::Zombie);
        let (other, _stdin) = held();
        assert_eq!(other.try_wait().unwrap(), None);
        assert_eq!(pidfd.state().unwrap(), State::Reaped);
        other.kill().unwrap();
        other.wait().unwrap();
    });
}

fn copy_of_a_copy() {
    let (child, _stdin) = held();
    in_copy(|| {
        let (second, _stdin) = held();
        in_copy(|| {
            refused(child.try_wait());
            refused(second.try_wait());
            works();
        });
        refused(child.try_wait());
        assert_eq!(second.try_wait().unwrap(), None);
        second.kill().unwrap();
        second.wait().unwrap();
    });
    assert_eq!(child.try_wait().unwrap(), None);
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Locks that other threads hold at the moment of the fork stay locked in the copy.
fn threads_hold_locks() {
    let set = ChildSet::new().unwrap();
    let (child, stdin) = held();
    let (watched, watched_stdin) = held();
    let key = set.insert(watched, ()).unwrap();
    drop(held().0);
    let over = AtomicBool::new(false);
    let (mut child, mut set) = (Some(child), Some(set));
    let act = |child: &Child, set: &ChildSet<()>| {
        while !over.load(Ordering::Relaxed) {
            assert!(child.try_wait().unwrap().is_none());
            assert!(set.try_wait().unwrap().is_none() && set.contains(key));
            reap_dropped();
        }
    };
    std::thread::scope(|scope| {
        let (of_thread, set_of_thread) = (child.as_ref().unwrap(), set.as_ref().unwrap());
        for _ in 0..2 {
            scope.spawn(|| act(of_thread, set_of_thread));
        }
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                ChildSet::new().unwrap().spawn(&mut Command::new("true"), ()).unwrap();
            }
        });
        for _ in 0..common::times(100) {
            in_copy(|| {
                let (child, set) = (of_thread, set_of_thread);
                refused(child.try_wait());
                refused(set.try_wait());
                assert!(child.handle().known_exit().is_none() && !set.contains(key) && set.is_empty());
                let (own, own_stdin) = held();
                drop(own);
                drop(own_stdin);
                reap_all_dropped();
            });
        }
        over.store(true, Ordering::Relaxed);
    });
    in_copy(|| drop((child.take(), set.take())));
    drop(stdin);
    assert!(child.unwrap().wait().unwrap().success());
    assert_eq!(set.unwrap().len(), 1);
    drop(watched_stdin);
    reap_all_dropped();
}

/// The kernel empties the page whoever makes the copy, and without glibc's knowledge.
fn raw_clone() {
    let (child, stdin) = held();
    // SAFETY: as fork(2). The copy has one thread, as this process has.
    match unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) } {
        0 => be_the_copy(|| {
            refused(child.try_wait());
            works();
        }),
        pid => ends_well(pid as i32),
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

fn refuse_the_page() {
    const MADV_WIPEONFORK: u32 = 18;
    let only = common::seccomp::Only { argument: 2, mask: u32::MAX, value: MADV_WIPEONFORK, negate: false };
    common::seccomp::filter(libc::SYS_madvise, Some(libc::EINVAL), Some(only)).unwrap();
    // SAFETY: it fails before it does anything.
    assert_eq!(unsafe { libc::madvise(std::ptr::null_mut(), 4096, MADV_WIPEONFORK as i32) }, -1);
    assert_eq!(io::Error::last_os_error().raw_os_error(), Some(libc::EINVAL));
}

/// Without `MADV_WIPEONFORK`, as before Linux 4.14 and under some emulators, pids are compared.
fn without_the_page() {
    // Its flag, in the list of mappings.
    assert!(!std::fs::read_to_string("/proc/self/smaps").unwrap().contains(" wf "));
    calls_of_a_child();
    calls_of_a_set();
    dropped_children_before();
    copy_of_a_copy();
}

/// A worker that drops a running child of its own does not hold up its master.
fn prefork() {
    let (mine, my_stdin) = held();
    let pidfd = mine.pidfd().try_clone().unwrap();
    drop(mine);
    let (mut ours, mut its) = UnixStream::pair().unwrap();
    // SAFETY: as in `in_copy`.
    let worker = unsafe { libc::fork() };
    if worker == 0 {
        drop((ours, my_stdin));
        be_the_copy(|| {
            let (own, own_stdin) = held();
            let handle = own.handle();
            drop(own);
            drop(own_stdin);
            until_ended_by(&handle);
            // Its zombie is there. Should the master see its event, it would spin.
            its.write_all(b".").unwrap();
            its.read_exact(&mut [0]).unwrap();
            reap_all_dropped();
        });
    }
    drop(its);
    ours.read_exact(&mut [0]).unwrap();
    assert_eq!(reap_dropped(), 1);
    works_beside(&pidfd);
    drop(my_stdin);
    reap_all_dropped();
    ours.write_all(b".").unwrap();
    ends_well(worker);
}

fn until_ended_by(handle: &childset::ChildHandle) {
    until_ended(Pidfd::open(handle.pid().unwrap()).unwrap());
}

fn works_beside(running: &Pidfd) {
    let start = Instant::now();
    assert!(Command::new("true").spawn().unwrap().wait().unwrap().success());
    assert_eq!((reap_dropped(), running.state().unwrap()), (1, State::Running));
    assert!(start.elapsed() < Duration::from_secs(60));
}

#[cfg(feature = "async-io")]
mod asynchronous {
    use super::*;

    use async_io::Timer;
    use childset::ChildStdout;
    use futures_lite::future::{block_on, or, poll_once};
    use futures_lite::AsyncReadExt;

    #[track_caller]
    fn no_reactor<R: std::fmt::Debug>(result: io::Result<R>) {
        let error = result.unwrap_err();
        assert_eq!(Forked::from_io_error(&error), Some(Forked::Reactor), "{error}");
        assert!(error.to_string().contains("async-io's reactor runs in the process"), "{error}");
    }

    pub(super) fn await_something() {
        let (child, stdin) = held();
        assert!(block_on(poll_once(child.exit())).is_none());
        drop(stdin);
        assert!(block_on(child.exit()).unwrap().success());
    }

    /// Where nobody awaited before the fork, all can be awaited after it.
    pub(super) fn awaits_anew() {
        let (child, stdin) = held();
        drop(held().0);
        in_copy(|| {
            await_something();
            let output = block_on(Command::new("echo").arg("hello").output()).unwrap();
            assert_eq!(output.stdout, b"hello\n");
            let set = ChildSet::new().unwrap();
            set.spawn(&mut Command::new("true"), ()).unwrap();
            assert!(block_on(set.next()).unwrap().unwrap().exit.unwrap().success());
            refused(block_on(child.exit()));
            // The reactor of the copy reaps what the copy drops.
            let (own, own_stdin) = held();
            let pidfd = own.pidfd().try_clone().unwrap();
            drop(own);
            drop(own_stdin);
            common::until_reaped(&pidfd);
        });
        in_copy(await_something);
        await_something();
        in_copy(|| no_reactor(block_on(held().0.exit())));
        drop(stdin);
        assert!(block_on(child.exit()).unwrap().success());
    }

    pub(super) fn inherited_reactor() {
        let set = ChildSet::new().unwrap();
        let (child, stdin) = held();
        let (tagged, tagged_stdin) = held();
        set.insert(tagged, "tag").unwrap();
        assert!(block_on(poll_once(child.exit())).is_none());
        assert!(block_on(poll_once(set.next())).is_none());
        let (mut child, mut set) = (Some(child), Some(set));
        in_copy(|| {
            refused(block_on(child.as_ref().unwrap().exit()));
            refused(block_on(child.as_ref().unwrap().terminate(Duration::ZERO)));
            refused(block_on(set.as_ref().unwrap().next()).unwrap());
            refused(block_on(set.as_ref().unwrap().shutdown(Duration::ZERO).next()).unwrap());
            let fds = common::fds();
            drop((child.take(), set.take()));
            assert!(common::fds() < fds);
            // What is new works, except awaiting.
            works();
            let (own, own_stdin) = held();
            no_reactor(block_on(own.exit()));
            no_reactor(block_on(own.terminate(Duration::from_secs(60))));
            drop(own_stdin);
            // It was sent TERM, or has ended by itself: whichever came first.
            own.wait().unwrap();
            let own = ChildSet::new().unwrap();
            own.spawn(&mut Command::new("true"), ()).unwrap();
            no_reactor(block_on(own.next()).unwrap());
            no_reactor(block_on(own.shutdown(Duration::from_secs(60)).next()).unwrap());
            assert!(own.wait(None).unwrap().is_some());
            no_reactor(block_on(Command::new("cat").stdin(Stdio::piped()).output()).map(drop));
            reap_all_dropped();
            let pidfd = async_io::Async::new(Pidfd::open(std::process::id()).unwrap());
            // Made by async-io itself, which we cannot keep from it.
            drop(pidfd.map(std::mem::forget));
        });
        // The parent's registrations are as they were.
        let (child, set) = (child.unwrap(), set.unwrap());
        drop(stdin);
        assert!(block_on(child.exit()).unwrap().success());
        drop(tagged_stdin);
        assert_eq!(block_on(set.next()).unwrap().unwrap().tag, "tag");
        let (own, own_stdin) = held();
        let pidfd = own.pidfd().try_clone().unwrap();
        drop(own);
        drop(own_stdin);
        common::until_reaped(&pidfd);
    }

    /// A program that uses the reactor without us before it forks: found out, at the cost of a wait.
    pub(super) fn reactor_of_others() {
        let (child, _stdin) = held();
        // One that is not over before it is looked at: a timer of a millisecond may not start the reactor.
        assert!(block_on(poll_once(Timer::after(Duration::from_secs(3600)))).is_none());
        // async-io's thread sleeps again, and holds none of its locks: in the copy they would stay locked.
        std::thread::sleep(Duration::from_millis(200));
        in_copy(|| {
            no_reactor(block_on(held().0.exit()));
            let start = Instant::now();
            let more = common::times(100);
            for _ in 0..more {
                no_reactor(block_on(held().0.exit()));
            }
            // Only the first one has waited a second.
            assert!(more < 100 || start.elapsed() < Duration::from_secs(50));
            works();
        });
        block_on(Timer::after(Duration::from_millis(1)));
        child.kill().unwrap();
        assert!(block_on(child.exit()).is_ok());
    }

    /// Futures that were polled before the fork, and are dropped in the copy.
    pub(super) fn futures_of_the_parent() {
        let set = ChildSet::new().unwrap();
        let (child, stdin) = held();
        let (tagged, tagged_stdin) = held();
        set.insert(tagged, "tag").unwrap();
        let mut exit = Some(Box::pin(child.exit()));
        let mut next = Some(set.next());
        assert!(block_on(poll_once(exit.as_mut().unwrap())).is_none());
        assert!(block_on(poll_once(next.as_mut().unwrap())).is_none());
        in_copy(|| {
            assert!(block_on(next.as_mut().unwrap()).unwrap().is_err());
            drop((exit.take(), next.take()));
        });
        drop(stdin);
        assert!(block_on(exit.unwrap()).unwrap().success());
        drop(tagged_stdin);
        assert_eq!(block_on(next.unwrap()).unwrap().unwrap().tag, "tag");
    }

    pub(super) fn pipes_of_the_parent() {
        let mut command = Command::new("cat");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take());
        let mut byte = [0];
        assert!(block_on(poll_once(AsyncReadExt::read(stdout.as_mut().unwrap(), &mut byte))).is_none());
        in_copy(|| {
            let stdout: &mut ChildStdout = stdout.as_mut().unwrap();
            no_reactor(block_on(AsyncReadExt::read(stdout, &mut [0])));
        });
        in_copy(|| drop(stdout.take()));
        let late = async {
            Timer::after(Duration::from_secs(60)).await;
            panic!("the reactor has lost it")
        };
        stdin.blocking().write_all(b"x").unwrap();
        let read = async { AsyncReadExt::read(stdout.as_mut().unwrap(), &mut byte).await };
        assert_eq!(block_on(or(read, late)).unwrap(), 1);
        drop(stdin);
        assert!(block_on(child.exit()).unwrap().success());
    }
}
