//! What is awaited: async-io's reactor before and after the fork.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use async_io::Timer;
use childset::{ChildSet, ChildStdout, Command, Forked, Pidfd, Stdio};
use futures_lite::future::{block_on, or, poll_once};
use futures_lite::AsyncReadExt;

use crate::common::{self, held_child, reap_all_dropped};
use crate::{in_copy, refused, works};

#[track_caller]
fn no_reactor<R: std::fmt::Debug>(result: io::Result<R>) {
    let error = result.unwrap_err();
    assert_eq!(Forked::from_io_error(&error), Some(Forked::Reactor), "{error}");
    assert!(error.to_string().contains("async-io's reactor runs in the process"), "{error}");
}

pub(crate) fn await_something() {
    let (child, stdin) = held_child();
    assert!(block_on(poll_once(child.exit())).is_none());
    drop(stdin);
    assert!(block_on(child.exit()).unwrap().success());
}

/// Where nobody awaited before the fork, all can be awaited after it.
pub(crate) fn awaits_anew() {
    let (child, stdin) = held_child();
    drop(held_child().0);
    in_copy(|| {
        await_something();
        let output = block_on(Command::new("echo").arg("hello").output()).unwrap();
        assert_eq!(output.stdout, b"hello\n");
        let set = ChildSet::new().unwrap();
        set.spawn(&mut Command::new("true"), ()).unwrap();
        assert!(block_on(set.next()).unwrap().unwrap().exit.unwrap().success());
        refused(block_on(child.exit()));
        // The reactor of the copy reaps what the copy drops.
        let (own, own_stdin) = held_child();
        let pidfd = own.pidfd().try_clone().unwrap();
        drop(own);
        drop(own_stdin);
        common::until_reaped(&pidfd);
    });
    in_copy(await_something);
    await_something();
    in_copy(|| no_reactor(block_on(held_child().0.exit())));
    drop(stdin);
    assert!(block_on(child.exit()).unwrap().success());
}

pub(crate) fn inherited_reactor() {
    let set = ChildSet::new().unwrap();
    let (child, stdin) = held_child();
    let (tagged, tagged_stdin) = held_child();
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
        let (own, own_stdin) = held_child();
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
    let (own, own_stdin) = held_child();
    let pidfd = own.pidfd().try_clone().unwrap();
    drop(own);
    drop(own_stdin);
    common::until_reaped(&pidfd);
}

/// A program that uses the reactor without us before it forks: found out, at the cost of a wait.
pub(crate) fn reactor_of_others() {
    let (child, _stdin) = held_child();
    // One that is not over before it is looked at: a timer of a millisecond may not start the reactor.
    assert!(block_on(poll_once(Timer::after(Duration::from_secs(3600)))).is_none());
    // async-io's thread sleeps again, and holds none of its locks: in the copy they would stay locked.
    std::thread::sleep(Duration::from_millis(200));
    in_copy(|| {
        no_reactor(block_on(held_child().0.exit()));
        let start = Instant::now();
        let more = common::times(100);
        for _ in 0..more {
            no_reactor(block_on(held_child().0.exit()));
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
pub(crate) fn futures_of_the_parent() {
    let set = ChildSet::new().unwrap();
    let (child, stdin) = held_child();
    let (tagged, tagged_stdin) = held_child();
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

pub(crate) fn pipes_of_the_parent() {
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
