//! How a child is ended, with all that it started.

use std::io::{ErrorKind, Read};
use std::time::{Duration, Instant};

use childset::{Child, Command, Containment, Signal, Stdio};

use crate::{common, sh, Group, LONG};

#[test]
fn terminated() {
    let honours = || sh("echo; exec sleep 60").spawn().unwrap();
    let ignores = || sh("trap '' TERM; echo; while :; do sleep 60; done").spawn().unwrap();
    let cleans_up = || sh("trap 'exit 9' TERM; echo; while :; do sleep 0.01; done").spawn().unwrap();
    let ready = |child: &mut Child| child.stdout.as_ref().unwrap().blocking().read_exact(&mut [0]).unwrap();
    type Make<'a> = &'a dyn Fn() -> Child;
    let cases: [(Make<'_>, Duration, Option<Signal>, Option<i32>); 4] = [
        (&honours, LONG, Some(Signal::TERM), None),
        (&cleans_up, LONG, None, Some(9)),
        (&ignores, Duration::from_millis(50), Some(Signal::KILL), None),
        (&ignores, Duration::ZERO, Some(Signal::KILL), None),
    ];
    for (make, grace, signal, code) in cases {
        let begin = Instant::now();
        let mut child = make();
        ready(&mut child);
        let group = Group::of(&child);
        let exit = child.wait_terminated(grace).unwrap();
        assert_eq!((exit.signal(), exit.code()), (signal, code));
        // Again: nothing is sent to what has ended.
        assert_eq!(child.wait_terminated(grace).unwrap(), exit);
        drop(group);
        #[cfg(feature = "async-io")]
        {
            let mut child = make();
            ready(&mut child);
            let group = Group::of(&child);
            let exit = futures_lite::future::block_on(child.terminate(grace)).unwrap();
            assert_eq!((exit.signal(), exit.code()), (signal, code));
            assert_eq!(futures_lite::future::block_on(child.terminate(grace)).unwrap(), exit);
            drop(group);
        }
        let elapsed = begin.elapsed();
        assert!(elapsed < LONG && (signal != Some(Signal::KILL) || elapsed >= grace));
    }
}

#[test]
fn wait_with_a_timeout() {
    let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let begin = Instant::now();
    assert_eq!(child.wait_timeout(Duration::from_millis(30)).unwrap(), None);
    assert!(begin.elapsed() >= Duration::from_millis(30));
    assert_eq!(child.wait_timeout(Duration::ZERO).unwrap(), None);
    drop(child.stdin.take());
    assert!(child.wait_timeout(Duration::MAX).unwrap().unwrap().success());
    assert!(child.wait_timeout(Duration::ZERO).unwrap().unwrap().success());
}

#[test]
fn killed_with_all_that_it_started() {
    let mut child = sh("sleep 60 & sleep 60 & echo; wait").stdin(Stdio::piped()).spawn().unwrap();
    child.stdout.as_ref().unwrap().blocking().read_exact(&mut [0]).unwrap();
    assert_eq!(child.kill_tree().unwrap(), Containment::ProcessGroup);
    assert_eq!(child.wait().unwrap().signal(), Some(Signal::KILL));
    // End of file: all of them are gone.
    assert_eq!(child.stdout.take().unwrap().blocking().read_to_end(&mut Vec::new()).unwrap(), 0);
    match child.kill_tree() {
        Ok(containment) => {
            assert_eq!(containment, Containment::ProcessGroup, "that nobody is left is no error")
        }
        // Before 6.9 the number of the group may be another's by now.
        Err(error) => {
            assert!(common::kernel() < (6, 9) && error.kind() == ErrorKind::Unsupported, "{error}");
        }
    }

    // A group with nobody else in it is gone with its leader.
    let alone = Command::new("sleep").arg("60").process_group(0).spawn().unwrap();
    alone.kill().unwrap();
    alone.wait().unwrap();
    match alone.kill_tree() {
        Ok(containment) => assert_eq!(containment, Containment::ProcessGroup),
        Err(error) => {
            assert!(common::kernel() < (6, 9) && error.kind() == ErrorKind::Unsupported, "{error}");
        }
    }

    // The leader has ended and was reaped; what it left is still reached (Linux 6.9).
    if common::kernel() >= (6, 9) {
        let mut child = sh("exec 3>&1; sleep 60 & exit 0").spawn().unwrap();
        assert!(child.wait().unwrap().success());
        assert_eq!(child.kill_tree().unwrap(), Containment::ProcessGroup);
        assert_eq!(child.stdout.take().unwrap().blocking().read_to_end(&mut Vec::new()).unwrap(), 0);
    }
    let mut session = Command::new("sh");
    session.args(["-c", "sleep 60 & echo; wait"]).setsid(true).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = session.spawn().unwrap();
    child.stdout.as_ref().unwrap().blocking().read_exact(&mut [0]).unwrap();
    assert_eq!(child.kill_tree().unwrap(), Containment::ProcessGroup);
    assert_eq!(child.stdout.take().unwrap().blocking().read_to_end(&mut Vec::new()).unwrap(), 0);
    assert_eq!(child.wait().unwrap().signal(), Some(Signal::KILL));

    // A member of another's group is no leader.
    let mut leader = Command::new("cat");
    leader.stdin(Stdio::piped()).stdout(Stdio::null()).process_group(0);
    let leader = leader.spawn().unwrap();
    let member = Command::new("sleep").arg("60").process_group(leader.id() as i32).spawn().unwrap();
    assert_eq!(member.kill_tree().unwrap(), Containment::Process);
    assert_eq!(member.wait().unwrap().signal(), Some(Signal::KILL));
    assert_eq!(leader.try_wait().unwrap(), None);
    leader.kill().unwrap();
    leader.wait().unwrap();

    let child = Command::new("sleep").arg("60").spawn().unwrap();
    assert_eq!(child.kill_tree().unwrap(), Containment::Process);
    assert_eq!(child.wait().unwrap().signal(), Some(Signal::KILL));
    assert_eq!(child.kill_tree().unwrap(), Containment::Process);
}
