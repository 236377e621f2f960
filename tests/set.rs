//! `ChildSet` without async-io: taking, removing, signalling, shutting down, and its descriptor.

// The lint does not know that a pidfd reaps.
#![allow(clippy::zombie_processes)]

mod common;

use std::collections::HashSet;
use std::io::{ErrorKind, Read};
use std::os::fd::AsFd;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Barrier;
use std::time::{Duration, Instant};

use childset::{ChildSet, Gone, Pidfd, Signal};
use rustix::event::{epoll, poll, PollFd, PollFlags, Timespec};

const NOW: Duration = Duration::ZERO;

/// A child that lives until the pipe is closed.
fn held() -> (Child, ChildStdin) {
    let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let hold = child.stdin.take().unwrap();
    (child, hold)
}

fn exiting(code: i32) -> Child {
    Command::new("sh").args(["-c", &format!("exit {code}")]).spawn().unwrap()
}

/// A child that has ended, as a zombie.
fn zombie(code: i32) -> Child {
    let child = exiting(code);
    wait_readable(&Pidfd::from_child(&child).unwrap());
    child
}

fn is_readable(fd: &impl AsFd) -> bool {
    common::readable(fd, Duration::ZERO)
}

fn wait_readable(fd: &impl AsFd) {
    common::until_ended(fd);
}

/// Other tests' children may interrupt it.
fn wait_for_event(epoll: &impl AsFd) {
    let mut events = Vec::with_capacity(4);
    while events.is_empty() {
        match epoll::wait(epoll, rustix::buffer::spare_capacity(&mut events), None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn an_empty_set_has_no_exit() {
    let set = ChildSet::<()>::new().unwrap();
    assert!(set.is_empty());
    assert!(set.try_wait().unwrap().is_none());
    assert!(set.wait(None).unwrap().is_none());
    assert!(!is_readable(&set));
}

#[test]
fn exits_come_out_with_tag_pid_key_and_status() {
    let set = ChildSet::new().unwrap();
    let mut expected = Vec::new();
    for code in 0..20 {
        let child = exiting(code);
        let pid = child.id();
        expected.push((set.insert(child, code).unwrap(), Some(pid), code));
    }
    let mut got = Vec::new();
    while let Some(exited) = set.wait(None).unwrap() {
        let exit = exited.exit.unwrap();
        assert_eq!(exit.code(), Some(exited.tag));
        assert_eq!(exited.child.wait().unwrap(), exit, "the child keeps its exit");
        assert!(exit.usage().unwrap().minor_faults > 0);
        got.push((exited.key, exited.pid, exited.tag));
    }
    got.sort();
    expected.sort();
    assert_eq!(got, expected);
}

#[test]
fn readable_exactly_while_an_exit_can_be_taken() {
    let set = ChildSet::new().unwrap();
    let (child, hold) = held();
    set.insert(child, 0).unwrap();
    assert!(!is_readable(&set));

    set.insert(zombie(1), 1).unwrap();
    set.insert(zombie(2), 2).unwrap();
    assert!(is_readable(&set));
    assert!(set.try_wait().unwrap().is_some());
    assert!(is_readable(&set), "one is left");
    assert!(is_readable(&set), "level-triggered");
    assert!(set.try_wait().unwrap().is_some());
    assert!(!is_readable(&set));
    assert!(set.try_wait().unwrap().is_none());

    drop(hold);
    wait_readable(&set);
    assert_eq!(set.try_wait().unwrap().unwrap().tag, 0);
    assert!(!is_readable(&set));
}

/// All are zombies before the registration, so that one edge is all that the outer loop gets.
#[test]
fn an_edge_triggered_loop_that_drains_gets_all() {
    let set = ChildSet::new().unwrap();
    for tag in 0..50 {
        set.insert(zombie(0), tag).unwrap();
    }
    let outer = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
    let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
    epoll::add(&outer, &set, epoll::EventData::new_u64(0), flags).unwrap();
    let mut tags = HashSet::new();
    while tags.len() < 50 {
        wait_for_event(&outer);
        while let Some(exited) = set.try_wait().unwrap() {
            assert!(tags.insert(exited.tag));
        }
    }
    // A new child makes a new edge.
    let (child, hold) = held();
    set.insert(child, 50).unwrap();
    drop(hold);
    wait_for_event(&outer);
    assert_eq!(set.try_wait().unwrap().unwrap().tag, 50);
}

#[test]
fn a_set_can_be_nested_in_other_epoll_instances() {
    let set = ChildSet::new().unwrap();
    let inner = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
    let outer = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
    let data = epoll::EventData::new_u64(0);
    epoll::add(&inner, &set, data, epoll::EventFlags::IN).unwrap();
    epoll::add(&outer, &inner, data, epoll::EventFlags::IN).unwrap();
    assert!(!is_readable(&outer));
    set.insert(zombie(0), ()).unwrap();
    assert!(is_readable(&outer));
    assert!(set.try_wait().unwrap().is_some());
    assert!(!is_readable(&outer));
}

#[test]
fn a_pipe_is_read_after_the_exit() {
    let set = ChildSet::new().unwrap();
    let child = Command::new("echo").arg("hello").stdout(Stdio::piped()).spawn().unwrap();
    set.insert(child, ()).unwrap();
    let mut child = set.wait(None).unwrap().unwrap().into_child();
    let mut text = String::new();
    child.stdout.take().unwrap().blocking().read_to_string(&mut text).unwrap();
    assert_eq!(text, "hello\n");
}

#[test]
fn the_set_keeps_pipes_open() {
    let set = ChildSet::new().unwrap();
    let child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let key = set.insert(child, ()).unwrap();
    assert!(set.wait(Some(Duration::from_millis(20))).unwrap().is_none());
    let (mut child, ()) = set.remove(key).unwrap();
    drop(child.stdin.take().expect("untouched"));
    assert!(child.wait().unwrap().success());
    // All three of std's.
    let mut shell = Command::new("sh");
    shell.args(["-c", "cat; echo error >&2"]);
    shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let key = set.insert(shell.spawn().unwrap(), ()).unwrap();
    let mut told = String::new();
    std::io::Write::write_all(&mut set.take_stdin(key).unwrap().blocking(), b"output, ").unwrap();
    set.take_stdout(key).unwrap().blocking().read_to_string(&mut told).unwrap();
    set.take_stderr(key).unwrap().blocking().read_to_string(&mut told).unwrap();
    assert_eq!(told, "output, error\n");
    assert!(set.wait(None).unwrap().unwrap().exit.unwrap().success());
}

#[test]
fn a_child_whose_exit_was_taken_before_comes_out_with_it() {
    let set = ChildSet::new().unwrap();
    let child = childset::Child::try_from(exiting(9)).unwrap();
    let exit = child.wait().unwrap();
    set.insert(child, ()).unwrap();
    assert!(is_readable(&set));
    let exited = set.try_wait().unwrap().unwrap();
    assert_eq!(exited.exit.unwrap(), exit);
    assert_eq!(exited.child.wait().unwrap(), exit);
}

#[test]
fn what_is_no_pidfd_is_given_back() {
    let set = ChildSet::<u8>::new().unwrap();
    let file = std::fs::File::open("/dev/null").unwrap();
    let error = set.insert(Pidfd::from(std::os::fd::OwnedFd::from(file)), 7).unwrap_err();
    assert_eq!(error.error.raw_os_error(), Some(libc::EBADF));
    assert_eq!(error.tag, 7);
    assert!(set.is_empty());
}

#[test]
fn keys_are_never_reused() {
    let set = ChildSet::new().unwrap();
    let mut keys = HashSet::new();
    for _ in 0..50 {
        let key = set.insert(exiting(0), ()).unwrap();
        assert!(keys.insert(key));
        assert_eq!(set.wait(None).unwrap().unwrap().key, key);
        for &old in &keys {
            assert!(set.remove(old).is_none());
            let error = set.send_signal(old, 0).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound);
            assert_eq!(Gone::from_io_error(&error), Some(Gone::NotInSet));
        }
    }
}

#[test]
fn a_removed_zombie_does_not_come_out() {
    let set = ChildSet::new().unwrap();
    let key = set.insert(zombie(4), "removed").unwrap();
    set.insert(zombie(5), "stays").unwrap();
    assert!(is_readable(&set));
    let (child, tag) = set.remove(key).unwrap();
    assert_eq!(tag, "removed");
    assert_eq!(set.try_wait().unwrap().unwrap().tag, "stays");
    assert!(set.try_wait().unwrap().is_none());
    assert!(!is_readable(&set));
    assert_eq!(child.wait().unwrap().code(), Some(4));
}

/// Each child is either removed or comes out, while one thread removes and two take.
#[test]
fn remove_races_with_taking() {
    let children = common::times(300);
    let set = ChildSet::new().unwrap();
    let start = Barrier::new(3);
    let (removed, taken) = std::thread::scope(|scope| {
        let takers = [0, 1].map(|_| {
            scope.spawn(|| {
                let mut taken = Vec::new();
                start.wait();
                while !set.is_empty() {
                    if let Some(exited) = set.wait(None).unwrap() {
                        assert_eq!(exited.exit.unwrap().code(), Some(exited.tag as i32 % 256));
                        taken.push(exited.tag);
                    }
                }
                taken
            })
        });
        let keys: Vec<_> =
            (0..children).map(|tag| set.insert(exiting(tag as i32 % 256), tag).unwrap()).collect();
        start.wait();
        let mut removed = Vec::new();
        for key in keys.into_iter().rev() {
            if let Some((child, tag)) = set.remove(key) {
                assert_eq!(child.wait().unwrap().code(), Some(tag as i32 % 256));
                removed.push(tag);
            }
        }
        (removed, takers.map(|taker| taker.join().unwrap()).concat())
    });
    let mut all = [removed, taken].concat();
    all.sort();
    assert_eq!(all, (0..children).collect::<Vec<_>>());
}

#[test]
fn wait_gives_up_at_the_timeout() {
    let set = ChildSet::new().unwrap();
    let (child, hold) = held();
    set.insert(child, ()).unwrap();
    let start = Instant::now();
    assert!(set.wait(Some(Duration::from_millis(50))).unwrap().is_none());
    assert!(start.elapsed() >= Duration::from_millis(50));
    assert!(set.wait(Some(NOW)).unwrap().is_none());
    drop(hold);
    // A timeout beyond the clock's end is none.
    assert!(set.wait(Some(Duration::MAX)).unwrap().is_some());
}

/// Those who block return when somebody else takes the last child.
#[test]
fn blocked_threads_return_when_the_set_becomes_empty() {
    let set = ChildSet::new().unwrap();
    for _ in 0..20 {
        let (child, hold) = held();
        let key = set.insert(child, ()).unwrap();
        let got = std::thread::scope(|scope| {
            let waiters = [0; 3].map(|_| scope.spawn(|| set.wait(None).unwrap().is_some()));
            // Whether they block already or not: they must come back.
            std::thread::yield_now();
            let removed = set.remove(key).unwrap();
            drop(hold);
            removed.0.wait().unwrap();
            waiters.map(|waiter| waiter.join().unwrap())
        });
        assert_eq!(got, [false; 3]);
    }
}

/// Also where the thread that the exit wakes waits for more.
#[test]
fn who_waits_for_the_last_child_returns_when_another_takes_it() {
    for _ in 0..20 {
        let set = ChildSet::new().unwrap();
        let (child, hold) = held();
        set.insert(child, ()).unwrap();
        let (ended, end) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let until_closed = scope.spawn(|| set.wait_exits().count());
            std::thread::sleep(Duration::from_millis(5));
            let until_empty = scope.spawn(|| {
                let taken = set.wait(None).unwrap().is_some();
                ended.send(()).unwrap();
                taken
            });
            std::thread::sleep(Duration::from_millis(5));
            drop(hold);
            let mut taken = 0;
            while !set.is_empty() {
                // Most often faster than a thread that has to be woken.
                taken += usize::from(set.try_wait().unwrap().is_some());
            }
            let ended = end.recv_timeout(Duration::from_secs(30));
            set.close();
            taken += until_closed.join().unwrap();
            taken += usize::from(until_empty.join().unwrap());
            assert_eq!((taken, ended), (1, Ok(())));
        });
    }
}

#[test]
fn a_blocked_thread_sees_a_child_that_is_inserted_meanwhile() {
    let set = ChildSet::new().unwrap();
    let (first, hold) = held();
    let first = set.insert(first, "first").unwrap();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| set.wait(None).unwrap().unwrap().tag);
        set.insert(exiting(0), "second").unwrap();
        assert_eq!(waiter.join().unwrap(), "second");
    });
    drop(hold);
    assert!(set.remove(first).unwrap().0.wait().unwrap().success());
}

#[test]
#[allow(clippy::zombie_processes)] // Its pidfd waits for it.
fn a_closed_set_gives_children_back() {
    let set = ChildSet::new().unwrap();
    set.insert(exiting(1), 1).unwrap();
    set.close();
    let mut error = set.insert(exiting(2), 2).unwrap_err();
    assert_eq!(error.error.kind(), ErrorKind::BrokenPipe);
    assert_eq!(error.tag, 2);
    assert_eq!(error.child.wait().unwrap().code(), Some(2));
    // One that has ended, as it was.
    let mut error = set.insert(zombie(3), 3).unwrap_err();
    assert_eq!((error.tag, error.child.wait().unwrap().code()), (3, Some(3)));
    // One whose exit was taken.
    let child = childset::Child::try_from(exiting(4)).unwrap();
    let exit = child.wait().unwrap();
    let error = set.insert(child, 4).unwrap_err();
    assert_eq!((error.tag, error.child.try_wait().unwrap()), (4, Some(exit)));
    // A pidfd of one that has ended.
    let child = zombie(5);
    let error = set.insert(Pidfd::from_child(&child).unwrap(), 5).unwrap_err();
    let exit = error.child.wait().unwrap();
    // It is we who reap it: nobody did when it was refused.
    assert_eq!((error.tag, exit.code(), exit.usage().is_some()), (5, Some(5), true));
    assert_eq!(set.wait(None).unwrap().unwrap().tag, 1);
    assert!(set.wait(None).unwrap().is_none());
}

#[test]
fn a_closed_set_starts_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("started");
    let set = ChildSet::new().unwrap();
    set.close();
    let mut command = childset::Command::new("touch");
    let error = set.spawn(command.arg(&file), "tag").unwrap_err();
    assert_eq!((error.error.kind(), error.tag), (ErrorKind::BrokenPipe, "tag"));
    assert!(error.child.is_none());
    // What was started has ended once another child of the same program has.
    let other = childset::Command::new("touch").arg(directory.path().join("other")).spawn().unwrap();
    assert!(other.wait().unwrap().success());
    std::thread::sleep(Duration::from_millis(50));
    assert!(!file.exists());
}

#[test]
fn a_key_names_nothing_in_another_set() {
    let (one, two) = (ChildSet::new().unwrap(), ChildSet::new().unwrap());
    let mine = one.insert(common::held(), 1).unwrap();
    let strange = two.insert(common::held(), 2).unwrap();
    assert_ne!(mine, strange);
    assert!(!one.contains(strange) && one.pid(strange).is_none() && one.handle(strange).is_none());
    assert!(one.take_stdin(strange).is_none() && one.take_stdout(strange).is_none());
    assert!(one.take_stderr(strange).is_none() && one.remove(strange).is_none());
    for error in [one.send_signal(strange, Signal::KILL), one.send_signal_to_group(strange, Signal::KILL)] {
        assert_eq!(Gone::from_io_error(&error.unwrap_err()), Some(Gone::NotInSet));
    }
    assert_eq!((one.len(), one.keys()), (1, vec![mine]));
    drop((one.take_stdin(mine).unwrap(), two.take_stdin(strange).unwrap()));
    let exited = one.wait(None).unwrap().unwrap();
    assert_eq!((exited.key, exited.tag, exited.exit.unwrap().success()), (mine, 1, true));
    assert_eq!(two.wait(None).unwrap().unwrap().key, strange);
}

/// The set does not forget what was said about the child: 200 ms after the exit nobody would wait any more.
#[test]
fn a_drain_grace_survives_the_set() {
    let set = ChildSet::new().unwrap();
    let mut command = childset::Command::new("sh");
    command.args(["-c", "{ sleep 1; echo late; } &"]).stdout(childset::Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.set_drain_grace(Duration::from_secs(60));
    set.insert(child, ()).unwrap();
    let child = set.wait(None).unwrap().unwrap().into_child();
    assert_eq!(child.wait_with_output().unwrap().stdout, b"late\n");
}

/// Its process is gone: it comes out at once, with what the kernel still knows.
#[test]
#[allow(clippy::zombie_processes)] // Its pidfd waits for it.
fn a_reaped_pidfd_comes_out() {
    let set = ChildSet::new().unwrap();
    let child = exiting(6);
    let pidfd = Pidfd::from_child(&child).unwrap();
    let exit = pidfd.wait().unwrap();
    set.insert(pidfd, 6).unwrap();
    assert!(is_readable(&set));
    let exited = set.wait(None).unwrap().unwrap();
    assert_eq!(exited.tag, 6);
    match exited.exit {
        // Linux 6.15 and later.
        Ok(known) => assert_eq!((known.code(), known.usage()), (exit.code(), None)),
        Err(error) => assert!(childset::StatusUnknown::from_io_error(&error).is_some(), "{error}"),
    }
    assert!(set.is_empty() && !is_readable(&set));
}

#[test]
fn signals_reach_one_or_all() {
    let set = ChildSet::new().unwrap();
    let keys: Vec<_> = (0..3)
        .map(|tag| {
            let child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
            set.insert(child, tag).unwrap()
        })
        .collect();
    set.send_signal(keys[1], Signal::USR2).unwrap();
    let exited = set.wait(None).unwrap().unwrap();
    assert_eq!((exited.tag, exited.exit.unwrap().signal()), (1, Some(Signal::USR2)));
    set.send_signal_to_all(Signal::USR1).unwrap();
    for _ in 0..2 {
        assert_eq!(set.wait(None).unwrap().unwrap().exit.unwrap().signal(), Some(Signal::USR1));
    }
    assert_eq!(set.send_signal_to_all(999).map_err(|error| error.raw_os_error()), Ok(()), "nobody is left");
}

#[test]
#[allow(clippy::zombie_processes)] // Its pidfd waits for it.
fn signal_all_passes_over_zombies_and_reports_bad_signals() {
    let set = ChildSet::new().unwrap();
    set.insert(zombie(0), 0).unwrap();
    let taken_elsewhere = exiting(1);
    let pidfd = Pidfd::from_child(&taken_elsewhere).unwrap();
    set.insert(pidfd.try_clone().unwrap(), 1).unwrap();
    pidfd.wait().unwrap();
    set.send_signal_to_all(Signal::TERM).unwrap();
    assert_eq!(set.send_signal_to_all(999).unwrap_err().raw_os_error(), Some(libc::EINVAL));
    set.wait(None).unwrap().unwrap();
    set.wait(None).unwrap().unwrap();
}

#[test]
fn shutdown_terminates_then_kills() {
    let set = ChildSet::new().unwrap();
    let grace = Duration::from_millis(100);
    set.insert(
        Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap(),
        Signal::TERM,
    )
    .unwrap();
    set.insert(common::stubborn(), Signal::KILL).unwrap();
    let start = Instant::now();
    let mut shutdown = set.shutdown(grace);
    for signal in [Signal::TERM, Signal::KILL] {
        let exited = shutdown.wait().unwrap().unwrap();
        assert_eq!((exited.tag, exited.exit.unwrap().signal()), (signal, Some(signal)));
    }
    assert!(start.elapsed() >= grace);
    assert!(shutdown.wait().unwrap().is_none());
}

#[test]
fn a_shutdown_that_is_dropped_leaves_the_children() {
    let set = ChildSet::new().unwrap();
    set.insert(common::stubborn(), ()).unwrap();
    drop(set.shutdown(NOW));
    assert!(set.wait(Some(Duration::from_millis(20))).unwrap().is_none());
    let mut shutdown = set.shutdown(NOW);
    assert_eq!(shutdown.wait().unwrap().unwrap().exit.unwrap().signal(), Some(Signal::KILL));
}

#[test]
fn a_set_is_send_and_sync() {
    fn check<S: Send + Sync>() {}
    check::<ChildSet<std::cell::Cell<u8>>>();
}

#[test]
fn keys_name_what_is_in_the_set() {
    let set = ChildSet::new().unwrap();
    let held: Vec<_> = (0..3).map(|_| common::held()).collect();
    let pids: Vec<_> = held.iter().map(|child| Some(child.id())).collect();
    let keys: Vec<_> = held.into_iter().map(|child| set.insert(child, ()).unwrap()).collect();
    let mut listed = set.keys();
    listed.sort();
    let mut expected = keys.clone();
    expected.sort();
    assert_eq!(listed, expected);
    assert!(keys.iter().zip(&pids).all(|(key, pid)| set.contains(*key) && set.pid(*key) == *pid));
    let (child, ()) = set.remove(keys[1]).unwrap();
    assert!(!set.contains(keys[1]) && set.pid(keys[1]).is_none() && set.handle(keys[1]).is_none());
    assert!(set.take_stdin(keys[1]).is_none() && set.keys().len() == 2);
    drop(child);
    for key in [keys[0], keys[2]] {
        drop(set.take_stdin(key).unwrap());
        assert!(
            set.take_stdin(key).is_none() && set.take_stdout(key).is_none() && set.take_stderr(key).is_none()
        );
    }
    while let Some(exited) = set.wait(None).unwrap() {
        assert!(exited.exit.unwrap().success() && exited.child.stdin.is_none());
    }
    common::reap_all_dropped();
}

#[test]
fn the_blocking_iterator_waits_for_inserts_until_the_set_is_closed() {
    let set = ChildSet::new().unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let sender = sender.clone();
            scope
                .spawn(|| set.wait_exits().for_each(move |exited| sender.send(exited.unwrap().tag).unwrap()));
        }
        for round in 0..common::times(20) {
            set.insert(common::held(), round).map(|key| drop(set.take_stdin(key))).unwrap();
            // The set is empty at times, and the iterators go on.
            assert_eq!(receiver.recv().unwrap(), round);
        }
        set.insert(common::held(), 1000).map(|key| drop(set.take_stdin(key))).unwrap();
        set.close();
        assert_eq!(receiver.recv().unwrap(), 1000);
    });
    assert!(set.wait_exits().next().is_none());
}

/// Processor time of this process, in clock ticks.
fn ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[test]
fn threads_that_wait_sleep_after_a_close() {
    let set = ChildSet::new().unwrap();
    let key = set.insert(common::held(), ()).unwrap();
    let taken = std::thread::scope(|scope| {
        let wait = || {
            // What wakes it is the set.
            common::block_signals();
            set.wait(None).unwrap().is_some()
        };
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(wait)).collect();
        std::thread::sleep(Duration::from_millis(100));
        set.close();
        std::thread::sleep(Duration::from_millis(100));
        let before = ticks();
        std::thread::sleep(Duration::from_millis(500));
        // Half a second of two processors would be 100.
        let spent = ticks() - before;
        drop(set.take_stdin(key));
        let taken = threads.into_iter().map(|thread| usize::from(thread.join().unwrap())).sum::<usize>();
        assert!(spent < 10, "{spent} ticks");
        taken
    });
    assert_eq!(taken, 1);
}

#[test]
fn shutdown_without_blocking() {
    let set = ChildSet::new().unwrap();
    set.insert(common::stubborn(), ()).unwrap();
    let mut shutdown = set.shutdown(Duration::from_millis(50));
    assert!(shutdown.try_wait().unwrap().is_none());
    let exited = loop {
        match shutdown.try_wait().unwrap() {
            Some(exited) => break exited,
            None => std::thread::yield_now(),
        }
    };
    assert_eq!(exited.exit.unwrap().signal(), Some(Signal::KILL));
    assert!(shutdown.try_wait().unwrap().is_none());
}

/// Takes exits slowly, with more of them there all the time, until those that were left over are killed.
fn kill_comes_in_time(more: impl Fn(&ChildSet<usize>) + Sync) {
    let set = ChildSet::new().unwrap();
    let grace = Duration::from_millis(50);
    let stubborn = common::stubborn();
    let seen = Pidfd::from_child(&stubborn).unwrap();
    set.insert(stubborn, 0).unwrap();
    for tag in 1..20 {
        set.insert(zombie(0), tag).unwrap();
    }
    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(std::sync::atomic::Ordering::Relaxed) {
                more(&set);
            }
        });
        let start = Instant::now();
        let mut shutdown = set.shutdown(grace);
        while start.elapsed() <= grace {
            assert_ne!(shutdown.wait().unwrap().unwrap().tag, 0);
            std::thread::sleep(Duration::from_millis(10));
        }
        // With this call it comes, whatever there is to be taken.
        let exited = shutdown.wait().unwrap().unwrap();
        let killed = exited.tag == 0 || {
            let mut fds = [PollFd::new(&seen, PollFlags::IN)];
            let start = Instant::now();
            loop {
                match poll(&mut fds, Some(&Timespec { tv_sec: 10, tv_nsec: 0 })) {
                    Ok(ready) => break ready == 1,
                    Err(_) if start.elapsed() < Duration::from_secs(10) => {}
                    Err(_) => break false,
                }
            }
        };
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        set.send_signal_to_all(Signal::KILL).unwrap();
        assert!(killed, "it lives on");
    });
    while let Some(exited) = set.wait(None).unwrap() {
        if exited.tag == 0 {
            assert_eq!(exited.exit.unwrap().signal(), Some(Signal::KILL));
        }
    }
}

#[test]
fn shutdown_kills_in_time_though_there_are_exits() {
    kill_comes_in_time(|_| std::thread::sleep(Duration::from_millis(1)));
}

#[test]
fn shutdown_kills_in_time_though_others_spawn() {
    kill_comes_in_time(|set| {
        if set.len() < 20 {
            set.insert(exiting(0), 1).unwrap();
        }
    });
}

/// How often a thread of this process was put to sleep.
fn switches(thread: rustix::process::Pid) -> u64 {
    let path = format!("/proc/self/task/{}/status", thread.as_raw_nonzero());
    let status = std::fs::read_to_string(path).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    line.unwrap().trim().parse().unwrap()
}

/// One exit wakes the thread that takes it, and another one that waits in its place.
#[test]
fn an_exit_wakes_few_threads() {
    const THREADS: usize = 64;
    const EXITS: usize = 20;
    let set = ChildSet::new().unwrap();
    let keys: Vec<_> = (0..EXITS).map(|tag| set.insert(common::held(), tag).unwrap()).collect();
    let (started, ids) = std::sync::mpsc::channel();
    let (taken, exits) = std::sync::mpsc::channel();
    let all_asleep = |ids: &[rustix::process::Pid]| {
        let is_asleep = |id: &rustix::process::Pid| {
            let path = format!("/proc/self/task/{}/stat", id.as_raw_nonzero());
            std::fs::read_to_string(path).unwrap().rsplit(')').next().unwrap().starts_with(" S")
        };
        while !ids.iter().all(is_asleep) {
            std::thread::yield_now();
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            let (started, taken) = (started.clone(), taken.clone());
            let set = &set;
            scope.spawn(move || {
                // What wakes it is the set.
                common::block_signals();
                started.send(rustix::thread::gettid()).unwrap();
                while let Some(exited) = set.wait(None).unwrap() {
                    taken.send(exited.tag).unwrap();
                }
            });
        }
        let ids: Vec<_> = ids.iter().take(THREADS).collect();
        all_asleep(&ids);
        let before: u64 = ids.iter().map(|id| switches(*id)).sum();
        for (tag, key) in keys.iter().enumerate().take(EXITS - 1) {
            drop(set.take_stdin(*key));
            assert_eq!(exits.recv().unwrap(), tag);
            all_asleep(&ids);
        }
        let spent = ids.iter().map(|id| switches(*id)).sum::<u64>() - before;
        drop(set.take_stdin(keys[EXITS - 1]));
        // Some are put to sleep once more, by a lock.
        assert!(spent < 8 * EXITS as u64, "{spent} for {EXITS} exits");
    });
}
