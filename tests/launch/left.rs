//! This process, while a child is on its way: it drops what it has, it forks, it gets a stop signal.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use childset::{reap_dropped, Child, ChildSet, Command, Exit, Signal, Stdio};

use crate::common::{self, check_leaks, reap_all_dropped, sh};
use crate::{is_spawned, output};

/// A copy of this process keeps no end of a pipe of a child that is on its way.
pub(crate) fn forks_in_between() {
    if is_spawned() {
        return;
    }
    let fork = || {
        // SAFETY: the copy waits for a signal alone.
        match unsafe { libc::fork() } {
            0 => loop {
                // SAFETY: it only waits.
                unsafe { libc::pause() };
            },
            pid => pid,
        }
    };
    let end = |pid: i32| {
        // SAFETY: a child that is not reaped yet.
        unsafe { libc::kill(pid, libc::SIGKILL) };
        common::reap_by_pid(pid as u32);
    };
    check_leaks(|| {
        for _ in 0..common::times(100) {
            let child = Command::new("echo").arg("hello").stdout(Stdio::piped()).launch().unwrap();
            let copy = fork();
            assert_eq!(output(child), "hello\n");
            end(copy);
            // What the copy launches is its own, and what it has of ours is inert.
            let ours = Command::new("echo").arg("ours").stdout(Stdio::piped()).launch().unwrap();
            // SAFETY: this process has one thread.
            match unsafe { libc::fork() } {
                0 => {
                    common::end_after(60);
                    let child = Command::new("echo").arg("its").stdout(Stdio::piped()).launch().unwrap();
                    let fine = output(child) == "its\n" && ours.wait().is_err();
                    let failed = Command::new("/no/such/program").launch().unwrap().wait();
                    let fine = fine && failed.unwrap_err().kind() == io::ErrorKind::NotFound;
                    // SAFETY: the end of the copy.
                    unsafe { libc::_exit(if fine { 0 } else { 1 }) }
                }
                pid => assert_eq!(common::reap_by_pid(pid as u32), 0),
            }
            assert_eq!(output(ours), "ours\n");
        }
    });
}

pub(crate) fn a_set_dropped_at_once() {
    check_leaks(|| {
        for _ in 0..common::times(50) {
            let set = ChildSet::new().unwrap();
            for tag in 0..8 {
                set.launch(sh("exit 0").stdin(Stdio::piped()), tag).unwrap();
            }
            drop(set);
        }
        reap_all_dropped();
    });
    common::no_child_is_left();
}

pub(crate) fn dropped_at_once() {
    if is_spawned() {
        return;
    }
    check_leaks(|| {
        for _ in 0..common::times(200) {
            let mut command = Command::new("sleep");
            command.arg("60").kill_on_drop(true).stdout(Stdio::piped());
            drop(command.launch().unwrap());
            drop(Command::new("/no/such/program").launch().unwrap());
        }
        while reap_dropped() > 0 {
            std::thread::yield_now();
        }
    });
    common::no_child_is_left();
}

/// A stop signal to the foreground group stops the children that are on their way, and not the one who launches.
pub(crate) fn stop_signals() {
    if is_spawned() {
        return;
    }
    let status = common::reexec("stopped").status().unwrap();
    assert!(status.success(), "{status}");
}

extern "C" fn caught(_: i32) {}

pub(crate) fn stopped_here() {
    common::end_after(60);
    // SAFETY: a group of its own, and a handler that does nothing. Children have the default.
    unsafe {
        libc::setpgid(0, 0);
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = caught as extern "C" fn(i32) as usize;
        action.sa_flags = libc::SA_RESTART;
        libc::sigaction(libc::SIGTSTP, &action, std::ptr::null_mut());
    }
    let over = AtomicBool::new(false);
    let children: Vec<Child> = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                // SAFETY: it only sends a signal.
                unsafe { libc::kill(0, libc::SIGTSTP) };
                std::thread::sleep(Duration::from_micros(300));
            }
        });
        // Fewer than may be on their way.
        let children = (0..50).map(|_| sh("exit 6").launch().unwrap()).collect();
        over.store(true, Ordering::Relaxed);
        children
    });
    for child in children {
        let exit: Exit = loop {
            // In an orphaned group nothing stops; then there is nothing to continue.
            child.send_signal(Signal::CONT).ok();
            if let Some(exit) = child.wait_timeout(Duration::from_millis(20)).unwrap() {
                break exit;
            }
        };
        assert_eq!(exit.code(), Some(6));
    }
}
