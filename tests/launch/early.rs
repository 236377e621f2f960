//! What happens to a child on its way to its `execve`: it is scanned, killed, or a first of a group.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use childset::{Child, ChildSet, Command, Containment, Signal, State, Stdio, Unit};

use crate::common::{self, check_leaks, skipped, Dir};
use crate::{held, is_spawned};

/// The call returns although the child is still on its way.
pub(crate) fn returns_before_execve() {
    if is_spawned() {
        return;
    }
    held(libc::SYS_execve, |held| {
        let set = ChildSet::new().unwrap();
        // With no search, each calls it once.
        let prepared = Command::new("/bin/true").prepare().unwrap();
        let child = Command::new("/bin/true").launch().unwrap();
        let other = prepared.launch().unwrap();
        set.launch(&prepared, 7).unwrap();
        let calls: Vec<_> = (0..3).map(|_| held.next(30_000).expect("the child gets there")).collect();
        for child in [&child, &other] {
            assert_eq!((child.try_wait().unwrap(), child.pidfd().state().unwrap()), (None, State::Running));
        }
        assert!(set.try_wait().unwrap().is_none());
        calls.into_iter().for_each(|call| held.go_on(call));
        assert!(child.wait().unwrap().success() && other.wait().unwrap().success());
        let exited = set.wait(None).unwrap().unwrap();
        assert!(exited.exit.unwrap().success() && exited.tag == 7);
    });
}

/// A scanner that lets the program be opened only after the call has returned: `spawn` would never return.
pub(crate) fn behind_a_scanner() {
    if is_spawned() {
        return;
    }
    let directory = Dir::new();
    // The name by which busybox knows what to do.
    let program = directory.path().join("true");
    fs::copy(fs::canonicalize("/bin/true").unwrap(), &program).unwrap();
    let path = std::ffi::CString::new(program.to_str().unwrap()).unwrap();
    // SAFETY: numbers, and a path.
    let scanner = unsafe {
        let scanner = libc::fanotify_init(libc::FAN_CLASS_CONTENT | libc::FAN_CLOEXEC, libc::O_RDONLY as u32);
        let (add, mask) = (libc::FAN_MARK_ADD, libc::FAN_OPEN_EXEC_PERM);
        if scanner == -1 || libc::fanotify_mark(scanner, add, mask, libc::AT_FDCWD, path.as_ptr()) == -1 {
            return skipped(format_args!("no scanner, which needs root: {}", io::Error::last_os_error()));
        }
        <OwnedFd as std::os::fd::FromRawFd>::from_raw_fd(scanner)
    };
    let allow = || {
        assert!(common::readable(&scanner, Duration::from_secs(30)));
        // SAFETY: zero is valid for both; so many bytes are written and read.
        unsafe {
            let mut event: libc::fanotify_event_metadata = std::mem::zeroed();
            let (at, size) = ((&raw mut event).cast(), size_of_val(&event));
            assert!(libc::read(scanner.as_raw_fd(), at, size) > 0);
            let answer = libc::fanotify_response { fd: event.fd, response: libc::FAN_ALLOW };
            let (at, size) = ((&raw const answer).cast(), size_of_val(&answer));
            assert_eq!(libc::write(scanner.as_raw_fd(), at, size), size as isize);
            libc::close(event.fd);
        }
    };
    let child = Command::new(&program).launch().unwrap();
    assert_eq!(child.try_wait().unwrap(), None);
    allow();
    assert!(child.wait().unwrap().success());
    // In a set, and killed meanwhile.
    let set = ChildSet::new().unwrap();
    set.launch(&mut Command::new(&program), "set").unwrap();
    let killed = Command::new(&program).launch().unwrap();
    assert!(set.try_wait().unwrap().is_none());
    killed.kill().unwrap();
    allow();
    if common::readable(&scanner, Duration::from_secs(1)) {
        // It had got as far as that.
        allow();
    }
    assert!(set.wait(None).unwrap().unwrap().exit.unwrap().success());
    assert_eq!(killed.wait().unwrap().signal(), Some(Signal::KILL));
}

pub(crate) fn killed_before_execve() {
    if is_spawned() {
        return;
    }
    held(libc::SYS_execve, |held| {
        let child = Command::new("true").launch().unwrap();
        let _call = held.next(30_000).expect("the child gets there");
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(Signal::KILL));
    });
}

/// Some go before they have left the table: the pipe's end comes all the same.
pub(crate) fn killed_at_once() {
    check_leaks(|| {
        for _ in 0..common::times(200) {
            let mut command = Command::new("sleep");
            let mut child = command.arg("60").stdout(Stdio::piped()).launch().unwrap();
            child.kill().unwrap();
            assert_eq!(common::read(child.stdout.take().unwrap().blocking(), &mut [0]), 0);
            assert_eq!(child.wait().unwrap().signal(), Some(Signal::KILL));
        }
    });
}

/// What a child is the first of, it makes itself. Until then it is all of that.
pub(crate) fn signalled_before_it_leads() {
    if is_spawned() {
        return;
    }
    // The child calls it before it makes a group or a session.
    held(libc::SYS_dup3, |held| {
        let ends: [fn(&Child); 5] = [
            |child| child.kill().unwrap(),
            |child| assert_ne!(child.kill_tree().unwrap(), Containment::Cgroup),
            |child| child.handle().kill().unwrap(),
            |child| assert!(child.wait_terminated(Duration::from_secs(20)).unwrap().signal().is_some()),
            |child| child.send_signal_to_group(Signal::TERM).unwrap(),
        ];
        for unit in [Unit::ProcessGroup, Unit::Session] {
            // A session is no group to the last one.
            for end in &ends[..if unit == Unit::Session { 4 } else { 5 }] {
                let child = Command::new("sleep").arg("60").unit(unit).launch().unwrap();
                held.next(30_000).expect("the child gets there");
                let start = Instant::now();
                end(&child);
                let exit = child.wait_timeout(Duration::from_secs(10)).unwrap();
                let Some(exit) = exit else {
                    child.send_signal(Signal::KILL).unwrap();
                    panic!("{unit:?}: it lives");
                };
                assert!(exit.signal().is_some() && start.elapsed() < Duration::from_secs(10), "{exit:?}");
            }
            let set = ChildSet::new().unwrap();
            set.launch(Command::new("sleep").arg("60").unit(unit), ()).unwrap();
            held.next(30_000).expect("the child gets there");
            let start = Instant::now();
            let exited = set.shutdown(Duration::from_secs(20)).wait().unwrap().unwrap();
            assert!(exited.exit.unwrap().signal().is_some() && start.elapsed() < Duration::from_secs(10));
        }
    });
}
