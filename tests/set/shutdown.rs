//! The shutdown of a set: it terminates, then kills, in time.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use childset::{ChildSet, Pidfd, Signal};
use rustix::event::{poll, PollFd, PollFlags, Timespec};

use crate::common::{self, exiting};
use crate::{zombie, NOW};

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
