//! Handles: what a program keeps of a child that it gave away.

mod common;

use std::io::Write;
use std::thread;

use childset::{
    reap_dropped, Child, ChildHandle, ChildSet, Command, Containment, Gone, Signal, State, Stdio,
};
use common::{check_leaks, reap_all_dropped, until_ended, until_reaped};

const TESTS: &[(&str, fn())] = &[
    ("it_outlives_the_membership_and_the_child", it_outlives_the_membership_and_the_child),
    ("a_set_gives_handles_of_what_it_spawned", a_set_gives_handles_of_what_it_spawned),
    ("it_costs_no_descriptor", it_costs_no_descriptor),
    ("it_does_not_put_off_what_dropping_does", it_does_not_put_off_what_dropping_does),
    ("a_handle_changes_nothing_of_the_child", a_handle_changes_nothing_of_the_child),
    ("the_last_handle_does_nothing", the_last_handle_does_nothing),
    ("a_group_is_reached_before_and_after", a_group_is_reached_before_and_after),
    #[cfg(feature = "async-io")]
    ("a_future_keeps_the_child_and_a_handle_does_not", a_future_keeps_the_child_and_a_handle_does_not),
    ("it_prints_what_it_knows", it_prints_what_it_knows),
];

fn main() {
    common::main_warm(TESTS);
}

fn cat() -> Child {
    Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap()
}

fn assert_gone(handle: &ChildHandle) {
    let error = handle.send_signal(Signal::TERM).unwrap_err();
    assert_eq!(Gone::from_io_error(&error), Some(Gone::Reaped));
    handle.kill().unwrap();
}

fn it_outlives_the_membership_and_the_child() {
    check_leaks(|| {
        let set = ChildSet::new().unwrap();
        let child = cat();
        let pid = child.pid();
        let first = child.handle();
        let key = set.insert(child, ()).unwrap();
        let handles = [first.clone(), set.handle(key).unwrap(), first];
        for handle in &handles {
            assert_eq!((handle.pid(), handle.known_exit()), (pid, None));
            handle.send_signal(0).unwrap();
        }
        drop(set.take_stdin(key).unwrap());
        let exited = set.wait(None).unwrap().unwrap();
        let exit = exited.exit.unwrap();
        drop((exited.child, set));
        for handle in handles {
            assert_eq!((handle.pid(), handle.known_exit()), (pid, Some(exit)));
            assert_gone(&handle);
        }
    });
}

fn a_set_gives_handles_of_what_it_spawned() {
    check_leaks(|| {
        let set = ChildSet::new().unwrap();
        let key = set.spawn(Command::new("sleep").arg("60"), "sleep").unwrap();
        let (one, two) = (set.handle(key).unwrap(), set.handle(key).unwrap());
        assert_eq!((one.pid(), two.pid()), (set.pid(key), set.pid(key)));
        thread::spawn(move || one.send_signal(Signal::TERM)).join().unwrap().unwrap();
        let exited = set.wait(None).unwrap().unwrap();
        assert_eq!((exited.tag, exited.exit.unwrap().signal()), ("sleep", Some(Signal::TERM)));
        assert_eq!(two.known_exit().unwrap().signal(), Some(Signal::TERM));
        assert!(set.handle(key).is_none());
    });
}

fn it_costs_no_descriptor() {
    let child = cat();
    let before = common::fds();
    let handles: Vec<_> = (0..100).map(|_| child.handle()).collect();
    assert_eq!(common::fds(), before);
    child.kill().unwrap();
    child.wait().unwrap();
    drop(handles);
}

fn it_does_not_put_off_what_dropping_does() {
    check_leaks(|| {
        // Killed and reaped at once, though the handle is there; and the handle learns how it ended.
        let mut child = cat();
        child.set_kill_on_drop(true);
        let pidfd = child.pidfd().try_clone().unwrap();
        let handle = child.handle();
        drop(child);
        until_ended(&pidfd);
        reap_all_dropped();
        until_reaped(&pidfd);
        assert_eq!(handle.known_exit().unwrap().signal(), Some(Signal::KILL));
        assert_gone(&handle);

        // The same in a set that is dropped.
        let mut child = cat();
        child.set_kill_on_drop(true);
        let pidfd = child.pidfd().try_clone().unwrap();
        let set = ChildSet::new().unwrap();
        let key = set.insert(child, ()).unwrap();
        let handle = set.handle(key).unwrap();
        drop(set);
        until_ended(&pidfd);
        reap_all_dropped();
        assert_eq!(handle.known_exit().unwrap().signal(), Some(Signal::KILL));
    });
}

/// What it was made with stays when a set gives a handle of it.
fn a_handle_changes_nothing_of_the_child() {
    check_leaks(|| {
        let set = ChildSet::new().unwrap();
        let mut command = Command::new("sleep");
        let key = set.spawn(command.arg("60").process_group(0).reap_on_drop(false), ()).unwrap();
        let handle = set.handle(key).unwrap();
        let (child, ()) = set.remove(key).unwrap();
        assert_eq!(child.kill_tree().unwrap(), Containment::ProcessGroup);
        let pidfd = child.pidfd().try_clone().unwrap();
        until_ended(&pidfd);
        drop(child);
        assert_eq!((reap_dropped(), pidfd.state().unwrap()), (0, State::Zombie));
        assert_eq!(pidfd.wait().unwrap().signal(), Some(Signal::KILL));
        assert_eq!(handle.known_exit(), None);
    });
}

fn the_last_handle_does_nothing() {
    check_leaks(|| {
        let mut child = cat();
        let stdin = child.stdin.take();
        let pidfd = child.pidfd().try_clone().unwrap();
        child.set_kill_on_drop(true);
        child.set_reap_on_drop(false);
        let handle = child.handle();
        drop(child);
        // The zombie is for us: neither the child nor the handle reaps it.
        until_ended(&pidfd);
        drop(handle);
        assert_eq!(reap_dropped(), 0);
        assert_eq!(pidfd.state().unwrap(), State::Zombie);
        assert_eq!(pidfd.wait().unwrap().signal(), Some(Signal::KILL));
        drop(stdin);

        // A child that nobody kills runs on.
        let mut child = cat();
        let stdin = child.stdin.take().unwrap();
        let pidfd = child.pidfd().try_clone().unwrap();
        let handle = child.handle();
        drop((child, handle));
        stdin.blocking().write_all(b"still there").unwrap();
        assert_eq!((pidfd.state().unwrap(), reap_dropped()), (State::Running, 1));
        drop(stdin);
        reap_all_dropped();
    });
}

fn a_group_is_reached_before_and_after() {
    let child = Command::new("sh").args(["-c", "sleep 60 & wait"]).process_group(0).spawn().unwrap();
    let handle = child.handle();
    let set = ChildSet::new().unwrap();
    set.insert(child, ()).unwrap();
    handle.send_signal_to_group(Signal::KILL).unwrap();
    assert_eq!(set.wait(None).unwrap().unwrap().exit.unwrap().signal(), Some(Signal::KILL));
}

#[cfg(feature = "async-io")]
fn a_future_keeps_the_child_and_a_handle_does_not() {
    use futures_lite::future::{block_on, poll_once};

    check_leaks(|| {
        let mut child = cat();
        child.set_kill_on_drop(true);
        let stdin = child.stdin.take();
        let handle = child.handle();
        let mut exit = Box::pin(child.exit());
        assert!(block_on(poll_once(&mut exit)).is_none());
        drop(child);
        handle.send_signal(0).unwrap();
        drop(stdin);
        let exit = block_on(exit).unwrap();
        assert!(exit.success());
        assert_eq!(handle.known_exit(), Some(exit));
    });
}

fn it_prints_what_it_knows() {
    let child = Command::new("true").spawn().unwrap();
    let handle = child.handle();
    child.wait().unwrap();
    let text = format!("{handle:?}");
    assert!(text.starts_with(&format!("ChildHandle {{ pid: Some({}), exit: Some(", child.id())), "{text}");
}
